/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "disk/dm.h"
#include "disk/loop.h"
#include "model/bounds.h"
#include "model/names.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"
#include "util/undo.h"

#define SECTOR 512

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
check_base(const Files *files, const BangerCreateDmSnapshotRequest *request, GError **error)
{
    return (files->base.st_size != 0 && files->base.st_size % SECTOR == 0) ||
           banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "%s has %jd bytes: a base image must be a multiple of %d bytes, "
                            "and not empty",
                            request->rootfs_path, (intmax_t)files->base.st_size, SECTOR);
}

static bool
check_sizes(const Files *files, const BangerCreateDmSnapshotRequest *request, GError **error)
{
    if (files->base.st_dev == files->cow.st_dev && files->base.st_ino == files->cow.st_ino)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "rootfs_path and cow_path are the same file");
    if (!check_base(files, request, error))
        return false;
    if (files->cow.st_size < (off_t)BANGER_COW_MIN)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s has %jd bytes: a COW file must have at least %u",
                                request->cow_path, (intmax_t)files->cow.st_size, BANGER_COW_MIN);
    return true;
}

/*
 * What a COW file begins with (struct disk_header of the kernel's dm-snap-persistent.c), in the
 * order of its bytes.
 */
typedef struct {
    uint32_t magic;
    uint32_t valid;
    uint32_t version;
    uint32_t chunk_size; /* in sectors */
} CowHeader;

#define COW_MAGIC 0x70416e53u /* "SnAp" */
#define COW_VERSION 1

static bool
check_cow_header(const Files *files, const char *path, bool *ret_is_new, GError **error)
{
    static const CowHeader zeros;
    CowHeader header;

    if (pread(files->cow_fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot read %s",
                                path);
    *ret_is_new = memcmp(&header, &zeros, sizeof header) == 0;
    if (*ret_is_new)
        return true;
    if (GUINT32_FROM_LE(header.magic) != COW_MAGIC ||
        GUINT32_FROM_LE(header.version) != COW_VERSION ||
        GUINT32_FROM_LE(header.chunk_size) != BANGER_DM_CHUNK_SECTORS)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s begins neither with zeros nor with the header of a snapshot "
                                "with chunks of %d sectors",
                                path, BANGER_DM_CHUNK_SECTORS);
    return header.valid != 0 ||
           banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                            "the snapshot of the COW file %s cannot be used any more: it ran over, "
                            "and what was written to it is lost",
                            path);
}

/* A sparse COW file on a full host is lost with the first change. */
static bool
check_host_room(const Files *files, const char *path, GError **error)
{
    struct statvfs host;

    if ((uint64_t)files->cow.st_blocks * SECTOR >= (uint64_t)files->cow.st_size ||
        fstatvfs(files->cow_fd, &host) < 0 ||
        (uint64_t)host.f_bfree * host.f_frsize >= BANGER_COW_MIN)
        return true;
    return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                            "the COW file %s is sparse, and the host's file system that it is on "
                            "is full",
                            path);
}

static bool
open_base(const BangerSettings *settings, const BangerCreateDmSnapshotRequest *request,
          Files *files, GError **error)
{
    files->base_fd = banger_path_open_file(settings, BANGER_PATH_STATE, request->rootfs_path,
                                           O_RDONLY, &files->base, error);
    return files->base_fd >= 0;
}

static bool
open_files(const BangerSettings *settings, const BangerCreateDmSnapshotRequest *request,
           Files *files, GError **error)
{
    bool is_new;

    if (!open_base(settings, request, files, error))
        return false;
    files->cow_fd = banger_path_open_file(settings, BANGER_PATH_STATE, request->cow_path, O_RDONLY,
                                          &files->cow, error);
    return files->cow_fd >= 0 &&
           banger_path_check_writable(settings, &files->cow, request->cow_path, error) &&
           check_sizes(files, request, error) &&
           check_cow_header(files, request->cow_path, &is_new, error) &&
           (!is_new || check_host_room(files, request->cow_path, error));
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
 * is what a helper left that was killed while making it, and is removed unless @check.
 */
static bool
look_at_name(const BangerSettings *settings, const char *name, Files *files, bool check,
             bool *ret_done, GError **error)
{
    BangerDmRoom room;
    BangerDmInfo info;

    if (!banger_dm_get_info(name, &info, error))
        return false;
    *ret_done = info.exists && is_of_files(&info, files);
    if (!info.exists)
        return true;
    if (*ret_done)
        return banger_dm_get_room(settings, name, &room, error); /* refused if it ran over */
    if (info.is_banger && !info.has_table && info.open_count == 0)
        return check || banger_dm_remove(name, error);
    return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                            BANGER_DM_DIRECTORY "%s exists, and is not a snapshot of these files",
                            name);
}

/* The kernel would attach a file twice, and the two would not know of each other's writes. */
static BangerDiskClaim *
claim_files(const BangerSettings *settings, const BangerCreateDmSnapshotRequest *request,
            const Files *files, GError **error)
{
    const BangerDisk disks[] = {
        {request->rootfs_path, files->base, BANGER_DISK_READ, files->base_fd},
        {request->cow_path, files->cow, BANGER_DISK_WRITE, files->cow_fd},
    };

    return banger_disk_claim(settings, disks, G_N_ELEMENTS(disks), error);
}

static bool
attach_files(const BangerCreateDmSnapshotRequest *request, Files *files, GError **error)
{
    banger_autofd int cow_fd = -1;

    files->base_loop_fd =
        banger_loop_attach(files->base_fd, request->rootfs_path, true, &files->base_loop, error);
    if (files->base_loop_fd < 0)
        return false;
    cow_fd = banger_path_reopen(files->cow_fd, request->cow_path, O_RDWR, error);
    if (cow_fd >= 0)
        files->cow_loop_fd =
            banger_loop_attach(cow_fd, request->cow_path, false, &files->cow_loop, error);
    return files->cow_loop_fd >= 0;
}

static void
remove_again(gpointer name)
{
    (void)banger_dm_remove(name, NULL);
}

/*
 * The loops need no undo: they are detached when their descriptors close, unless the device keeps
 * them by then.
 */
static bool
create_snapshot(const BangerSettings *settings, const BangerCreateDmSnapshotRequest *request,
                Files *files, BangerJob *job, GError **error)
{
    g_autoptr(BangerDiskClaim) claim = claim_files(settings, request, files, error);
    g_auto(BangerUndo) undo = BANGER_UNDO_INIT;
    struct stat base, cow, node;
    g_autofree char *path = g_strconcat(BANGER_DM_DIRECTORY, request->dm_name, NULL);

    if (claim == NULL || !attach_files(request, files, error) ||
        !banger_job_pass(job, "loops-attached", error))
        return false;
    if (fstat(files->base_loop_fd, &base) < 0 || fstat(files->cow_loop_fd, &cow) < 0)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "cannot examine the loop devices of %s", request->dm_name);
    if (!banger_dm_create_snapshot(request->dm_name, base.st_rdev, cow.st_rdev,
                                   (uint64_t)files->base.st_size / SECTOR, settings->owner_uid,
                                   settings->owner_gid, error))
        return false;
    banger_undo_push(&undo, remove_again, g_strdup(request->dm_name), g_free);
    if (!banger_job_pass(job, "device-made", error))
        return false;
    if (stat(path, &node) < 0)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "%s did not appear: udev made no node for it", path);
    banger_undo_commit(&undo);
    return true;
}

bool
banger_op_create_dm_snapshot(const BangerSettings *settings, const BangerRequest *request,
                             BangerReply *reply, GError **error)
{
    const BangerCreateDmSnapshotRequest *wanted = &request->create_dm_snapshot;
    BangerCreateDmSnapshotReply *handles = &reply->create_dm_snapshot;
    g_auto(Files) files = {.base_fd = -1, .cow_fd = -1, .base_loop_fd = -1, .cow_loop_fd = -1};
    bool done = false;

    if (!open_files(settings, wanted, &files, error) ||
        !look_at_name(settings, wanted->dm_name, &files, false, &done, error))
        return false;
    if (!done && !create_snapshot(settings, wanted, &files, request->job, error))
        return false;
    handles->base_loop = g_steal_pointer(&files.base_loop);
    handles->cow_loop = g_steal_pointer(&files.cow_loop);
    handles->dm_name = g_strdup(wanted->dm_name);
    handles->dm_dev = g_strconcat(BANGER_DM_DIRECTORY, wanted->dm_name, NULL);
    return true;
}

/* As banger_snapshot_check(), where the COW file is yet to be made. */
static bool
check_without_cow(const BangerSettings *settings, const BangerCreateDmSnapshotRequest *request,
                  Files *files, GError **error)
{
    g_autoptr(BangerDiskClaim) claim = NULL;
    bool done;

    if (!open_base(settings, request, files, error) || !check_base(files, request, error) ||
        !look_at_name(settings, request->dm_name, files, true, &done, error))
        return false;
    claim = banger_disk_claim(
        settings,
        &(BangerDisk){request->rootfs_path, files->base, BANGER_DISK_READ, files->base_fd}, 1,
        error);
    return claim != NULL;
}

/*
 * Whether the COW file @path could be made; *@ret_exists if it need not. One that is empty is what
 * a helper left that was killed while making it (disk/cow-file.h).
 */
static bool
check_cow_to_make(const BangerSettings *settings, const char *path, bool *ret_exists,
                  GError **error)
{
    banger_autofd int fd = -1;
    struct stat st;

    if (!banger_path_check_create(settings, BANGER_PATH_STATE, path, settings->owner_uid,
                                  ret_exists, error))
        return false;
    if (!*ret_exists)
        return true;
    fd = banger_path_open_file(settings, BANGER_PATH_STATE, path, O_RDONLY, &st, error);
    if (fd < 0)
        return false;
    *ret_exists = st.st_size > 0;
    return *ret_exists || banger_path_check_writable(settings, &st, path, error);
}

bool
banger_snapshot_check(const BangerSettings *settings, const BangerCreateDmSnapshotRequest *request,
                      bool makes_cow, GError **error)
{
    g_auto(Files) files = {.base_fd = -1, .cow_fd = -1, .base_loop_fd = -1, .cow_loop_fd = -1};
    g_autoptr(BangerDiskClaim) claim = NULL;
    bool exists = true;
    bool done;

    if (makes_cow && !check_cow_to_make(settings, request->cow_path, &exists, error))
        return false;
    if (!exists)
        return check_without_cow(settings, request, &files, error);
    if (!open_files(settings, request, &files, error) ||
        !look_at_name(settings, request->dm_name, &files, true, &done, error))
        return false;
    if (done)
        return true;
    claim = claim_files(settings, request, &files, error);
    return claim != NULL;
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
banger_op_remove_dm_snapshot(const BangerSettings *settings, const BangerRequest *request,
                             BangerReply *reply, GError **error)
{
    (void)settings;
    (void)reply;
    return remove_snapshot(request->remove_dm_snapshot.target, error);
}

/*
 * Detaches @loop, if it is given and still the caller's to detach. The numbers of loops are used
 * again: once the device is gone (@is_device_gone), what is there now may be another program's.
 */
static bool
detach_loop(const BangerSettings *settings, const char *loop, bool is_device_gone, GError **error)
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
banger_op_cleanup_dm_snapshot(const BangerSettings *settings, const BangerRequest *request,
                              BangerReply *reply, GError **error)
{
    const BangerCleanupDmSnapshotRequest *handles = &request->cleanup_dm_snapshot;
    bool has_device = handles->dm_name[0] != '\0';
    bool base_done;

    (void)reply;
    if (has_device && !remove_snapshot(handles->dm_name, error))
        return false;
    base_done = detach_loop(settings, handles->base_loop, has_device, error);
    return detach_loop(settings, handles->cow_loop, has_device, base_done ? error : NULL) &&
           base_done;
}
