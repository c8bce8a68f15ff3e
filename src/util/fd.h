/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

/*
 * A file descriptor that closes itself at the end of its scope:
 *
 *     banger_autofd int fd = open(…);
 *     …
 *     return banger_steal_fd(&fd);
 *
 * Initialize it, to -1 if there is nothing to close yet.
 */
#define banger_autofd __attribute__((cleanup(banger_close_fd)))

/*
 * Whether @errnum, of an open(2) or the like, says that means are lacking and not of what was
 * opened.
 */
static inline bool
banger_is_shortage(int errnum)
{
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM;
}

/*
 * The path under which the process has @fd open ("/proc/self/fd/N"): for calls that take a path and
 * no descriptor. Used in the expression that the call is: banger_fd_path(fd).text
 */
typedef struct {
    char text[sizeof "/proc/self/fd/" + 11];
} BangerFdPath;

BangerFdPath banger_fd_path(int fd);

/* Closes *@fd if it is one, and sets it to -1. errno is kept. */
void banger_close_fd(int *fd);

/* Returns *@fd and sets it to -1: the caller owns it now. */
static inline int
banger_steal_fd(int *fd)
{
    int stolen = *fd;

    *fd = -1;
    return stolen;
}
