/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/own-directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"

#define EMPTY_USEC (5 * G_USEC_PER_SEC)

int
banger_own_directory_open(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The next name in @dir that is not "." or "..", or NULL. */
static const char *
next_name(DIR *dir)
{
    const struct dirent *entry;

    while ((entry = readdir(dir)) != NULL) /* NOLINT(concurrency-mt-unsafe): a stream of its own */
        if (!g_str_equal(entry->d_name, ".") && !g_str_equal(entry->d_name, ".."))
            return entry->d_name;
    return NULL;
}

/*
 * Takes the directory @name of @top apart: what is no directory in it is removed, its directories
 * are moved up into @top, to be met later. So the depth of what a VMM made costs nothing.
 */
static void
flatten_path(int top, const char *name, unsigned int *number)
{
    banger_autofd int fd = banger_own_directory_open(top, name);
    DIR *dir = fd >= 0 ? fdopendir(dup(fd)) : NULL;
    const char *below;

    while (dir != NULL && (below = next_name(dir)) != NULL) {
        char moved[32];

        if (unlinkat(fd, below, 0) == 0)
            continue;
        g_snprintf(moved, sizeof moved, ".removed-%u", (*number)++);
        (void)renameat(fd, below, top, moved);
    }
    if (dir != NULL)
        (void)closedir(dir);
    (void)unlinkat(top, name, AT_REMOVEDIR);
}

void
banger_own_directory_empty(int top)
{
    gint64 deadline_usec = g_get_monotonic_time() + EMPTY_USEC;
    unsigned int number = 0;
    bool found = true;

    while (found && g_get_monotonic_time() < deadline_usec) {
        banger_autofd int fd = banger_own_directory_open(top, ".");
        DIR *dir = fd >= 0 ? fdopendir(dup(fd)) : NULL;
        const char *name;

        found = false;
        while (dir != NULL && g_get_monotonic_time() < deadline_usec &&
               (name = next_name(dir)) != NULL) {
            found = true;
            if (unlinkat(top, name, 0) < 0 && unlinkat(top, name, AT_REMOVEDIR) < 0)
                flatten_path(top, name, &number);
        }
        if (dir == NULL)
            return;
        (void)closedir(dir);
    }
}

int
banger_own_directory_make(int parent, const char *name, uid_t uid, gid_t gid, mode_t mode)
{
    banger_autofd int fd = -1;

    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return -1;
    fd = banger_own_directory_open(parent, name);
    if (fd < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
        return -1;
    return banger_steal_fd(&fd);
}

void
banger_own_directory_remove(int parent, const char *name, int fd)
{
    struct stat wanted, found;

    banger_own_directory_empty(fd);
    if (fstat(fd, &wanted) == 0 && fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        wanted.st_dev == found.st_dev && wanted.st_ino == found.st_ino)
        (void)unlinkat(parent, name, AT_REMOVEDIR);
}
