/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <ext2fs/ext2fs.h>

#include "image-worker/failure.h"

/*
 * Reads the regular file at @path, at most @max bytes. *@ret_data is malloc()ed.
 */
bool banger_guest_file_read(ext2_filsys fs, const char *path, size_t max, void **ret_data,
                            size_t *ret_length, BangerWorkerFailure *failure);

/*
 * Writes the regular file at @path: owner 0:0, @mode, @length bytes of @data. Directories missing
 * on the way are made. An existing file keeps its inode (and so its other hard links, which see the
 * new content); its blocks are freed, and its extended attributes go: an access list of before must
 * not open what is there now. The bitmaps must be loaded.
 */
bool banger_guest_file_write(ext2_filsys fs, const char *path, unsigned int mode, const void *data,
                             size_t length, BangerWorkerFailure *failure);
