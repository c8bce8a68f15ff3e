/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdint.h>

/*
 * The mount @id (STATX_MNT_ID in statx(2)) of the helper's mount namespace, "type source options"
 * as proc_pid_mountinfo(5) has it. The list is read again only after it has changed, which poll(2)
 * on it shows: it may be long. Returns NULL, with @error unset, if there is no such mount.
 *
 * Errors: OperationFailed if the list cannot be read. Free with g_free().
 */
char *banger_mount_describe(uint64_t id, GError **error);
