/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ops/snapshot.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "model/names.h"
#include "ops/image.h"
#include "sys/dm.h"
#include "sys/image.h"
#include "sys/loop.h"
#include "sys/path.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/undo.h"

#define SECTOR 512
#define COW_MIN (64 << 10)

/* The two files of a snapshot, open, and their loop devices. */
typedef struct {
    int base_fd;
    int cow_fd;
    struct stat base;
    struct stat cow;
    int base_loop_fd;
    int cow_loop_fd;
    char *base_loop;
    char *cow_loop;
} Files;

static void
close_files(Files *files)
{
    banger_close_fd(&files->base_fd);
    banger_close_fd(&files->cow_fd);
    banger_close_fd(&files->base_loop_fd);
    banger_close_fd(&files->cow_loop_fd);
    g_free(files->base_loop);
    g_free(files->cow_loop);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Files, close_files)

static bool
check_sizes(const Files *files, const BangerCreateDmSnapshotRequest *request, GError **error)
{
    if (files->base.st_dev == files->cow.st_dev && files->base.st_ino == files->cow.st_ino)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "rootfs_path and cow_path are the same file");
    if (files->base.st_size == 0 || files->base.st_size % SECTOR != 0)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s has %jd bytes: a base image must be a multiple of %d bytes, "
                                "and not empty",
                                request->rootfs_path, (intmax_t)files->base.st_size, SECTOR);
    if (files->cow.st_size < COW_MIN)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s has %jd bytes: a COW file must have at least %d",
                                request->cow_path, (intmax_t)files->cow.st_size, COW_MIN);
    return true;
}

static bool
open_files(const BangerSettings *settings, const BangerCreateDmSnapshotRequest *request,
           Files *files, GError **error)
{
    files->base_fd = banger_path_open_file(settings, BANGER_PATH_STATE, request->rootfs_path,
                                           O_RDONLY, &files->base, error);
    if (files->base_fd < 0)
        return false;
    files->cow_fd = banger_path_open_file(settings, BANGER_PATH_STATE, request->cow_path, O_RDWR,
                                          &files->cow, error);
    return files->cow_fd >= 0 && check_sizes(files, request, error);
}

/* Whether @info is a snapshot of @files; then their loop devices are filled in. */
static bool
is_of_files(const BangerDmInfo *info, Files *files)
{
    g_autofree char *base = NULL, *cow = NULL;

    if (!info->is_snapshot)
        return false;
    base = banger_loop_path_if_backed_by(info->base, files->base.st_dev, files->base.st_ino);
    cow = banger_loop_path_if_backed_by(info->cow, files->cow.st_dev, files->cow.st_ino);
    if (base == NULL || cow == NULL)
        return false;
    files->base_loop = g_steal_pointer(&base);
    files->cow_loop = g_steal_pointer(&cow);
    return true;
}

/*
 * What the name stands for now. *@ret_done: the very snapshot asked for. A device without a table
 * is what a helper left that was killed while making it.
 */
static bool
look_at_name(const char *name, Files *files, bool *ret_done, GError **error)
{
    BangerDmInfo info;

    if (!banger_dm_get_info(name, &info, error))
        return false;
    *ret_done = info.exists && is_of_files(&info, files);
    if (!info.exists || *ret_done)
        return true;
    if (info.is_banger && !info.has_table && info.open_count == 0)
        return banger_dm_remove(name, error);
    return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                            BANGER_DM_DIRECTORY "%s exists, and is not a snapshot of these files",
                            name);
}

/* The kernel would attach a file twice, and the two would not know of each other's writes. */
static bool
attach(const BangerCreateDmSnapshotRequest *request, Files *files, GError **error)
{
    if (!banger_image_wait_detached(&files->cow, BANGER_LOOP_ANY, request->cow_path, error) ||
        !banger_image_wait_detached(&files->base, BANGER_LOOP_WRITABLE, request->rootfs_path,
                                    error))
        return false;
    files->base_loop_fd =
        banger_loop_attach(files->base_fd, request->rootfs_path, true, &files->base_loop, error);
    if (files->base_loop_fd < 0)
        return false;
    files->cow_loop_fd =
        banger_loop_attach(files->cow_fd, request->cow_path, false, &files->cow_loop, error);
    return files->cow_loop_fd >= 0;
}

static void
remove_again(gpointer name)
{
    (void)banger_dm_remove(name, NULL);
}

/*
 * The loops need no undo: they are detached when their descriptors close, unless the device holds
 * them by then.
 */
static bool
create(const BangerSettings *settings, const BangerCreateDmSnapshotRequest *request, Files *files,
       GError **error)
{
    g_auto(BangerUndo) undo = BANGER_UNDO_INIT;
    struct stat base, cow, node;
    g_autofree char *path = g_strconcat(BANGER_DM_DIRECTORY, request->dm_name, NULL);

    if (!attach(request, files, error))
        return false;
    if (fstat(files->base_loop_fd, &base) < 0 || fstat(files->cow_loop_fd, &cow) < 0)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "cannot examine the loop devices of %s", request->dm_name);
    if (!banger_dm_create_snapshot(request->dm_name, base.st_rdev, cow.st_rdev,
                                   (uint64_t)files->base.st_size / SECTOR, settings->vmm_uid,
                                   settings->vmm_gid, error))
        return false;
    banger_undo_push(&undo, remove_again, g_strdup(request->dm_name), g_free);
    if (stat(path, &node) < 0)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "%s did not appear: udev made no node for it", path);
    banger_undo_commit(&undo);
    return true;
}

bool
banger_create_dm_snapshot(const BangerSettings *settings, const BangerRequest *request,
                          BangerReply *reply, GError **error)
{
    const BangerCreateDmSnapshotRequest *wanted = &request->create_dm_snapshot;
    BangerSnapshotHandles *handles = &reply->create_dm_snapshot;
    g_auto(Files) files = {.base_fd = -1, .cow_fd = -1, .base_loop_fd = -1, .cow_loop_fd = -1};
    bool done = false;

    if (!open_files(settings, wanted, &files, error) ||
        !look_at_name(wanted->dm_name, &files, &done, error))
        return false;
    if (!done && !create(settings, wanted, &files, error))
        return false;
    handles->base_loop = g_steal_pointer(&files.base_loop);
    handles->cow_loop = g_steal_pointer(&files.cow_loop);
    handles->dm_name = g_strdup(wanted->dm_name);
    handles->dm_dev = g_strconcat(BANGER_DM_DIRECTORY, wanted->dm_name, NULL);
    return true;
}

static bool
remove_snapshot(const char *name, GError **error)
{
    BangerDmInfo info;

    if (!banger_dm_get_info(name, &info, error))
        return false;
    if (!info.exists)
        return true;
    if (info.has_table && !info.is_snapshot)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                BANGER_DM_DIRECTORY "%s is not a snapshot", name);
    return banger_dm_remove(name, error);
}

bool
banger_remove_dm_snapshot(const BangerSettings *settings, const BangerRequest *request,
                          BangerReply *reply, GError **error)
{
    (void)settings;
    (void)reply;
    return remove_snapshot(request->remove_dm_snapshot.target, error);
}

/*
 * Detaches @loop, if it is given and still the caller's to detach. The numbers of loops are used
 * again: once the device is gone (@is_device_gone), what is there now may be somebody else's.
 */
static bool
detach(const BangerSettings *settings, const char *loop, bool is_device_gone, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (loop[0] == '\0' || banger_loop_detach(settings, loop, &failure))
        return true;
    if (is_device_gone && (g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_MANAGED) ||
                           g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_BUSY)))
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

bool
banger_cleanup_dm_snapshot(const BangerSettings *settings, const BangerRequest *request,
                           BangerReply *reply, GError **error)
{
    const BangerSnapshotHandles *handles = &request->cleanup_dm_snapshot;
    const char *name = handles->dm_name[0] != '\0' ? handles->dm_name : handles->dm_dev;
    bool has_device = name[0] != '\0';
    bool base_done;

    (void)reply;
    if (g_str_has_prefix(name, BANGER_DM_DIRECTORY))
        name += strlen(BANGER_DM_DIRECTORY);
    if (has_device && !remove_snapshot(name, error))
        return false;
    base_done = detach(settings, handles->base_loop, has_device, error);
    return detach(settings, handles->cow_loop, has_device, base_done ? error : NULL) && base_done;
}

bool
banger_fsck_snapshot(const BangerSettings *settings, const BangerRequest *request,
                     BangerReply *reply, GError **error)
{
    const char *path = request->fsck_snapshot.dm_dev;
    const char *name = path + strlen(BANGER_DM_DIRECTORY);
    banger_autofd int fd = -1;

    if (!banger_image_check_device_unused(name, error))
        return false;
    /* Not exclusively: e2fsck itself takes the device for its own. */
    fd = banger_dm_open(name, O_RDONLY, error);
    return fd >= 0 && banger_image_check(settings, fd, path, BANGER_IMAGE_CHECK,
                                         &reply->fsck_snapshot.corrected, error);
}
