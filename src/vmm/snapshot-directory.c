/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/snapshot-directory.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"
#include "vmm/file-access.h"
#include "vmm/own-directory.h"

char *
banger_snapshot_directory_path(const BangerSettings *settings, const char *vm_id)
{
    return g_build_filename(settings->state_directory, BANGER_SNAPSHOT_DIRECTORY, vm_id, NULL);
}

/*
 * Opens the directory of all of them, and makes it if @make. The state directory is its owner's,
 * who can put another one there: it has to be root's.
 */
static int
open_all(const BangerSettings *settings, bool make, GError **error)
{
    const char *name;
    g_autofree char *path =
        g_build_filename(settings->state_directory, BANGER_SNAPSHOT_DIRECTORY, NULL);
    banger_autofd int state =
        banger_path_open_parent(settings, BANGER_PATH_STATE, path, &name, error);
    banger_autofd int fd = -1;
    struct stat st;

    if (state < 0)
        return -1;
    if (make && mkdirat(state, name, 0700) < 0 && errno != EEXIST) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot make %s", path);
        return -1;
    }
    fd = banger_own_directory_open(state, name);
    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot open %s", path);
        return -1;
    }
    if (st.st_uid != 0 || (st.st_mode & 0022) != 0) {
        (void)banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                               "%s, in which snapshots are written, is not root's alone", path);
        return -1;
    }
    /* A VMM without a jail goes through it to its own. */
    if (make && fchmod(fd, 0711) < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot open %s", path);
        return -1;
    }
    return banger_steal_fd(&fd);
}

int
banger_snapshot_directory_make(const BangerSettings *settings, const char *vm_id, GError **error)
{
    banger_autofd int parent = open_all(settings, true, error);
    banger_autofd int former = parent >= 0 ? banger_own_directory_open(parent, vm_id) : -1;
    banger_autofd int fd = -1;

    if (parent < 0)
        return -1;
    if (former >= 0)
        banger_own_directory_remove(parent, vm_id, former);
    /* A new one, which no process that had the former one open can reach. */
    if (mkdirat(parent, vm_id, 0700) == 0)
        fd = banger_own_directory_open(parent, vm_id);
    if (fd < 0)
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                               "cannot make %s/" BANGER_SNAPSHOT_DIRECTORY "/%s",
                               settings->state_directory, vm_id);
    return banger_steal_fd(&fd);
}

int
banger_snapshot_directory_open_all(const BangerSettings *settings)
{
    return open_all(settings, false, NULL);
}

int
banger_snapshot_directory_open(const BangerSettings *settings, const char *vm_id)
{
    banger_autofd int parent = open_all(settings, false, NULL);

    return parent >= 0 ? banger_own_directory_open(parent, vm_id) : -1;
}

void
banger_snapshot_directory_remove(const BangerSettings *settings, const char *vm_id, int fd)
{
    banger_autofd int parent = open_all(settings, false, NULL);

    if (parent >= 0)
        banger_own_directory_remove(parent, vm_id, fd);
}

bool
banger_snapshot_directory_grant(int fd, const char *path, uid_t uid, GError **error)
{
    return fchown(fd, uid, 0) == 0 || banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                                       "cannot hand %s to uid %u", path, uid);
}

bool
banger_snapshot_directory_revoke(int fd, const char *path, GError **error)
{
    /* In this order: who does not own it any more changes nothing after it was looked at. */
    if (fchown(fd, 0, 0) == 0 && banger_file_access_clear(fd) && fchmod(fd, 0700) == 0)
        return true;
    return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot take %s back",
                            path);
}
