/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/worker-protocol.h"

static bool
read_exactly(void *buffer, size_t length, BangerWorkerFailure *failure)
{
    unsigned char *to = buffer;

    while (length > 0) {
        ssize_t n = read(BANGER_WORKER_FD_REQUEST, to, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return banger_failure_set_errno(failure, errno, "cannot read the request");
        if (n == 0)
            return banger_failure_set(failure, BANGER_WORKER_FAILED, "the request is incomplete");
        to += n;
        length -= (size_t)n;
    }
    return true;
}

/* Writes both @parts, at once if there is room: the helper is woken once then. */
static bool
write_exactly(struct iovec parts[2])
{
    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t n = writev(BANGER_WORKER_FD_REPLY, parts, 2);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        for (size_t i = 0, left = (size_t)n; left > 0; i++) {
            size_t done = left < parts[i].iov_len ? left : parts[i].iov_len;

            parts[i].iov_base = (unsigned char *)parts[i].iov_base + done;
            parts[i].iov_len -= done;
            left -= done;
        }
    }
    return true;
}

/* Adds up what the table announces, with a NUL for each path. */
static bool
measure_files(const BangerWorkerFile *table, uint32_t n_files, size_t *ret_total,
              BangerWorkerFailure *failure)
{
    size_t total = 0;

    for (uint32_t i = 0; i < n_files; i++) {
        if (table[i].path_length == 0 || table[i].path_length >= BANGER_WORKER_PATH_MAX ||
            table[i].data_length > BANGER_WORKER_FILE_MAX)
            return banger_failure_set(failure, BANGER_WORKER_FAILED, "the request is malformed");
        total += (size_t)table[i].path_length + 1 + table[i].data_length;
        if (total > BANGER_WORKER_TOTAL_MAX)
            return banger_failure_set(failure, BANGER_WORKER_FAILED, "the request is too large");
    }
    *ret_total = total;
    return true;
}

static bool
read_files(const BangerWorkerFile *table, uint32_t n_files, BangerWorkerInput *files,
           unsigned char *buffer, BangerWorkerFailure *failure)
{
    for (uint32_t i = 0; i < n_files; i++) {
        files[i].path = (char *)buffer;
        if (!read_exactly(buffer, table[i].path_length, failure))
            return false;
        if (memchr(buffer, '\0', table[i].path_length) != NULL)
            return banger_failure_set(failure, BANGER_WORKER_FAILED, "the request is malformed");
        buffer[table[i].path_length] = '\0';
        buffer += table[i].path_length + 1;
        files[i].data = buffer;
        files[i].data_length = table[i].data_length;
        files[i].mode = table[i].mode & 07777;
        if (!read_exactly(buffer, table[i].data_length, failure))
            return false;
        buffer += table[i].data_length;
    }
    return true;
}

/* How many descriptors come with @request: the image, and what its task needs. */
static size_t
count_descriptors(const BangerWorkerRequest *request)
{
    switch (request->task) {
    case BANGER_WORKER_READ_TO:
    case BANGER_WORKER_READ_LIVE_TO:
    case BANGER_WORKER_WRITE_FROM:
        return 1 + (size_t)request->n_files;
    default:
        return 1;
    }
}

/* Whether @message brought the descriptors of @request: they are the lowest that were free. */
static bool
has_descriptors(struct msghdr *message, const BangerWorkerRequest *request)
{
    struct cmsghdr *rights = CMSG_FIRSTHDR(message);
    size_t n = count_descriptors(request);
    int fds[1 + BANGER_WORKER_DESCRIPTORS_MAX];

    if (n > sizeof fds / sizeof fds[0] || rights == NULL || rights->cmsg_level != SOL_SOCKET ||
        rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(n * sizeof fds[0]))
        return false;
    memcpy(fds, CMSG_DATA(rights), n * sizeof fds[0]);
    for (size_t i = 0; i < n; i++)
        if (fds[i] != BANGER_WORKER_FD_IMAGE + (int)i)
            return false;
    return true;
}

/* The first message, and with it the descriptors. */
static bool
receive_header(BangerWorkerRequest *ret_request, BangerWorkerFailure *failure)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char buffer[CMSG_SPACE((1 + BANGER_WORKER_DESCRIPTORS_MAX) * sizeof(int))];
    } control;
    struct iovec part = {ret_request, sizeof *ret_request};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.buffer,
                             .msg_controllen = sizeof control.buffer};
    ssize_t n;

    do
        n = recvmsg(BANGER_WORKER_FD_REQUEST, &message, 0);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        _exit(EXIT_SUCCESS);
    if (n < 0)
        return banger_failure_set_errno(failure, errno, "cannot read the request");
    if (n != (ssize_t)sizeof *ret_request || !has_descriptors(&message, ret_request))
        return banger_failure_set(failure, BANGER_WORKER_FAILED, "the request has no image");
    return true;
}

bool
banger_channel_read_request(BangerWorkerInputs *ret_inputs, BangerWorkerFailure *failure)
{
    BangerWorkerFile table[BANGER_WORKER_FILES_MAX] = {0};
    BangerWorkerRequest request = {0};
    BangerWorkerInput *files;
    unsigned char *buffer;
    size_t total = 0;

    if (!receive_header(&request, failure))
        return false;
    if (request.magic != BANGER_WORKER_MAGIC || request.version != BANGER_WORKER_VERSION)
        return banger_failure_set(failure, BANGER_WORKER_FAILED,
                                  "the helper and its image worker are of two versions");
    if (request.n_files > BANGER_WORKER_FILES_MAX || request.task >= BANGER_WORKER_N_TASKS)
        return banger_failure_set(failure, BANGER_WORKER_FAILED, "the request is malformed");
    if (!read_exactly(table, request.n_files * sizeof table[0], failure) ||
        !measure_files(table, request.n_files, &total, failure))
        return false;
    files = calloc(request.n_files + 1, sizeof *files);
    buffer = malloc(total + 1);
    if (files == NULL || buffer == NULL)
        return banger_failure_set_errno(failure, ENOMEM, "cannot store the request");
    if (!read_files(table, request.n_files, files, buffer, failure))
        return false;
    ret_inputs->task = request.task;
    ret_inputs->files = files;
    ret_inputs->n_files = request.n_files;
    ret_inputs->room = request.room;
    return true;
}

void
banger_channel_wait_for_go(void)
{
    char byte;
    ssize_t n;

    do
        n = read(BANGER_WORKER_FD_REQUEST, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        _exit(EXIT_SUCCESS);
}

bool
banger_channel_reply(BangerWorkerStatus status, const void *payload, size_t length)
{
    BangerWorkerReply reply = {
        .magic = BANGER_WORKER_MAGIC,
        .version = BANGER_WORKER_VERSION,
        .status = status,
        .length = (uint32_t)length,
    };
    struct iovec parts[] = {{&reply, sizeof reply}, {(void *)payload, length}};

    return write_exactly(parts);
}

bool
banger_channel_reply_failure(const BangerWorkerFailure *failure)
{
    return banger_channel_reply(failure->status, failure->message, strlen(failure->message));
}
