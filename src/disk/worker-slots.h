/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "util/job.h"

/*
 * How many image workers run at once. Each has a bound on its memory (image-worker/sandbox.c), so
 * this bounds the sum, also where no MemoryMax= of the unit does. For disk/worker-process only.
 */
typedef enum {
    BANGER_WORKER_SLOT_NONE,
    BANGER_WORKER_SLOT_LIBRARY, /* 16, of at most 256 MiB */
    BANGER_WORKER_SLOT_STREAM,  /* 4, of the same: they last as long as a caller likes */
    BANGER_WORKER_SLOT_E2FSCK,  /* 4, of at most 1 GiB */
    BANGER_WORKER_N_SLOTS,
} BangerWorkerSlot;

/* Waits for a place, at most @timeout_usec. Errors: Timeout, those of banger_job_check(). */
bool banger_worker_slot_take(BangerWorkerSlot slot, BangerJob *job, gint64 timeout_usec,
                             GError **error);

/* Leaves it; for NONE nothing is done. */
void banger_worker_slot_leave(BangerWorkerSlot slot);
