/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/json/json-client.h"
#include "lib/rpc-answer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t
spawn(const char *const *first, const char *const *rest, int output)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    pid_t pid;

    g_ptr_array_add(argv, (gpointer)BRIDGE_PROGRAM);
    for (; first != NULL && *first != NULL; first++)
        g_ptr_array_add(argv, (gpointer)*first);
    for (; rest != NULL && *rest != NULL; rest++)
        g_ptr_array_add(argv, (gpointer)*rest);
    g_ptr_array_add(argv, NULL);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (output >= 0)
        (void)dup2(output, STDERR_FILENO);
    (void)execv(BRIDGE_PROGRAM, (char **)argv->pdata);
    _exit(127);
}

static int
open_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = BRIDGE_SOCKET};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

bool
client_listens(void)
{
    int fd = open_socket();

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

/* The socket listens before the bridge has given up root's rights. */
static bool
has_no_rights(void *data)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", *(pid_t *)data);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) && strstr(text, "\nUid:\t0\t") == NULL &&
           strstr(text, "\nNoNewPrivs:\t1\n") != NULL;
}

pid_t
client_start(const char *const *arguments)
{
    static const char *const first[] = {"--socket", BRIDGE_SOCKET, NULL};
    pid_t pid;

    ck_assert(mkdir("/run/banger-root", 0755) == 0 || errno == EEXIST);
    pid = spawn(first, arguments, -1);
    rig_wait_listening(BRIDGE_SOCKET);
    rig_wait_for(has_no_rights, &pid, "the bridge keeps root's rights");
    return pid;
}

static bool
has_ended(void *data)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t) * (pid_t *)data, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

void
client_stop(pid_t pid)
{
    int status;

    ck_assert_int_eq(kill(pid, SIGTERM), 0);
    rig_wait_for(has_ended, &pid, "the bridge does not end");
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the bridge ended with %#x",
                  (unsigned int)status);
}

void
client_check_refuses(const char *const *arguments, const char *words)
{
    char text[4096] = "";
    size_t length = 0;
    int output[2], status;
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
    pid = spawn(arguments, NULL, output[1]);
    (void)close(output[1]);
    while ((n = read(output[0], text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)n;
    (void)close(output[0]);
    rig_wait_for(has_ended, &pid, "the bridge does not end");
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 1);
    ck_assert_str_eq(text, words);
}

int
client_connect(uid_t uid)
{
    int fd;

    /* SO_PEERCRED has the effective uid of the moment of connect(2). */
    ck_assert_int_eq(seteuid(uid), 0);
    fd = open_socket();
    ck_assert_int_eq(seteuid(0), 0);
    (void)prctl(PR_SET_DUMPABLE, 1); /* cleared by the change of uid; leak checkers need it */
    ck_assert_msg(fd >= 0, "uid %u cannot connect to the bridge", uid);
    return fd;
}

bool
client_try_send(int fd, const char *text, size_t length)
{
    while (length > 0) {
        struct pollfd poll_fd = {fd, POLLOUT, 0};
        ssize_t n;

        ck_assert_msg(poll(&poll_fd, 1, (int)(rig_timeout_usec() / 1000)) == 1,
                      "the bridge does not read");
        n = send(fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n < 0)
            return false;
        text += n;
        length -= (size_t)n;
    }
    return true;
}

void
client_send(int fd, const char *text)
{
    ck_assert_msg(client_try_send(fd, text, strlen(text)), "the bridge hung up");
}

/* 1, 0 at the end; looks no further than @size bytes. */
static ssize_t
receive(int fd, char *data, size_t size, int flags)
{
    struct pollfd poll_fd = {fd, POLLIN, 0};
    ssize_t n;

    ck_assert_msg(poll(&poll_fd, 1, (int)(rig_timeout_usec() / 1000)) == 1,
                  "the bridge does not answer");
    n = recv(fd, data, size, flags);
    /* The bridge closed with something unread. */
    return n < 0 && errno == ECONNRESET ? 0 : n;
}

char *
client_read_line(int fd)
{
    GString *line = g_string_new(NULL);
    static char piece[65536];

    for (;;) {
        ssize_t n = receive(fd, piece, sizeof piece, MSG_PEEK);
        char *end;

        ck_assert_int_ge(n, 0);
        if (n == 0) {
            ck_assert_msg(line->len == 0, "half a line: %.1000s", line->str);
            g_string_free(line, TRUE);
            return NULL;
        }
        end = memchr(piece, '\n', (size_t)n);
        if (end != NULL)
            n = end + 1 - piece;
        ck_assert_int_eq(recv(fd, piece, (size_t)n, 0), n);
        g_string_append_len(line, piece, n);
        if (end != NULL) {
            g_string_truncate(line, line->len - 1);
            return g_string_free(line, FALSE);
        }
    }
}

/* The data of errors of JSON-RPC is compared only where @expected has any. */
static void
check_answer(const char *answer, const char *expected, const char *request)
{
    g_autofree char *stripped =
        strstr(expected, "\"data\":{") == NULL ? rpc_answer_without_data(answer) : NULL;

    if (stripped != NULL)
        answer = stripped;
    ck_assert_msg(strcmp(answer, expected) == 0, "%.1000s\nanswered   %.1000s\ninstead of %.1000s",
                  request, answer, expected);
}

void
client_expect_line(int fd, const char *expected)
{
    g_autofree char *line = client_read_line(fd);

    check_answer(line != NULL ? line : "(nothing)", expected, "");
}

void
client_expect_words(int fd, const char *words)
{
    g_autofree char *line = client_read_line(fd);

    ck_assert_msg(line != NULL && strstr(line, words) != NULL, "%.1000s is missing in %.1000s",
                  words, line != NULL ? line : "(nothing)");
}

void
client_expect_end(int fd)
{
    char byte;

    ck_assert_int_eq(receive(fd, &byte, 1, 0), 0);
}

char *
client_padded_request(size_t size)
{
    static const char head[] = "{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":"
                               "\"tap-fc-none\"},\"padding\":\"";
    g_autofree char *padding = g_strnfill(size - strlen(head) - strlen("\"}"), 'x');

    return g_strconcat(head, padding, "\"}", NULL);
}

char *
client_ask(const char *text)
{
    int fd = client_connect(0);
    char *line;

    client_send(fd, text);
    line = client_read_line(fd);
    ck_assert_msg(line != NULL, "%.200s: no answer", text);
    (void)close(fd);
    return line;
}

void
client_check(const char *text, const char *expected)
{
    g_autofree char *answer = client_ask(text);

    check_answer(answer, expected, text);
}

size_t
client_memory_peak(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
    g_autofree char *text = NULL;
    const char *line;

    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    line = strstr(text, "VmHWM:");
    ck_assert_ptr_nonnull(line);
    return (size_t)strtoull(line + strlen("VmHWM:"), NULL, 10) * 1024;
}
