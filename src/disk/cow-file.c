/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/cow-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/disk-use.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"

#define MODE 0600

bool
banger_cow_file_ensure(const BangerSettings *settings, const char *path, uint64_t size,
                       bool *ret_made, GError **error)
{
    struct stat st;
    bool created;
    banger_autofd int fd =
        banger_path_create_file(settings, BANGER_PATH_STATE, path, settings->owner_uid,
                                settings->owner_gid, MODE, &created, error);

    if (fd < 0)
        return false;
    if (fstat(fd, &st) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot examine %s",
                                path);
    /* One that is empty is what a helper leaves that is killed here. */
    *ret_made = st.st_size == 0;
    if (!*ret_made || ftruncate(fd, (off_t)size) == 0)
        return true;
    (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                           "cannot make the COW file %s of %" G_GUINT64_FORMAT " bytes", path,
                           size);
    if (created)
        (void)banger_path_unlink(settings, BANGER_PATH_STATE, path, fd, NULL);
    return false;
}

bool
banger_cow_file_remove(const BangerSettings *settings, const char *path, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(BangerDiskClaim) claim = NULL;
    BangerDisk disk = {.path = path, .mode = BANGER_DISK_WRITE};
    banger_autofd int fd =
        banger_path_open_file(settings, BANGER_PATH_STATE, path, O_RDONLY, &disk.st, &failure);

    if (fd < 0) {
        if (g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND))
            return true;
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    disk.fd = fd;
    if (!banger_path_check_writable(settings, &disk.st, path, error))
        return false;
    claim = banger_disk_claim(settings, &disk, 1, error);
    return claim != NULL && banger_path_unlink(settings, BANGER_PATH_STATE, path, fd, error);
}
