/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/stat.h>

#include "ops/operations.h"
#include "sys/loop.h"

/*
 * ReadExt4File. The image may be in use: what is read is then as old as the last write of its user.
 * Where it is not in use a journal that needs recovery is replayed first.
 */
BangerOperation banger_read_ext4_file;

/*
 * WriteExt4Files. An image that is in use is Busy and left alone: a device that anybody has open, a
 * file that is the backing file of a loop device or that anybody has open for writing. Above all,
 * the journal of a running guest would look like one that needs to be replayed.
 */
BangerOperation banger_write_ext4_files;

/*
 * Waits up to 3 s until no loop device of @kind is attached to the file that @st is of: the kernel
 * may detach a moment after the last close. @path is for the message. Errors: Busy.
 */
bool banger_image_wait_detached(const struct stat *st, BangerLoopKind kind, const char *path,
                                GError **error);

/* Whether nobody has mounted or opened the dm device @name. Errors: those of banger_dm_open(). */
bool banger_image_check_device_unused(const char *name, GError **error);
