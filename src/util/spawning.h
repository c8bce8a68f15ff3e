/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

/*
 * A child has a copy of every descriptor of the helper until it executes its program, whatever
 * O_CLOEXEC says. Mostly that is of no matter; but a TAP has one user at a time, and a VMM that
 * attaches right after the helper has closed the TAP would find it in use. So children are started
 * between begin and end, and such a descriptor is closed by banger_close_everywhere().
 */

/* Before fork(2) or posix_spawn(3). Returns what banger_spawning_end() takes. */
uint64_t banger_spawning_begin(void);

/* The child has closed what it does not need, or was not started after all. errno is kept. */
void banger_spawning_end(uint64_t ticket);

/*
 * Closes *@fd, and sets it to -1, and waits until no child that may have a copy is still being
 * started: two seconds at most, since a program may be on a file system that does not answer. errno
 * is kept.
 */
void banger_close_everywhere(int *fd);

/* As banger_autofd (util/fd.h). */
#define banger_autofd_everywhere __attribute__((cleanup(banger_close_everywhere)))
