/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "image-worker/channel.h"

/*
 * Reads the one file of @inputs from the image at BANGER_WORKER_FD_IMAGE. *@ret_data is malloc()ed.
 * If the journal must be replayed first the status is NEEDS_RECOVERY, but not for READ_LIVE.
 */
bool banger_image_read(const BangerWorkerInputs *inputs, void **ret_data, size_t *ret_length,
                       BangerWorkerFailure *failure);

/*
 * Writes all files of @inputs into the image at BANGER_WORKER_FD_IMAGE and flushes it to the disk,
 * or leaves it as it was. Refuses a file system with errors or with a feature that nobody here
 * knows how to keep consistent; one whose journal must be replayed first is the status
 * NEEDS_RECOVERY.
 */
bool banger_image_write(const BangerWorkerInputs *inputs, BangerWorkerFailure *failure);
