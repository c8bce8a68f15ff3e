/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#include "model/names.h"
#include "util/error.h"
#include "util/fd.h"

#define OPENAT2_TRIES 32
#define CREATE_TRIES 8

/* openat2(2), which glibc 2.36 does not wrap; tried again where it lost a race against a rename. */
static int
open_beneath(int directory, const char *path, int flags, mode_t mode, __u64 resolve)
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

static bool
refuse_open(int errnum, const char *path, GError **error)
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
    case ENOSYS:
        return banger_set_errno(error, BANGER_ERROR_NOT_SUPPORTED, errnum,
                                "cannot open %s: the kernel lacks openat2", path);
    default:
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errnum, "cannot open %s",
                                path);
    }
}

static bool
is_trusted_owner(const BangerSettings *settings, uid_t uid)
{
    return uid == 0 || uid == settings->owner_uid;
}

/* Opens the trusted directory of @root and judges it. */
static int
open_root(const BangerSettings *settings, const char *directory, GError **error)
{
    banger_autofd int fd = open_beneath(AT_FDCWD, directory, O_PATH | O_DIRECTORY, 0, 0);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_NOT_MANAGED, errno,
                               "cannot open the directory %s, itself and not through symbolic "
                               "links",
                               directory);
        return -1;
    }
    if (!is_trusted_owner(settings, st.st_uid) || (st.st_mode & S_IWOTH) != 0) {
        (void)banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                               "the directory %s must belong to %s or root and not be writable by "
                               "everybody",
                               directory, settings->owner_user);
        return -1;
    }
    return banger_steal_fd(&fd);
}

/* Opens the trusted directory that @path must lie below; *@ret_below is the rest of @path. */
static int
open_root_of(const BangerSettings *settings, BangerPathRoot root, const char *path,
             const char **ret_below, GError **error)
{
    const char *directory =
        root == BANGER_PATH_STATE ? settings->state_directory : settings->runtime_directory;
    int fd;

    if (!banger_path_check_below(path, directory, error))
        return -1;
    fd = open_root(settings, directory, error);
    if (fd >= 0)
        *ret_below = path + strlen(directory) + 1;
    return fd;
}

static const char *
type_name(mode_t type)
{
    switch (type) {
    case S_IFREG:
        return "regular file";
    case S_IFSOCK:
        return "socket";
    default:
        return "directory";
    }
}

/* Judges what @fd, a descriptor of @path, is open on. */
static bool
judge(const BangerSettings *settings, int fd, const char *path, mode_t type, struct stat *ret_stat,
      GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot examine %s",
                                path);
    if ((st.st_mode & S_IFMT) != type)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s is not a %s", path,
                                type_name(type));
    if (!is_trusted_owner(settings, st.st_uid))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "%s belongs to uid %u, neither to %s nor to root", path, st.st_uid,
                                settings->owner_user);
    if (type != S_IFDIR && st.st_nlink != 1)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s has %ju hard links: it must have one", path,
                                (uintmax_t)st.st_nlink);
    if (ret_stat != NULL)
        *ret_stat = st;
    return true;
}

/* Opens @below, the part of @path below @root_fd, as an O_PATH descriptor, and judges it. */
static int
open_judged(const BangerSettings *settings, int root_fd, const char *below, const char *path,
            mode_t type, struct stat *ret_stat, GError **error)
{
    banger_autofd int fd = open_beneath(root_fd, below, O_PATH, 0, RESOLVE_BENEATH);

    /* With O_PATH and without O_NOFOLLOW a link at the very end is ELOOP too. */
    if (fd < 0) {
        (void)refuse_open(errno, path, error);
        return -1;
    }
    if (!judge(settings, fd, path, type, ret_stat, error))
        return -1;
    return banger_steal_fd(&fd);
}

int
banger_path_reopen(int fd, const char *path, int flags, GError **error)
{
    char name[sizeof "/proc/self/fd/" + 11];
    int reopened;

    g_snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    do
        reopened = open(name, flags | O_CLOEXEC | O_NOCTTY);
    while (reopened < 0 && errno == EINTR);
    if (reopened < 0)
        (void)banger_set_errno(error,
                               errno == EBUSY ? BANGER_ERROR_BUSY : BANGER_ERROR_OPERATION_FAILED,
                               errno, "cannot open %s", path);
    return reopened;
}

int
banger_path_open_file(const BangerSettings *settings, BangerPathRoot root, const char *path,
                      int flags, struct stat *ret_stat, GError **error)
{
    const char *below;
    banger_autofd int root_fd = open_root_of(settings, root, path, &below, error);
    banger_autofd int fd = -1;

    if (root_fd < 0)
        return -1;
    fd = open_judged(settings, root_fd, below, path, S_IFREG, ret_stat, error);
    if (fd < 0)
        return -1;
    return banger_path_reopen(fd, path, flags, error);
}

/* Gives the file @path, just created without any mode as @fd, away; on failure it is removed. */
static bool
give_created(const BangerSettings *settings, BangerPathRoot root, const char *path, int fd,
             uid_t uid, gid_t gid, mode_t mode, GError **error)
{
    if (fchown(fd, uid, gid) == 0 && fchmod(fd, mode) == 0)
        return true;
    (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                           "cannot set owner and mode of %s", path);
    (void)banger_path_unlink(settings, root, path, fd, NULL);
    return false;
}

/* Opens the existing file @below, which must be of who creates it, @uid, or of the owner. */
static int
open_created(const BangerSettings *settings, int root_fd, const char *below, const char *path,
             uid_t uid, GError **error)
{
    struct stat st;
    banger_autofd int fd = open_judged(settings, root_fd, below, path, S_IFREG, &st, error);

    if (fd < 0)
        return -1;
    if (st.st_uid != uid && st.st_uid != settings->owner_uid) {
        (void)banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                               "%s exists already and belongs to uid %u, not to %s", path,
                               st.st_uid, settings->owner_user);
        return -1;
    }
    return banger_steal_fd(&fd);
}

int
banger_path_create_file(const BangerSettings *settings, BangerPathRoot root, const char *path,
                        uid_t uid, gid_t gid, mode_t mode, bool *ret_created, GError **error)
{
    const char *below;
    banger_autofd int root_fd = open_root_of(settings, root, path, &below, error);
    banger_autofd int existing = -1;
    int fd = -1;

    if (root_fd < 0)
        return -1;
    for (int i = 0; i < CREATE_TRIES && fd < 0; i++) {
        g_autoptr(GError) failure = NULL;

        /* No mode until it belongs to whom it shall: nobody opens it in between. */
        fd = open_beneath(root_fd, below, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, 0,
                          RESOLVE_BENEATH);
        if (fd >= 0) {
            if (!give_created(settings, root, path, fd, uid, gid, mode, error)) {
                banger_close_fd(&fd);
                return -1;
            }
            if (ret_created != NULL)
                *ret_created = true;
            return fd;
        }
        if (errno != EEXIST) {
            (void)refuse_open(errno, path, error);
            return -1;
        }
        existing = open_created(settings, root_fd, below, path, uid, &failure);
        if (existing >= 0)
            break;
        if (!g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND) ||
            i == CREATE_TRIES - 1) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return -1;
        }
    }
    fd = banger_path_reopen(existing, path, O_WRONLY | O_APPEND, error);
    if (fd >= 0 && ret_created != NULL)
        *ret_created = false;
    return fd;
}

int
banger_path_open_socket(const BangerSettings *settings, BangerPathRoot root, const char *path,
                        GError **error)
{
    const char *below;
    banger_autofd int root_fd = open_root_of(settings, root, path, &below, error);

    if (root_fd < 0)
        return -1;
    return open_judged(settings, root_fd, below, path, S_IFSOCK, NULL, error);
}

int
banger_path_open_parent(const BangerSettings *settings, BangerPathRoot root, const char *path,
                        const char **ret_name, GError **error)
{
    const char *below;
    banger_autofd int root_fd = open_root_of(settings, root, path, &below, error);
    g_autofree char *parent = NULL;
    const char *slash;
    int fd;

    if (root_fd < 0)
        return -1;
    slash = strrchr(below, '/');
    parent = slash != NULL ? g_strndup(below, (gsize)(slash - below)) : g_strdup(".");
    fd = open_judged(settings, root_fd, parent, path, S_IFDIR, NULL, error);
    if (fd >= 0)
        *ret_name = slash != NULL ? slash + 1 : below;
    return fd;
}

bool
banger_path_unlink(const BangerSettings *settings, BangerPathRoot root, const char *path, int fd,
                   GError **error)
{
    const char *name = NULL;
    banger_autofd int parent = banger_path_open_parent(settings, root, path, &name, error);
    struct stat wanted, found;

    if (parent < 0)
        return false;
    if (fstat(fd, &wanted) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot examine %s",
                                path);
    if (fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) == 0) {
        if (wanted.st_dev != found.st_dev || wanted.st_ino != found.st_ino)
            return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                    "cannot remove %s: it is another file by now", path);
        if (unlinkat(parent, name, 0) == 0)
            return true;
    }
    if (errno != ENOENT)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot remove %s",
                                path);
    return true;
}

bool
banger_path_give(int fd, const char *path, uid_t uid, gid_t gid, mode_t mode, GError **error)
{
    char name[sizeof "/proc/self/fd/" + 11];

    g_snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    /* The owner first: chown(2) clears the setuid and setgid bits. */
    if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 || chmod(name, mode) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot set owner and mode of %s", path);
    return true;
}

/*
 * How long a writer may take to go, and how often to look. A process that is just being started, by
 * the helper for another call or by the caller, has all descriptors of its parent until its exec.
 */
#define NO_WRITER_WAIT_USEC (G_USEC_PER_SEC / 2)
#define NO_WRITER_LOOK_USEC 2000

bool
banger_path_check_no_writer(int fd, const char *path, GError **error)
{
    /* Whoever opens the file while the lease is held is told by this signal: by default SIGIO,
     * which would end the process; SIGURG is ignored. */
    if (fcntl(fd, F_SETSIG, SIGURG) < 0)
        return true;
    for (gint64 end = g_get_monotonic_time() + NO_WRITER_WAIT_USEC;;) {
        if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
            (void)fcntl(fd, F_SETLEASE, F_UNLCK);
            return true;
        }
        if (errno != EAGAIN || g_get_monotonic_time() >= end)
            break;
        g_usleep(NO_WRITER_LOOK_USEC);
    }
    return errno != EAGAIN ||
           banger_set_error(error, BANGER_ERROR_BUSY, "%s is open for writing elsewhere", path);
}
