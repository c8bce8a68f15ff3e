/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/path-walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/mounts.h"

#define OPENAT2_TRIES 32

/* openat2(2), which glibc 2.36 does not wrap; tried again where it lost a race against a rename. */
static int
open_one(int directory, const char *path, int flags, mode_t mode, __u64 resolve)
{
    struct open_how how = {
        .flags = (__u64)(unsigned int)(flags | O_CLOEXEC),
        .mode = mode,
        .resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = -1;

    for (int i = 0; i < OPENAT2_TRIES; i++) {
        fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd;
}

bool
banger_walk_refuse(int errnum, const char *path, GError **error)
{
    switch (errnum) {
    case ENOENT:
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "%s does not exist", path);
    case ELOOP:
    case EXDEV:
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s is or leads through a symbolic link", path);
    case ENOTDIR:
    case ENAMETOOLONG:
        return banger_set_errno(error, BANGER_ERROR_BAD_PARAMS, errnum, "cannot open %s", path);
    case EWOULDBLOCK:
        return banger_set_error(error, BANGER_ERROR_BUSY,
                                "cannot open %s: another process has a lease on it", path);
    case ENOSYS:
        return banger_set_errno(error, BANGER_ERROR_NOT_SUPPORTED, errnum,
                                "cannot open %s: the kernel lacks openat2", path);
    default:
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errnum, "cannot open %s",
                                path);
    }
}

bool
banger_walk_check_mount(int fd, const char *path, GError **error)
{
    g_autofree char *mount = NULL;
    g_autoptr(GError) reason = NULL;
    struct statx stx;

    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot examine %s",
                                path);
    if (stx.stx_dev_major != 0)
        return true; /* what has a block device beneath it was mounted by root */
    mount = banger_mount_describe(stx.stx_mnt_id, &reason);
    if (reason != NULL)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "cannot see what file system %s is on: %s", path, reason->message);
    if (mount == NULL || banger_mount_is_of_user(mount))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "%s is on a file system that a user serves (FUSE)", path);
    return true;
}

int
banger_walk_open_root(const char *directory, GError **error)
{
    banger_autofd int fd = open_one(AT_FDCWD, directory, O_PATH | O_DIRECTORY, 0, 0);

    if (fd < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_NOT_MANAGED, errno,
                               "cannot open the directory %s, itself and not through symbolic "
                               "links",
                               directory);
        return -1;
    }
    return banger_walk_check_mount(fd, directory, error) ? banger_steal_fd(&fd) : -1;
}

/* Opens the component @name of @directory; what is mounted there is checked. */
static int
take_step(int directory, const char *name, int flags, const char *path, GError **error)
{
    banger_autofd int fd =
        open_one(directory, name, O_PATH | flags, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);

    if (fd < 0 && errno == EXDEV) {
        fd = open_one(directory, name, O_PATH | flags, 0, RESOLVE_BENEATH);
        if (fd >= 0 && !banger_walk_check_mount(fd, path, error))
            return -1;
    }
    /* With O_PATH and without O_NOFOLLOW a link at the very end is ELOOP too. */
    if (fd < 0)
        (void)banger_walk_refuse(errno, path, error);
    return banger_steal_fd(&fd);
}

bool
banger_walk_owner_may(const BangerSettings *settings, const struct stat *st, mode_t rights)
{
    mode_t granted = st->st_mode & 7;

    if (st->st_uid != 0 || settings->owner_uid == 0)
        return true;
    if (st->st_gid == settings->owner_gid)
        granted = (st->st_mode >> 3) & 7;
    return (granted & rights) == rights;
}

bool
banger_walk_check_search(const BangerSettings *settings, const struct stat *st, const char *path,
                         GError **error)
{
    return banger_walk_owner_may(settings, st, 1) ||
           banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                            "%s is in a directory of root's that %s may not search", path,
                            settings->owner_user);
}

static bool
check_search(const BangerSettings *settings, int fd, const char *path, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot examine %s",
                                path);
    return banger_walk_check_search(settings, &st, path, error);
}

int
banger_walk_open(const BangerSettings *settings, int root_fd, const char *below, const char *path,
                 GError **error)
{
    g_auto(GStrv) names = g_strsplit(below, "/", -1);
    banger_autofd int fd = -1;

    for (char **name = names; *name != NULL; name++) {
        bool is_last = name[1] == NULL;
        int next = take_step(fd < 0 ? root_fd : fd, *name, is_last ? 0 : O_DIRECTORY, path, error);

        banger_close_fd(&fd);
        fd = next;
        if (fd < 0 || (!is_last && !check_search(settings, fd, path, error)))
            return -1;
    }
    return banger_steal_fd(&fd);
}

int
banger_walk_create(int directory, const char *name, int flags, mode_t mode)
{
    return open_one(directory, name, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
}
