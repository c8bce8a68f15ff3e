/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <ext2fs/ext2fs.h>

#include "image-worker/channel.h"

/*
 * Opens the image at BANGER_WORKER_FD_IMAGE with @flags of ext2fs_open(). What is no image, and a
 * superblock that libext2fs would trust to its harm, is refused. *@ret_fs may be set nevertheless.
 */
bool banger_file_system_open(io_manager manager, int flags, ext2_filsys *ret_fs,
                             BangerWorkerFailure *failure);

/*
 * Reads the one file of @inputs from the image at BANGER_WORKER_FD_IMAGE. *@ret_data is malloc()ed.
 * If the journal must be replayed first the status is NEEDS_RECOVERY, but not for READ_LIVE.
 */
bool banger_file_system_read(const BangerWorkerInputs *inputs, void **ret_data, size_t *ret_length,
                             BangerWorkerFailure *failure);

/*
 * Writes all files of @inputs into the image at BANGER_WORKER_FD_IMAGE and flushes it to the disk,
 * or leaves it as it was. Refuses a file system with errors or with a feature that nothing here
 * knows how to keep consistent; one whose journal must be replayed first is the status
 * NEEDS_RECOVERY.
 */
bool banger_file_system_write(const BangerWorkerInputs *inputs, BangerWorkerFailure *failure);
