/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include <et/com_err.h>

#include "util/worker-protocol.h"

/* Why the worker cannot do what it was asked: what becomes the reply. */
typedef struct {
    BangerWorkerStatus status;
    char message[BANGER_WORKER_MESSAGE_MAX];
} BangerWorkerFailure;

/* Fills in @failure. Always returns false. */
bool banger_worker_fail(BangerWorkerFailure *failure, BangerWorkerStatus status, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

/* As banger_worker_fail() with status FAILED, ": " and the text of @errnum at the end. */
bool banger_worker_fail_errno(BangerWorkerFailure *failure, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * As banger_worker_fail(), with ": " and libext2fs's words for @code at the end; the status follows
 * from @code: features that it does not know are NOT_SUPPORTED, the rest is FAILED.
 */
bool banger_worker_fail_ext2(BangerWorkerFailure *failure, errcode_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
