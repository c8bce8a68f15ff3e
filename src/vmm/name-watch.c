/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/name-watch.h"

#include <errno.h>
#include <glib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "util/fd.h"

#define SPARE_MAX 8 /* of 128 that a user has by default */

static GMutex lock;
static int spare[SPARE_MAX];
static unsigned int n_spare;

static int
take_spare(void)
{
    int fd = -1;

    g_mutex_lock(&lock);
    if (n_spare > 0)
        fd = spare[--n_spare];
    g_mutex_unlock(&lock);
    return fd;
}

bool
banger_name_watch_begin(int directory, BangerNameWatch *ret_watch)
{
    int fd = take_spare();
    int mark;

    if (fd < 0)
        fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return false;
    mark = inotify_add_watch(fd, banger_fd_path(directory).text, IN_CREATE | IN_MOVED_TO);
    *ret_watch = (BangerNameWatch){fd, mark};
    if (mark >= 0)
        return true;
    banger_name_watch_end(ret_watch);
    return false;
}

bool
banger_name_watch_take(const BangerNameWatch *watch)
{
    char events[4096];

    return read(watch->fd, events, sizeof events) > 0;
}

void
banger_name_watch_end(BangerNameWatch *watch)
{
    int errnum = errno;

    if (watch->fd < 0)
        return;
    /* The directory may be gone, and its mark with it. */
    if (watch->mark >= 0)
        (void)inotify_rm_watch(watch->fd, watch->mark);
    while (banger_name_watch_take(watch)) {
    }
    g_mutex_lock(&lock);
    if (n_spare < SPARE_MAX)
        spare[n_spare++] = banger_steal_fd(&watch->fd);
    g_mutex_unlock(&lock);
    banger_close_fd(&watch->fd);
    watch->mark = -1;
    errno = errnum;
}
