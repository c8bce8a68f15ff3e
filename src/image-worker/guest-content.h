/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <ext2fs/ext2fs.h>

#include "image-worker/stream.h"

/* The content of a file of the guest's, by its inode. */

/* Reads the first @length bytes. */
errcode_t banger_guest_content_read(ext2_filsys fs, ext2_ino_t ino, void *data,
                                    unsigned int length);

/* Writes the content, and the size, of an inode that has none: inline where it says so. */
errcode_t banger_guest_content_write(ext2_filsys fs, ext2_ino_t ino, const void *data,
                                     size_t length);

/* The same, with what is in the blocks of @runs: they become the file's. */
errcode_t banger_guest_content_map(ext2_filsys fs, ext2_ino_t ino, const BangerRuns *runs);
