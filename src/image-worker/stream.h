/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <ext2fs/ext2fs.h>

#include "image-worker/failure.h"

/*
 * Content that comes from, or goes to, a caller's descriptor, a piece at a time: memory does not
 * depend on its size. The helper hears of the progress after each BANGER_WORKER_PROGRESS_STEP bytes
 * (util/worker-protocol.h).
 */

/* Blocks that were allocated for the content of a file, and have it already. */
typedef struct {
    blk64_t start;
    blk64_t n; /* blocks; whole clusters */
} BangerRun;

typedef struct {
    BangerRun *list;
    size_t n;
    uint64_t size; /* of the content, in bytes */
} BangerRuns;

/* How much of all content has been copied, and how much of it the helper knows. */
typedef struct {
    BangerWorkerProgress now;
    uint64_t reported;
    BangerWorkerRoom room; /* for the rest, when writing */
} BangerStreamProgress;

/* How many bytes the @n descriptors from @first on have; 0 if one is a pipe. */
uint64_t banger_stream_size(int first, uint32_t n);

/* Writes the regular file @path to the descriptor @to; *@ret_size is how many bytes it has. */
bool banger_stream_read(ext2_filsys fs, const char *path, int to, uint64_t *ret_size,
                        BangerWorkerFailure *failure);

/*
 * Whether the regular files among the @n descriptors from @first on fit into what is free in @fs
 * and into @room.
 */
bool banger_stream_check_room(ext2_filsys fs, int first, uint32_t n, const BangerWorkerRoom *room,
                              BangerWorkerFailure *failure);

/*
 * Allocates blocks for all that the descriptor @from gives, a regular file from its beginning, and
 * writes it there, into the image itself: what is free in the image may be written to before
 * anything else is, since no file has it. Of the file system only the bitmaps in memory change.
 * @progress goes on from one content to the next. What its room does not have is not written.
 */
bool banger_stream_write(ext2_filsys fs, int from, BangerStreamProgress *progress,
                         BangerRuns *ret_runs, BangerWorkerFailure *failure);
