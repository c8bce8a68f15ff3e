/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rig/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/json-string.h"

/*
 * The reading end of the journal's native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/): a datagram of fields, each either "NAME=value\n"
 * or "NAME\n", the value's length as 64 bits little-endian, the value, "\n"; or an empty datagram
 * with a file descriptor of a memfd with the same.
 */

#define RECORD_MAX (4 << 20)

static void
append_field(GString *line, const char *name, gsize name_length, const char *value,
             gsize value_length)
{
    g_autofree char *name_text = g_strndup(name, name_length);
    g_autofree char *value_text = g_utf8_make_valid(value, (gssize)value_length);

    g_string_append_c(line, line->len > 1 ? ',' : '{');
    banger_json_append_string(line, name_text);
    g_string_append_c(line, ':');
    banger_json_append_string(line, value_text);
}

/* Appends the field at @at and returns where the next begins; NULL if there is none. */
static const char *
parse_field(GString *line, const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    const char *equals;
    guint64 length;

    if (newline == NULL)
        return NULL;
    equals = memchr(at, '=', (size_t)(newline - at));
    if (equals != NULL) {
        append_field(line, at, (gsize)(equals - at), equals + 1, (gsize)(newline - equals - 1));
        return newline + 1;
    }
    if (end - newline < 1 + 8)
        return NULL;
    memcpy(&length, newline + 1, sizeof length);
    length = GUINT64_FROM_LE(length);
    if (length >= (guint64)(end - newline - 1 - 8))
        return NULL;
    append_field(line, at, (gsize)(newline - at), newline + 1 + 8, length);
    return newline + 1 + 8 + length + 1;
}

static void
write_record(int out, const char *record, size_t size, const struct ucred *sender)
{
    g_autoptr(GString) line = g_string_new("");
    g_autofree char *pid = g_strdup_printf("%d", (int)sender->pid);
    g_autofree char *uid = g_strdup_printf("%u", (unsigned int)sender->uid);
    const char *end = record + size;

    for (const char *at = record; at != NULL && at < end;)
        at = parse_field(line, at, end);
    append_field(line, "_PID", 4, pid, strlen(pid));
    append_field(line, "_UID", 4, uid, strlen(uid));
    g_string_append(line, "}\n");
    if (write(out, line->str, line->len) != (ssize_t)line->len)
        g_printerr("rig: the journal's file cannot be written\n");
}

/* What came with the datagram: the memfd (or -1) and who sent it. */
static int
take_control(struct msghdr *message, struct ucred *ret_sender)
{
    int fd = -1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_RIGHTS)
            memcpy(&fd, CMSG_DATA(c), sizeof fd);
        else if (c->cmsg_type == SCM_CREDENTIALS)
            memcpy(ret_sender, CMSG_DATA(c), sizeof *ret_sender);
    }
    return fd;
}

static void
collect(int socket_fd, int out)
{
    g_autofree char *record = g_malloc(RECORD_MAX);

    for (;;) {
        char control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
        struct iovec iov = {record, RECORD_MAX};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        ssize_t size = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
        struct ucred sender = {0};
        banger_autofd int fd = -1;

        if (size < 0)
            continue;
        fd = take_control(&message, &sender);
        if (fd >= 0)
            size = pread(fd, record, RECORD_MAX, 0);
        if (size > 0)
            write_record(out, record, (size_t)size, &sender);
    }
}

void
rig_journal_start(const char *directory)
{
    struct sockaddr_un address = {AF_UNIX, "/run/systemd/journal/socket"};
    g_autofree char *path = g_build_filename(directory, "journal.jsonl", NULL);
    banger_autofd int out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    banger_autofd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    rig_require(out >= 0, "open %s: %s", path, g_strerror(errno));
    rig_require(bind(fd, (const struct sockaddr *)&address, sizeof address) == 0, "bind %s: %s",
                address.sun_path, g_strerror(errno));
    (void)chmod(address.sun_path, 0666);
    (void)setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){8 << 20}, sizeof(int));
    pid = fork();
    rig_require(pid >= 0, "fork: %s", g_strerror(errno));
    if (pid > 0)
        return;
    (void)prctl(PR_SET_NAME, "rig-journal");
    collect(fd, out);
}
