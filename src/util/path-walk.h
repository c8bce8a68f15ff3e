/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include <glib.h>

#include "util/settings.h"

/*
 * The walk from a trusted directory to what a caller named, for util/path.c: one openat2(2) a
 * component, with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS and RESOLVE_NO_XDEV,
 * each below the descriptor of the one before.
 *
 * A mount point is crossed by a descriptor of O_PATH, which asks the file system for nothing, and
 * looked at in /proc/self/mountinfo before anything else is done with it: a FUSE file system that a
 * user serves could let every further call wait for ever, so it is NotManaged. One that root serves
 * is like any other.
 */

/*
 * Checks the file system that @fd is on, which is not asked for anything. NotManaged if a user
 * serves it, or if it is not mounted where the helper sees it and has no block device.
 */
bool banger_walk_check_mount(int fd, const char *path, GError **error);

/* Opens the trusted directory @directory, an absolute path, as an O_PATH descriptor, or -1. */
int banger_walk_open_root(const char *directory, GError **error);

/*
 * Opens @below, the part of @path below @root_fd, as an O_PATH descriptor. Each directory of root's
 * on the way must be one that the owner may search. @path is for messages. Returns a descriptor, or
 * -1. Errors: those of util/path.h.
 */
int banger_walk_open(const BangerSettings *settings, int root_fd, const char *below,
                     const char *path, GError **error);

/* openat2(2) of the one component @name in @directory with these restrictions; errno on failure. */
int banger_walk_create(int directory, const char *name, int flags, mode_t mode);

/*
 * Whether the owner may search the directory of @st, which @path is in, if it is root's. Errors:
 * NotManaged.
 */
bool banger_walk_check_search(const BangerSettings *settings, const struct stat *st,
                              const char *path, GError **error);

/* Sets @error to why @path could not be opened, from the errno value @errnum. Returns false. */
bool banger_walk_refuse(int errnum, const char *path, GError **error);

/*
 * Whether the owner, who is not root, could use what @st is of with @rights (4 read, 1 search), if
 * it is root's; what is anyone else's is the owner's business. By its permission bits alone: an
 * access control list or a supplementary group that would allow more does not count.
 */
bool banger_walk_owner_may(const BangerSettings *settings, const struct stat *st, mode_t rights);
