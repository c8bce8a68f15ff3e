/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/image-claim.h"

#include <fcntl.h>

#include "disk/dm.h"
#include "disk/loop.h"
#include "disk/worker-client.h"
#include "util/fd.h"
#include "util/path.h"

void
banger_image_clear(BangerImage *image)
{
    banger_close_fd(&image->file_fd);
    g_clear_pointer(&image->claim, banger_disk_claim_free);
}

static bool
claim_file(BangerImage *image, const BangerSettings *settings, bool writable, GError **error)
{
    BangerDisk disk = {.path = image->where->path, .mode = BANGER_DISK_WRITE};

    image->file_fd = banger_path_open_file(settings, BANGER_PATH_STATE, image->where->path,
                                           O_RDONLY, &disk.st, error);
    disk.fd = image->file_fd;
    if (disk.fd < 0 ||
        (writable && !banger_path_check_writable(settings, &disk.st, image->where->path, error)))
        return false;
    image->claim = banger_disk_claim(settings, &disk, 1, error);
    return image->claim != NULL;
}

static bool
claim_device(BangerImage *image, const BangerSettings *settings, GError **error)
{
    BangerDisk disk = {.path = image->where->path, .mode = BANGER_DISK_WRITE, .fd = -1};
    BangerDmInfo info;

    if (!banger_dm_get_snapshot(image->where->dm_name, &info, error))
        return false;
    disk.st.st_mode = S_IFBLK;
    disk.st.st_rdev = info.number;
    image->claim = banger_disk_claim(settings, &disk, 1, error);
    return image->claim != NULL;
}

bool
banger_image_claim(BangerImage *image, const BangerSettings *settings, const BangerImagePath *where,
                   bool writable, GError **error)
{
    image->where = where;
    return where->dm_name != NULL ? claim_device(image, settings, error)
                                  : claim_file(image, settings, writable, error);
}

int
banger_image_open(const BangerImage *image, GError **error)
{
    return image->where->dm_name != NULL
               ? banger_dm_open(image->where->dm_name, O_RDWR | O_EXCL, error)
               : banger_path_reopen(image->file_fd, image->where->path, O_RDWR, error);
}

/* A loop device of the file, for e2fsck, which wants one; *@ret_loop is its path. */
static int
attach_image(const BangerImage *image, bool read_only, char **ret_loop, GError **error)
{
    banger_autofd int fd = -1;

    if (read_only)
        return banger_loop_attach(image->file_fd, image->where->path, true, ret_loop, error);
    fd = banger_image_open(image, error);
    return fd >= 0 ? banger_loop_attach(fd, image->where->path, false, ret_loop, error) : -1;
}

bool
banger_image_check(const BangerSettings *settings, const BangerImage *image, BangerImageCheck kind,
                   BangerJob *job, bool *ret_corrected, GError **error)
{
    g_autofree char *loop = NULL;
    banger_autofd int device = -1;
    bool done;

    if (image->where->dm_name != NULL && kind != BANGER_IMAGE_VERIFY &&
        !banger_dm_check_host_room(settings, image->where->dm_name, error))
        return false;
    /* Not exclusively: e2fsck itself takes the device for its own. */
    if (image->where->dm_name != NULL)
        device = banger_dm_open(image->where->dm_name, O_RDONLY, error);
    else
        device = attach_image(image, kind == BANGER_IMAGE_VERIFY, &loop, error);
    done = device >= 0 && banger_worker_check(settings, device, image->where->path, kind, job,
                                              ret_corrected, error);
    /* Whatever became of AUTOCLEAR: the worker had the device open. */
    if (loop != NULL)
        banger_loop_clear(device);
    return done;
}
