/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/types.h>

#include <glib.h>

/*
 * Directories that the helper makes for one VMM. While it runs they may be the VMM's to fill with
 * what it likes: nothing is followed in them, and they are emptied in bounded time.
 */

/* Opens the directory @name below @parent, not through a link. Returns a descriptor, or -1. */
int banger_own_directory_open(int parent, const char *name);

/*
 * Makes the directory @name below @parent for @uid and @gid, unless it is there, and opens it.
 * Returns a descriptor, or -1 with errno set.
 */
int banger_own_directory_make(int parent, const char *name, uid_t uid, gid_t gid, mode_t mode);

/* Removes all that is in @top, as far as it can within 5 s. */
void banger_own_directory_empty(int top);

/* Removes the directory @name of @parent, which @fd is open on, with all that is in it. */
void banger_own_directory_remove(int parent, const char *name, int fd);
