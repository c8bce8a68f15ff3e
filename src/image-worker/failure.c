/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <ext2fs/ext2fs.h>

/* Cuts silently: a message is for a person. */
static void __attribute__((format(printf, 4, 0)))
fill(BangerWorkerFailure *failure, BangerWorkerStatus status, const char *reason,
     const char *format, va_list arguments)
{
    int length;

    failure->status = status;
    length = vsnprintf(failure->message, sizeof failure->message, format, arguments);
    if (length < 0)
        length = 0;
    if (reason != NULL && (size_t)length < sizeof failure->message)
        (void)snprintf(failure->message + length, sizeof failure->message - (size_t)length, ": %s",
                       reason);
}

bool
banger_worker_fail(BangerWorkerFailure *failure, BangerWorkerStatus status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fill(failure, status, NULL, format, arguments);
    va_end(arguments);
    return false;
}

bool
banger_worker_fail_errno(BangerWorkerFailure *failure, int errnum, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fill(failure, BANGER_WORKER_FAILED, strerror(errnum), format, arguments);
    va_end(arguments);
    return false;
}

static BangerWorkerStatus
status_of(errcode_t code)
{
    switch (code) {
    case EXT2_ET_UNSUPP_FEATURE:
    case EXT2_ET_RO_UNSUPP_FEATURE:
    case EXT2_ET_REV_TOO_HIGH:
    case EXT2_ET_DIRHASH_UNSUPP:
        return BANGER_WORKER_NOT_SUPPORTED;
    default:
        return BANGER_WORKER_FAILED;
    }
}

static const char *
words_of(errcode_t code)
{
    switch (code) {
    case EXT2_ET_BLOCK_ALLOC_FAIL:
        return "no space left in the image";
    case EXT2_ET_INODE_ALLOC_FAIL:
        return "no inodes left in the image";
    default:
        return error_message(code);
    }
}

bool
banger_worker_fail_ext2(BangerWorkerFailure *failure, errcode_t code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fill(failure, status_of(code), words_of(code), format, arguments);
    va_end(arguments);
    return false;
}
