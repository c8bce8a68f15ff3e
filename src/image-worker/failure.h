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
bool banger_failure_set(BangerWorkerFailure *failure, BangerWorkerStatus status, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));

/* As banger_failure_set() with status FAILED, ": " and the text of @errnum at the end. */
bool banger_failure_set_errno(BangerWorkerFailure *failure, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * As banger_failure_set(), with ": " and libext2fs's message for @code at the end; the status
 * follows from @code: features that it does not know are NOT_SUPPORTED, the rest is FAILED.
 */
bool banger_failure_set_ext2(BangerWorkerFailure *failure, errcode_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As banger_failure_set(): @n chunks are changed, and @room has fewer. */
bool banger_failure_set_no_room(BangerWorkerFailure *failure, const BangerWorkerRoom *room,
                                uint64_t n);

/* The analyzer does not see into another file: that the outputs of who failed are never used. */
#if defined(__clang_analyzer__) && !defined(BANGER_FAILURE_IS_DEFINED_HERE)
#define banger_failure_set(...) (banger_failure_set(__VA_ARGS__), false)
#define banger_failure_set_errno(...) (banger_failure_set_errno(__VA_ARGS__), false)
#define banger_failure_set_ext2(...) (banger_failure_set_ext2(__VA_ARGS__), false)
#define banger_failure_set_no_room(...) (banger_failure_set_no_room(__VA_ARGS__), false)
#endif
