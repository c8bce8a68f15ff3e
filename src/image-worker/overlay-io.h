/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <ext2fs/ext2fs.h>

#include "image-worker/failure.h"

/*
 * An io_manager of libext2fs that reads through unixfd_io_manager and keeps every write in memory.
 * Until banger_overlay_commit() the image is untouched, so whatever goes wrong on the way (no space
 * for the last file, a damaged directory, a crash) leaves it byte for byte as it was.
 *
 * One channel per process: the worker has one image.
 */
extern io_manager banger_overlay_io_manager;

/* Whether anything was written. */
bool banger_overlay_is_dirty(void);

/*
 * Whether what was kept lies in as many chunks of the image as @room has: a snapshot keeps its
 * changes in chunks, and is lost when it runs out of them.
 */
bool banger_overlay_check_room(const BangerWorkerRoom *room, BangerWorkerFailure *failure);

/*
 * The last look before the first write: whether the image that @fd is open on has the superblock
 * that it was opened with.
 */
bool banger_overlay_check_image(int fd, BangerWorkerFailure *failure);

/*
 * Writes what was kept to @fd, in this order, so that an interruption half-way is visible to the
 * next e2fsck or mount: the superblock marked as not cleanly unmounted; a flush to the disk;
 * everything else; a flush; the superblock as it shall be; a flush. Space that a sparse image lacks
 * is allocated before the first write.
 */
bool banger_overlay_commit(ext2_filsys fs, int fd, BangerWorkerFailure *failure);
