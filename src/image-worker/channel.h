/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "image-worker/failure.h"

/* The worker's end of its two channels (util/worker-protocol.h). */

typedef struct {
    char *path; /* NUL-terminated, without a NUL inside */
    const unsigned char *data;
    uint32_t data_length;
    uint32_t mode;
} BangerWorkerInput;

typedef struct {
    BangerWorkerTask task;
    BangerWorkerInput *files;
    uint32_t n_files;
    BangerWorkerRoom room;
} BangerWorkerInputs;

/*
 * Waits for the request and reads all of it; the image that came along is at
 * BANGER_WORKER_FD_IMAGE. Ends the process if the helper goes away instead. Numbers over the limits
 * of util/worker-protocol.h are refused. What @ret_inputs points to lives as long as the process.
 */
bool banger_channel_read_request(BangerWorkerInputs *ret_inputs, BangerWorkerFailure *failure);

/* Waits for the byte that follows a READY. Ends the process if the helper goes away instead. */
void banger_channel_wait_for_go(void);

/* Writes a reply with @length bytes of @payload. False if the helper went away. */
bool banger_channel_reply(BangerWorkerStatus status, const void *payload, size_t length);

/* Writes @failure as the reply. */
bool banger_channel_reply_failure(const BangerWorkerFailure *failure);
