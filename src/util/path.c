/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/path-walk.h"

#define CREATE_TRIES 8
#define CREATE_FLAGS (O_WRONLY | O_APPEND)

/* How long, and how often, opening is tried that a lease is in the way of: our own are short. */
#define LEASE_TRIES 50
#define LEASE_WAIT_USEC 2000

bool
banger_path_check_absolute(const char *path, GError **error)
{
    if (path[0] != '/')
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "path \"%s\" is not absolute",
                                path);
    if (strlen(path) >= PATH_MAX)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "a path is longer than %d bytes: \"%.64s…\"", PATH_MAX - 1, path);
    return true;
}

/* Whether a component of @path is empty, "." or "..". */
static bool
has_odd_component(const char *path)
{
    g_auto(GStrv) components = g_strsplit(path + 1, "/", -1);

    for (char **component = components; *component != NULL; component++)
        if (**component == '\0' || g_str_equal(*component, ".") || g_str_equal(*component, ".."))
            return true;
    return false;
}

bool
banger_path_check_below(const char *path, const char *directory, GError **error)
{
    size_t length = strlen(directory);

    if (!banger_path_check_absolute(path, error))
        return false;
    if (has_odd_component(path))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "path \"%s\" has an empty, \".\" or \"..\" component", path);
    if (strncmp(path, directory, length) != 0 || path[length] != '/')
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "path \"%s\" is not below %s", path,
                                directory);
    return true;
}

static bool
is_trusted_owner(const BangerSettings *settings, uid_t uid)
{
    return uid == 0 || uid == settings->owner_uid;
}

/* Opens the trusted directory @directory and checks whose it is. */
static int
open_root(const BangerSettings *settings, const char *directory, GError **error)
{
    banger_autofd int fd = banger_walk_open_root(directory, error);
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0 || !is_trusted_owner(settings, st.st_uid) ||
        (st.st_mode & S_IWOTH) != 0) {
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

/* Checks what @fd, a descriptor of @path, is open on. */
static bool
check_kind(const BangerSettings *settings, int fd, const char *path, mode_t type,
           struct stat *ret_stat, GError **error)
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
    *ret_stat = st;
    return true;
}

/* Opens @below, the part of @path below @root_fd, as an O_PATH descriptor, and checks it. */
static int
open_checked(const BangerSettings *settings, int root_fd, const char *below, const char *path,
             mode_t type, struct stat *ret_stat, GError **error)
{
    banger_autofd int fd = banger_walk_open(settings, root_fd, below, path, error);

    if (fd < 0 || !check_kind(settings, fd, path, type, ret_stat, error))
        return -1;
    return banger_steal_fd(&fd);
}

int
banger_path_reopen(int fd, const char *path, int flags, GError **error)
{
    banger_autofd int reopened = -1;
    int status;

    for (int i = 0; i < LEASE_TRIES; i++) {
        reopened = open(banger_fd_path(fd).text, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (reopened >= 0 || (errno != EINTR && errno != EWOULDBLOCK))
            break;
        g_usleep(errno == EWOULDBLOCK ? LEASE_WAIT_USEC : 0);
    }
    if (reopened < 0) {
        (void)(errno == EBUSY
                   ? banger_set_errno(error, BANGER_ERROR_BUSY, errno, "cannot open %s", path)
                   : banger_walk_refuse(errno, path, error));
        return -1;
    }
    status = fcntl(reopened, F_GETFL);
    if ((flags & O_PATH) == 0 &&
        (status < 0 || fcntl(reopened, F_SETFL, status & ~O_NONBLOCK) < 0)) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot open %s", path);
        return -1;
    }
    return banger_steal_fd(&reopened);
}

/* Whether what @st is of is not root's, unless root is the owner. */
static bool
is_writable(const BangerSettings *settings, const struct stat *st)
{
    return st->st_uid != 0 || settings->owner_uid == 0;
}

bool
banger_path_check_writable(const BangerSettings *settings, const struct stat *st, const char *path,
                           GError **error)
{
    return is_writable(settings, st) ||
           banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                            "%s belongs to root: it is not written to", path);
}

/* Whether what @st is of may be opened with @flags: what is root's is read if the owner could. */
static bool
check_access(const BangerSettings *settings, const struct stat *st, const char *path, int flags,
             GError **error)
{
    if ((flags & O_PATH) != 0)
        return true;
    if ((flags & O_ACCMODE) != O_RDONLY)
        return banger_path_check_writable(settings, st, path, error);
    return banger_walk_owner_may(settings, st, 4) ||
           banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                            "%s belongs to root, and %s may not read it", path,
                            settings->owner_user);
}

int
banger_path_open_file(const BangerSettings *settings, BangerPathRoot root, const char *path,
                      int flags, struct stat *ret_stat, GError **error)
{
    const char *below;
    banger_autofd int root_fd = open_root_of(settings, root, path, &below, error);
    banger_autofd int fd = -1;
    struct stat st;
    int opened;

    if (root_fd < 0)
        return -1;
    fd = open_checked(settings, root_fd, below, path, S_IFREG, &st, error);
    if (fd < 0 || !check_access(settings, &st, path, flags, error))
        return -1;
    opened = banger_path_reopen(fd, path, flags, error);
    if (opened >= 0 && ret_stat != NULL)
        *ret_stat = st;
    return opened;
}

/*
 * Opens the directory of @below, the part of @path below @root_fd. *@ret_name is the last
 * component.
 */
static int
open_parent_below(const BangerSettings *settings, int root_fd, const char *below, const char *path,
                  const char **ret_name, struct stat *ret_stat, GError **error)
{
    const char *slash = strrchr(below, '/');
    g_autofree char *parent =
        slash != NULL ? g_strndup(below, (gsize)(slash - below)) : g_strdup(".");
    banger_autofd int fd = open_checked(settings, root_fd, parent, path, S_IFDIR, ret_stat, error);

    if (fd < 0 || (slash != NULL && !banger_walk_check_search(settings, ret_stat, path, error)))
        return -1;
    *ret_name = slash != NULL ? slash + 1 : below;
    return banger_steal_fd(&fd);
}

/* Finds the existing file @below, which must be of who creates it, @uid, or of the owner. */
static int
find_created(const BangerSettings *settings, int root_fd, const char *below, const char *path,
             uid_t uid, GError **error)
{
    struct stat st;
    banger_autofd int fd = open_checked(settings, root_fd, below, path, S_IFREG, &st, error);

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

/*
 * Opens the directory to create @path in, the part of which below @root_fd is @below; if something
 * of its name is there @ret_exists is set instead. In a directory of root's below the trusted one
 * nothing is created.
 */
static int
open_to_create(const BangerSettings *settings, int root_fd, const char *below, const char *path,
               const char **ret_name, bool *ret_exists, GError **error)
{
    struct stat st;
    banger_autofd int parent =
        open_parent_below(settings, root_fd, below, path, ret_name, &st, error);
    struct stat existing;

    *ret_exists = false;
    if (parent < 0)
        return -1;
    *ret_exists = fstatat(parent, *ret_name, &existing, AT_SYMLINK_NOFOLLOW) == 0;
    if (*ret_exists)
        return -1;
    if (*ret_name != below && !is_writable(settings, &st)) {
        (void)banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                               "cannot create %s: its directory belongs to root", path);
        return -1;
    }
    return banger_steal_fd(&parent);
}

bool
banger_path_check_create(const BangerSettings *settings, BangerPathRoot root, const char *path,
                         uid_t uid, bool *ret_exists, GError **error)
{
    const char *below;
    const char *name;
    banger_autofd int root_fd = open_root_of(settings, root, path, &below, error);
    banger_autofd int fd = -1;

    if (root_fd < 0)
        return false;
    fd = open_to_create(settings, root_fd, below, path, &name, ret_exists, error);
    if (fd < 0 && *ret_exists)
        fd = find_created(settings, root_fd, below, path, uid, error);
    return fd >= 0;
}

/* A file that is to be made, and whom it goes to. */
typedef struct {
    const BangerSettings *settings;
    BangerPathRoot root;
    const char *path;
    uid_t uid;
    gid_t gid;
    mode_t mode;
} NewFile;

static bool
give_new(const NewFile *new, int fd, GError **error)
{
    return banger_path_give(fd, new->path, new->uid, new->gid, new->mode, error);
}

/*
 * Creates @name in @parent, on a file system that has no files without a name, or cannot name one
 * later: a helper that is killed before it has given it away leaves it, root's and without a mode.
 */
static int
create_named(const NewFile *new, int parent, const char *name, bool *ret_exists, GError **error)
{
    banger_autofd int fd = banger_walk_create(parent, name, CREATE_FLAGS | O_CREAT | O_EXCL, 0);

    *ret_exists = fd < 0 && errno == EEXIST;
    if (fd < 0) {
        if (!*ret_exists)
            (void)banger_walk_refuse(errno, new->path, error);
        return -1;
    }
    if (give_new(new, fd, error))
        return banger_steal_fd(&fd);
    (void)banger_path_unlink(new->settings, new->root, new->path, fd, NULL);
    return -1;
}

/*
 * Creates @new, the part of whose path below @root_fd is @below, if nothing of its name is there.
 * It has neither name nor mode until it belongs to whom it shall: no process opens it in between,
 * and nothing is left if the helper is killed.
 */
static int
create_new(const NewFile *new, int root_fd, const char *below, bool *ret_exists, GError **error)
{
    const char *name;
    banger_autofd int parent =
        open_to_create(new->settings, root_fd, below, new->path, &name, ret_exists, error);
    banger_autofd int fd = -1;

    if (parent < 0)
        return -1;
    fd = banger_walk_create(parent, ".", CREATE_FLAGS | O_TMPFILE, 0);
    if (fd < 0 && errno == EOPNOTSUPP)
        return create_named(new, parent, name, ret_exists, error);
    if (fd < 0) {
        (void)banger_walk_refuse(errno, new->path, error);
        return -1;
    }
    if (!give_new(new, fd, error))
        return -1;
    if (linkat(AT_FDCWD, banger_fd_path(fd).text, parent, name, AT_SYMLINK_FOLLOW) == 0)
        return banger_steal_fd(&fd);
    if (errno == EPERM || errno == EOPNOTSUPP) /* link(2): no hard links here */
        return create_named(new, parent, name, ret_exists, error);
    *ret_exists = errno == EEXIST;
    if (!*ret_exists)
        (void)banger_walk_refuse(errno, new->path, error);
    return -1;
}

static int
open_created(const BangerSettings *settings, int root_fd, const char *below, const char *path,
             uid_t uid, GError **error)
{
    banger_autofd int fd = find_created(settings, root_fd, below, path, uid, error);

    return fd < 0 ? -1 : banger_path_reopen(fd, path, O_WRONLY | O_APPEND, error);
}

int
banger_path_create_file(const BangerSettings *settings, BangerPathRoot root, const char *path,
                        uid_t uid, gid_t gid, mode_t mode, bool *ret_created, GError **error)
{
    const NewFile new = {settings, root, path, uid, gid, mode};
    const char *below;
    banger_autofd int root_fd = open_root_of(settings, root, path, &below, error);

    if (root_fd < 0)
        return -1;
    for (int i = 0; i < CREATE_TRIES; i++) {
        g_autoptr(GError) failure = NULL;
        bool exists = false;
        banger_autofd int fd = create_new(&new, root_fd, below, &exists, &failure);

        if (fd < 0 && exists)
            fd = open_created(settings, root_fd, below, path, uid, &failure);
        if (fd >= 0) {
            if (ret_created != NULL)
                *ret_created = !exists;
            return banger_steal_fd(&fd);
        }
        /* It was there, and is not any more: once again. */
        if (!exists || !g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND) ||
            i == CREATE_TRIES - 1) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return -1;
        }
    }
    return -1;
}

int
banger_path_open_socket(const BangerSettings *settings, BangerPathRoot root, const char *path,
                        GError **error)
{
    const char *below;
    banger_autofd int root_fd = open_root_of(settings, root, path, &below, error);
    struct stat st;

    if (root_fd < 0)
        return -1;
    return open_checked(settings, root_fd, below, path, S_IFSOCK, &st, error);
}

int
banger_path_open_parent(const BangerSettings *settings, BangerPathRoot root, const char *path,
                        const char **ret_name, GError **error)
{
    const char *below;
    banger_autofd int root_fd = open_root_of(settings, root, path, &below, error);
    struct stat st = {0};

    if (root_fd < 0)
        return -1;
    return open_parent_below(settings, root_fd, below, path, ret_name, &st, error);
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
    /* The owner first: chown(2) clears the setuid and setgid bits. */
    if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 || chmod(banger_fd_path(fd).text, mode) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot set owner and mode of %s", path);
    return true;
}
