/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake/fake.h"

#define CONNECTIONS_MAX 10 /* as firecracker's */
#define REQUEST_MAX (51200 + 8192)

typedef struct {
    int fd;
    GString *input;
} Connection;

static FakeState state;

static void
write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, data, length, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        data += n;
        length -= (size_t)n;
    }
}

static void
answer(int fd, int status, const char *body)
{
    g_autofree char *text =
        status == 204
            ? g_strdup("HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n")
            : g_strdup_printf(
                  "HTTP/1.1 %d \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
                  "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                  status, strlen(body), body);

    write_all(fd, text, strlen(text));
}

/* Answers @request wrongly, as ordered. */
static void
answer_wrongly(int fd, FakeOrder order)
{
    g_autofree char *kilobyte = g_strnfill(1024, '\xff');

    switch (order) {
    case FAKE_GARBAGE:
        write_all(fd, "\x16\x03\x01 this is not HTTP\n\n", 22);
        break;
    case FAKE_FLOOD:
        write_all(fd, "HTTP/1.1 400 \r\n\r\n", 17);
        for (;;)
            write_all(fd, kilobyte, 1024);
    case FAKE_FORGE:
        write_all(fd, "HTTP/1.1 400 \r\n\r\n{\"fault_message\":\"\\u0000\\", 41);
        for (int i = 0; i < 40; i++)
            write_all(fd, kilobyte, 1024);
        break;
    case FAKE_GO_ON:
    case FAKE_ESCAPE:
    case FAKE_IGNORE:
    case FAKE_LEAVE:
    case FAKE_LACK:
    case FAKE_REFUSE:
    case FAKE_CLOSE:
        break;
    }
}

/* Serves one whole request. Whether the connection stays open. */
static bool
serve(int fd, const char *method, const char *path, const char *body)
{
    g_autofree char *reply = NULL;
    const char *fault = "";
    FakeOrder order;
    int status;

    fake_orders_record(method, path, body);
    order = fake_orders_follow(path, &fault);
    if (order == FAKE_REFUSE) {
        reply = fake_api_fault("%s", fault);
        answer(fd, 400, reply);
        return true;
    }
    if (order == FAKE_LACK && strstr(body, fault) != NULL) {
        reply = fake_api_fault("An error occurred when deserializing the json body of a request: "
                               "unknown field `%s`.",
                               fault);
        answer(fd, 400, reply);
        return true;
    }
    if (order == FAKE_LEAVE && strstr(body, "SendCtrlAltDel") != NULL)
        exit(0);
    if (order != FAKE_GO_ON && order != FAKE_LACK && order != FAKE_ESCAPE && order != FAKE_IGNORE &&
        order != FAKE_LEAVE) {
        answer_wrongly(fd, order);
        return false;
    }
    status = fake_api_handle(&state, method, path, body, &reply);
    answer(fd, status, reply);
    if (order == FAKE_ESCAPE)
        fake_escape(&state, fault);
    if (status == 204 && order != FAKE_IGNORE && strstr(body, "SendCtrlAltDel") != NULL)
        exit(0);
    return true;
}

/* Serves what is complete in the input of @connection. Whether it stays open. */
static bool
serve_input(Connection *connection)
{
    char *end;

    while ((end = strstr(connection->input->str, "\r\n\r\n")) != NULL) {
        size_t head = (size_t)(end - connection->input->str) + 4;
        g_autofree char *headers = g_ascii_strdown(connection->input->str, (gssize)head);
        const char *field = strstr(headers, "\r\ncontent-length:");
        size_t length =
            field != NULL ? strtoul(field + strlen("\r\ncontent-length:"), NULL, 10) : 0;
        g_autofree char *body = NULL;
        g_auto(GStrv) words = NULL;

        if (head + length > REQUEST_MAX)
            return false;
        if (connection->input->len < head + length)
            return true;
        body = g_strndup(connection->input->str + head, length);
        words = g_strsplit_set(connection->input->str, " \r\n", 3);
        g_string_erase(connection->input, 0, (gssize)(head + length));
        if (g_strv_length(words) < 3 || !serve(connection->fd, words[0], words[1], body))
            return false;
    }
    return connection->input->len <= REQUEST_MAX;
}

/* Reads what there is. Whether the connection stays open. */
static bool
take_input(Connection *connection)
{
    char buffer[4096];
    ssize_t n = recv(connection->fd, buffer, sizeof buffer, 0);

    if (n <= 0)
        return false;
    g_string_append_len(connection->input, buffer, n);
    return serve_input(connection);
}

static _Noreturn void
run(int listener)
{
    Connection connections[CONNECTIONS_MAX] = {0};
    nfds_t n = 0;

    for (;;) {
        struct pollfd pollfds[CONNECTIONS_MAX + 1];

        for (nfds_t i = 0; i < n; i++)
            pollfds[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
        pollfds[n] = (struct pollfd){.fd = n < CONNECTIONS_MAX ? listener : -1, .events = POLLIN};
        if (poll(pollfds, n + 1, -1) < 0)
            continue;
        if (pollfds[n].revents != 0) {
            int fd = accept(listener, NULL, NULL);

            if (fd >= 0)
                connections[n++] = (Connection){fd, g_string_new(NULL)};
            continue;
        }
        for (nfds_t i = n; i > 0; i--) {
            Connection *connection = &connections[i - 1];

            if (pollfds[i - 1].revents == 0 || take_input(connection))
                continue;
            (void)close(connection->fd);
            g_string_free(connection->input, TRUE);
            *connection = connections[--n];
        }
    }
}

static int
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 16) < 0) {
        (void)fprintf(stderr,
                      "RunWithApiError error: Failed to open the API socket at: %s. Check that it "
                      "is not already used. (%s)\n",
                      path, g_strerror(errno));
        exit(1);
    }
    return fd;
}

int
main(int argc, char **argv)
{
    const char *ignored;

    for (int i = 1; i < argc; i++) {
        if (g_str_equal(argv[i], "--version")) {
            (void)puts("Firecracker v1.7.0 (a test double: it runs no guest)");
            return 0;
        }
        if (g_str_equal(argv[i], "--api-sock") && i + 1 < argc)
            state.api_sock = argv[++i];
        else if (g_str_equal(argv[i], "--id") && i + 1 < argc)
            state.id = argv[++i];
        else {
            (void)fprintf(stderr,
                          "Arguments parsing error: Found argument '%s' which wasn't "
                          "expected, or isn't valid in this context.\n",
                          argv[i]);
            return 153;
        }
    }
    if (state.api_sock == NULL || state.id == NULL) {
        (void)fprintf(stderr, "the test double of firecracker wants --api-sock and --id\n");
        return 153;
    }
    state.log_fd = -1;
    fake_orders_load(state.api_sock, state.id);
    (void)fake_orders_follow("start", &ignored);
    (void)fake_orders_follow("bind", &ignored);
    run(listen_at(state.api_sock));
}
