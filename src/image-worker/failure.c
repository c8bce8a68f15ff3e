/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <ext2fs/ext2fs.h>

/* Adds why to the message that is there. Cuts silently: a message is for a person. */
static bool
finish(BangerWorkerFailure *failure, BangerWorkerStatus status, const char *reason)
{
    size_t length = strlen(failure->message);

    failure->status = status;
    if (reason != NULL)
        (void)snprintf(failure->message + length, sizeof failure->message - length, ": %s", reason);
    return false;
}

bool
banger_worker_fail(BangerWorkerFailure *failure, BangerWorkerStatus status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): clang 14 does not see va_start() */
    (void)vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    return finish(failure, status, NULL);
}

bool
banger_worker_fail_errno(BangerWorkerFailure *failure, int errnum, const char *format, ...)
{
    const char *reason = strerrordesc_np(errnum);
    va_list arguments;

    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): clang 14 does not see va_start() */
    (void)vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    return finish(failure, BANGER_WORKER_FAILED, reason != NULL ? reason : "unknown error");
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
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): clang 14 does not see va_start() */
    (void)vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    return finish(failure, status_of(code), words_of(code));
}
