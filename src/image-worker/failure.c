/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BANGER_FAILURE_IS_DEFINED_HERE
#include "image-worker/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <ext2fs/ext2fs.h>

#include "util/worker-protocol.h"

/* What a message is made in: two paths and some text. */
#define TEXT_MAX (2 * BANGER_WORKER_PATH_MAX + 1024)
#define HEAD_MAX 160

/*
 * Makes the message of @text and @reason. What is too long loses its middle, which is a path's:
 * what was attempted and why it failed are at the ends.
 */
static bool
finish_message(BangerWorkerFailure *failure, BangerWorkerStatus status, const char *text,
               const char *reason)
{
    const size_t size = sizeof failure->message;
    size_t length = strlen(text), added = reason != NULL ? strlen(": ") + strlen(reason) : 0;
    size_t head = length, tail = 0;

    if (length + added >= size) {
        head = HEAD_MAX;
        tail =
            added + HEAD_MAX + strlen("…") < size ? size - 1 - added - HEAD_MAX - strlen("…") : 0;
    }
    failure->status = status;
    (void)snprintf(failure->message, size, "%.*s%s%s%s%s", (int)head, text,
                   head < length ? "…" : "", text + length - tail, reason != NULL ? ": " : "",
                   reason != NULL ? reason : "");
    return false;
}

bool
banger_failure_set(BangerWorkerFailure *failure, BangerWorkerStatus status, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): clang 14 does not see va_start() */
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return finish_message(failure, status, text, NULL);
}

bool
banger_failure_set_errno(BangerWorkerFailure *failure, int errnum, const char *format, ...)
{
    const char *reason = strerrordesc_np(errnum);
    char text[TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): clang 14 does not see va_start() */
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return finish_message(failure, BANGER_WORKER_FAILED, text,
                          reason != NULL ? reason : "unknown error");
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
banger_failure_set_ext2(BangerWorkerFailure *failure, errcode_t code, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): clang 14 does not see va_start() */
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return finish_message(failure, status_of(code), text, words_of(code));
}

bool
banger_failure_set_no_room(BangerWorkerFailure *failure, const BangerWorkerRoom *room, uint64_t n)
{
    return banger_failure_set(
        failure, BANGER_WORKER_FAILED,
        "no room left %s: up to %llu chunks of %u bytes are needed, and there are %u",
        room->is_of_host != 0
            ? "on the host's file system that the COW file of the snapshot, which is sparse, is on"
            : "in the COW file of the snapshot",
        (unsigned long long)n, room->chunk_size, room->n_chunks);
}
