/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <ext2fs/ext2fs.h>

#include "image-worker/failure.h"

/*
 * Damage that libext2fs itself does not see, and would write into: what the kernel refuses too (its
 * system zone, fs/ext4/block_validity.c; the counts that its allocator compares, mballoc.c).
 */

/*
 * Checks @fs, whose bitmaps are loaded, before anything is written: the group descriptors lie where
 * they may, what the file system itself consists of (superblocks, descriptors, bitmaps, inode
 * tables, the journal) is marked as used, and the bitmaps have as much free as the descriptors say.
 * Remembers which blocks those are, until it is called for another one.
 */
bool banger_soundness_check(ext2_filsys fs, BangerWorkerFailure *failure);

/* Whether @block is outside the file system, or is a part of the file system itself. */
bool banger_soundness_is_bad_block(ext2_filsys fs, blk64_t block);

/*
 * Whether none of the blocks that @ino, with @inode, has is such a one. @path is for the message.
 */
bool banger_soundness_check_inode(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *inode,
                                  const char *path, BangerWorkerFailure *failure);
