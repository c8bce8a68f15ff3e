/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/executable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/fd.h"

#define DELETED " (deleted)"

static const char *const directories[] = {
    "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
};

/* Whether none but root can change what @st is of. */
static bool
is_roots_alone(const struct stat *st)
{
    return st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static bool
judge_file(const char *path, const struct stat *st, GError **error)
{
    if (!S_ISREG(st->st_mode))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED, "%s is not a regular file", path);
    if ((st->st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED, "%s is not executable", path);
    if (st->st_uid != 0)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "%s belongs to uid %u, not to root", path, st->st_uid);
    if (!is_roots_alone(st))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "%s is writable by its group or by others", path);
    return true;
}

/* Opens @name below @directory, judging it: the next directory on the way to @path. */
static int
open_directory(int directory, const char *name, const char *path, GError **error)
{
    banger_autofd int fd = openat(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_NOT_MANAGED, errno,
                               "cannot open the directory %s above %s", name, path);
        return -1;
    }
    if (!is_roots_alone(&st)) {
        (void)banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                               "the directory %s above %s can be written by others than root", name,
                               path);
        return -1;
    }
    return banger_steal_fd(&fd);
}

/*
 * Walks to the directory that holds the real path @path, judging each on the way. *@ret_name is the
 * last component, a pointer into @path. Returns its descriptor, or -1.
 */
static int
open_parent(const char *path, const char **ret_name, GError **error)
{
    banger_autofd int fd = open_directory(AT_FDCWD, "/", path, error);
    g_auto(GStrv) components = g_strsplit(path + 1, "/", -1);

    for (char **component = components; fd >= 0 && component[0] != NULL && component[1] != NULL;
         component++) {
        int next = open_directory(fd, *component, path, error);

        banger_close_fd(&fd);
        fd = next;
    }
    if (fd >= 0)
        *ret_name = strrchr(path, '/') + 1;
    return banger_steal_fd(&fd);
}

/* Judges the real path @path and everything above it. */
static bool
check(const char *path, struct stat *ret_stat, GError **error)
{
    const char *name = NULL;
    banger_autofd int parent = open_parent(path, &name, error);
    struct stat st;

    if (parent < 0)
        return false;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return banger_set_errno(
            error, errno == ENOENT ? BANGER_ERROR_NOT_FOUND : BANGER_ERROR_OPERATION_FAILED, errno,
            "cannot examine %s", path);
    if (!judge_file(path, &st, error))
        return false;
    *ret_stat = st;
    return true;
}

/* The real path of @requested if there is such a file, else NULL with errno set. */
static char *
real_path(const char *requested)
{
    char *real = realpath(requested, NULL);
    char *copy = g_strdup(real);

    free(real);
    return copy;
}

static char *
look_up(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(directories); i++) {
        g_autofree char *candidate = g_build_filename(directories[i], name, NULL);
        char *real = real_path(candidate);

        if (real != NULL)
            return real;
    }
    errno = ENOENT;
    return NULL;
}

bool
banger_executable_resolve(const char *requested, char **ret_path, GError **error)
{
    g_autofree char *real = requested[0] == '/' ? real_path(requested) : look_up(requested);
    struct stat st;

    if (real == NULL)
        return banger_set_errno(error, BANGER_ERROR_NOT_FOUND, errno, "cannot find the program %s",
                                requested);
    if (!check(real, &st, error))
        return false;
    *ret_path = g_steal_pointer(&real);
    return true;
}

bool
banger_executable_check_running(const char *path, const struct stat *running, GError **error)
{
    g_autofree char *former = NULL;
    banger_autofd int parent = -1;
    const char *name;
    struct stat st = {0};

    if (path[0] != '/')
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED, "%s is not a path of this system",
                                path);
    if (running->st_nlink > 0) {
        if (!check(path, &st, error))
            return false;
        if (st.st_dev != running->st_dev || st.st_ino != running->st_ino)
            return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                    "%s is another file than the one that runs", path);
        return true;
    }
    if (!judge_file(path, running, error))
        return false;
    former = g_str_has_suffix(path, DELETED) ? g_strndup(path, strlen(path) - strlen(DELETED))
                                             : g_strdup(path);
    parent = open_parent(former, &name, error);
    return parent >= 0;
}
