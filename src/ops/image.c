/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ops/image.h"

#include <fcntl.h>
#include <string.h>

#include "model/names.h"
#include "sys/dm.h"
#include "sys/image.h"
#include "sys/path.h"
#include "util/error.h"
#include "util/fd.h"

#define DETACH_TIMEOUT (3 * G_USEC_PER_SEC)
#define DETACH_INTERVAL (20 * 1000)

/* The name of the dm device that @path names, or NULL if it names a file. */
static const char *
device_name(const char *path)
{
    return g_str_has_prefix(path, BANGER_DM_DIRECTORY) ? path + strlen(BANGER_DM_DIRECTORY) : NULL;
}

bool
banger_image_wait_detached(const struct stat *st, BangerLoopKind kind, const char *path,
                           GError **error)
{
    gint64 deadline = g_get_monotonic_time() + DETACH_TIMEOUT;

    for (;;) {
        g_autofree char *loop = banger_loop_find(st->st_dev, st->st_ino, kind);

        if (loop == NULL)
            return true;
        if (g_get_monotonic_time() >= deadline)
            return banger_set_error(error, BANGER_ERROR_BUSY, "%s is in use by %s", path, loop);
        g_usleep(DETACH_INTERVAL);
    }
}

/* Opens the device exclusively, as its only user. */
static int
open_device_alone(const char *name, GError **error)
{
    banger_autofd int fd = banger_dm_open(name, O_RDWR | O_EXCL, error);
    BangerDmInfo info;

    if (fd < 0 || !banger_dm_get_info(name, &info, error))
        return -1;
    /* O_EXCL keeps out mounts and the like, but a VMM that just opened it is not seen by it. */
    if (info.open_count > 1) {
        (void)banger_set_error(error, BANGER_ERROR_BUSY, BANGER_DM_DIRECTORY "%s is in use", name);
        return -1;
    }
    return banger_steal_fd(&fd);
}

bool
banger_image_check_device_unused(const char *name, GError **error)
{
    banger_autofd int fd = open_device_alone(name, error);

    return fd >= 0;
}

static int
open_file_alone(const BangerSettings *settings, const char *path, GError **error)
{
    struct stat st;
    banger_autofd int fd =
        banger_path_open_file(settings, BANGER_PATH_STATE, path, O_RDONLY, &st, error);

    if (fd < 0 || !banger_image_wait_detached(&st, BANGER_LOOP_ANY, path, error) ||
        !banger_path_check_no_writer(fd, path, error))
        return -1;
    return banger_path_reopen(fd, path, O_RDWR, error);
}

static int
open_alone(const BangerSettings *settings, const char *path, GError **error)
{
    const char *name = device_name(path);

    return name != NULL ? open_device_alone(name, error) : open_file_alone(settings, path, error);
}

/* Replays the journal. e2fsck wants a device that nobody else has open exclusively, so *@fd goes.
 */
static bool
recover(const BangerSettings *settings, const char *path, int *fd, GError **error)
{
    const char *name = device_name(path);
    g_autofree char *loop = NULL;
    banger_autofd int device = -1;
    bool corrected, done;

    if (name != NULL) {
        banger_close_fd(fd);
        device = banger_dm_open(name, O_RDONLY, error);
    } else {
        device = banger_loop_attach(*fd, path, false, &loop, error);
    }
    done = device >= 0 &&
           banger_image_check(settings, device, path, BANGER_IMAGE_RECOVER, &corrected, error);
    /* Whatever became of AUTOCLEAR: the worker had the device open. */
    if (loop != NULL)
        banger_loop_clear(device);
    return done;
}

static int
open_to_read(const BangerSettings *settings, const char *path, GError **error)
{
    const char *name = device_name(path);

    return name != NULL
               ? banger_dm_open(name, O_RDONLY, error)
               : banger_path_open_file(settings, BANGER_PATH_STATE, path, O_RDONLY, NULL, error);
}

/* Replays the journal of an image to be read, unless it is in use: then its user does. */
static bool
recover_to_read(const BangerSettings *settings, const char *path, GError **error)
{
    g_autoptr(GError) failure = NULL;
    banger_autofd int fd = open_alone(settings, path, &failure);

    if (fd >= 0)
        return recover(settings, path, &fd, error);
    if (g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_BUSY))
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

bool
banger_read_ext4_file(const BangerSettings *settings, const BangerRequest *request,
                      BangerReply *reply, GError **error)
{
    const BangerReadExt4FileRequest *wanted = &request->read_ext4_file;
    const char *path = wanted->image_path;
    GBytes **ret_data = &reply->read_ext4_file.data;
    banger_autofd int fd = open_to_read(settings, path, error);
    bool needs_recovery = false;

    if (fd < 0 || !banger_image_read(settings, fd, path, wanted->guest_path, &needs_recovery,
                                     ret_data, error))
        return false;
    if (!needs_recovery)
        return true;
    banger_close_fd(&fd);
    if (!recover_to_read(settings, path, error))
        return false;
    fd = open_to_read(settings, path, error);
    return fd >= 0 &&
           banger_image_read(settings, fd, path, wanted->guest_path, NULL, ret_data, error);
}

static bool
write_files(const BangerSettings *settings, const BangerWriteExt4FilesRequest *wanted, int fd,
            bool *ret_needs_recovery, GError **error)
{
    const char *name = device_name(wanted->image_path);
    BangerDmRoom room;

    if (name != NULL && !banger_dm_get_room(name, &room, error))
        return false;
    return banger_image_write(settings, fd, wanted->image_path, wanted->files,
                              name != NULL ? &room : NULL, ret_needs_recovery, error);
}

bool
banger_write_ext4_files(const BangerSettings *settings, const BangerRequest *request,
                        BangerReply *reply, GError **error)
{
    const BangerWriteExt4FilesRequest *wanted = &request->write_ext4_files;
    const char *path = wanted->image_path;
    banger_autofd int fd = open_alone(settings, path, error);
    bool needs_recovery = false;

    (void)reply;
    if (fd < 0 || !write_files(settings, wanted, fd, &needs_recovery, error))
        return false;
    if (!needs_recovery)
        return true;
    if (!recover(settings, path, &fd, error))
        return false;
    banger_close_fd(&fd);
    fd = open_alone(settings, path, error);
    if (fd < 0 || !write_files(settings, wanted, fd, &needs_recovery, error))
        return false;
    return !needs_recovery ||
           banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                            "cannot write into %s: its journal cannot be replayed", path);
}
