/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include <glib.h>

#include "util/settings.h"

/* An absolute path of less than PATH_MAX bytes. Errors: BadParams. */
bool banger_path_check_absolute(const char *path, GError **error);

/*
 * An absolute path below @directory, without empty, "." and ".." components and without a slash at
 * the end; less than PATH_MAX bytes. Errors: BadParams.
 */
bool banger_path_check_below(const char *path, const char *directory, GError **error);

/*
 * The one opener of paths that callers name. A path is walked once, below the trusted directory's
 * descriptor, by openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS;
 * what was found is checked by fstat(2) on the descriptor, and everything after goes by that
 * descriptor. Nothing is opened for reading or writing, and so no FIFO waits and no device acts,
 * before its type is known. Nothing waits for another process's lease (it is opened with
 * O_NONBLOCK), and no file system that a user serves (FUSE) is entered.
 *
 * What belongs to root below the trusted directory is root's: it is read only if the owner could
 * read it, by its permission bits and those of root's directories on the way; it is never written
 * to, and in a directory of root's nothing is created.
 *
 * Every function takes the absolute path as validation left it, and which of the two directories it
 * must lie below. Errors of all of them: BadParams (a symbolic link on the way, another type than
 * wanted, more than one hard link, a path that is not below the directory or has too long a name in
 * it), NotFound, Busy (another process has a lease on it), NotManaged (its owner is neither the
 * configured owner nor root, it is root's and not for the owner, it is on a FUSE file system of a
 * user's, or the trusted directory itself is not fit: no directory, reached through a symbolic
 * link, another owner, writable by everybody).
 */
typedef enum {
    BANGER_PATH_STATE,   /* below settings->state_directory */
    BANGER_PATH_RUNTIME, /* below settings->runtime_directory */
} BangerPathRoot;

/*
 * Opens the regular file @path. @flags are of open(2): O_RDONLY, O_RDWR or O_WRONLY, perhaps with
 * O_APPEND, O_DSYNC or the like; O_CLOEXEC is added. @ret_stat may be NULL. Returns a descriptor,
 * or -1.
 */
int banger_path_open_file(const BangerSettings *settings, BangerPathRoot root, const char *path,
                          int flags, struct stat *ret_stat, GError **error);

/*
 * Whether the file that @st of banger_path_open_file() is of may be written to, by the helper or by
 * a VMM that it starts: root's may not. Errors: NotManaged.
 */
bool banger_path_check_writable(const BangerSettings *settings, const struct stat *st,
                                const char *path, GError **error);

/*
 * Creates the regular file @path with owner @uid:@gid and @mode, or opens it for appending if it
 * exists already: then owner and mode stay as they are. An existing file must belong to @uid or to
 * the owner (NotManaged): root's own file is not what another user's output may go to. It has its
 * name only when it has its owner and mode (O_TMPFILE), where the file system can do that.
 * @ret_created, which may be NULL, says which. Returns a descriptor open for writing, or -1. That
 * of a new file has "(deleted)" behind its name in /proc/self/fd, as it would as the backing file
 * of a loop device: who needs the name opens the file again.
 */
int banger_path_create_file(const BangerSettings *settings, BangerPathRoot root, const char *path,
                            uid_t uid, gid_t gid, mode_t mode, bool *ret_created, GError **error);

/*
 * Whether banger_path_create_file() could create @path, or open it if it exists: *@ret_exists says
 * which. Nothing is changed.
 */
bool banger_path_check_create(const BangerSettings *settings, BangerPathRoot root, const char *path,
                              uid_t uid, bool *ret_exists, GError **error);

/*
 * Opens the socket @path as an O_PATH descriptor: connect(2) to it through "/proc/self/fd/N", give
 * it away by banger_path_give(). Returns the descriptor, or -1.
 */
int banger_path_open_socket(const BangerSettings *settings, BangerPathRoot root, const char *path,
                            GError **error);

/*
 * Opens the directory of @path, for bind(2) through "/proc/self/fd/N/NAME", inotify(7), or
 * banger_path_unlink(). *@ret_name is the last component, a pointer into @path. The last component
 * itself need not exist. Returns an O_PATH descriptor, or -1.
 */
int banger_path_open_parent(const BangerSettings *settings, BangerPathRoot root, const char *path,
                            const char **ret_name, GError **error);

/*
 * Removes @path if it is still the very file that @fd is open on (device and inode are compared
 * right before). Gone already → success; another file by now → NotManaged, and it stays.
 */
bool banger_path_unlink(const BangerSettings *settings, BangerPathRoot root, const char *path,
                        int fd, GError **error);

/*
 * Sets owner and permission bits of what @fd, which may be an O_PATH descriptor, is open on. @path
 * is for the message only. Errors: OperationFailed.
 */
bool banger_path_give(int fd, const char *path, uid_t uid, gid_t gid, mode_t mode, GError **error);

/*
 * Opens what @fd is open on once more, with @flags of open(2), through /proc/self/fd. @path is for
 * the message only. Returns a new descriptor, without O_NONBLOCK, or -1. Errors: Busy for EBUSY and
 * for a lease that another process has and keeps for 0.1 s, else OperationFailed.
 */
int banger_path_reopen(int fd, const char *path, int flags, GError **error);
