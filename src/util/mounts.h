/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The mount @id (STATX_MNT_ID in statx(2)) of the helper's mount namespace, "type source options"
 * as proc_pid_mountinfo(5) has it. The list is read again only after it has changed, which poll(2)
 * on it shows: it may be long. Returns NULL, with @error unset, if there is no such mount.
 *
 * Errors: OperationFailed if the list cannot be read. Free with g_free().
 */
char *banger_mount_describe(uint64_t id, GError **error);

/*
 * The same of the mount that the absolute path @path lies on, by the list alone: no file system is
 * asked.
 */
char *banger_mount_describe_path(const char *path, GError **error);

/*
 * Whether @mount, a description from above, is a FUSE file system that a user other than root
 * serves: it may let whoever asks it for anything wait for ever.
 */
bool banger_mount_is_of_user(const char *mount);
