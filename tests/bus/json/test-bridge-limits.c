/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The limits of the JSON socket: what is too much at once or too slow is refused, alone. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/json/json-client.h"
#include "json-bridge/bridge-limits.h"
#include "util/settings.h"

#define DELETE "{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":\"tap-fc-none\"}}"
#define DONE "{\"ok\":true,\"result\":{}}"
#define RPC_DELETE(id)                                                                             \
    "{\"jsonrpc\":\"2.0\",\"method\":\"priv.delete_tap\",\"params\":[\"tap-fc-none\"],\"id\":" id  \
    "}"
#define RPC_DONE(id) "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":" id "}"

static const char *const impatient[] = {"--peer-timeout", "2", NULL};
static pid_t bridge;

static void
set_up(void)
{
    bridge = client_start(NULL);
}

static void
set_up_impatient(void)
{
    bridge = client_start(impatient);
}

static void
tear_down(void)
{
    client_stop(bridge);
}

#define LARGE_SIZE (30u << 20)

/* Sends what the bridge takes of @text without waiting for it; returns how much that was. */
static size_t
send_what_is_taken(int fd, const char *text, size_t length)
{
    struct pollfd poll_fd = {fd, POLLOUT, 0};
    size_t sent = 0;

    while (sent < length && poll(&poll_fd, 1, 500) == 1) {
        ssize_t n = send(fd, text + sent, length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        ck_assert_int_gt(n, 0);
        sent += (size_t)n;
    }
    return sent;
}

/*
 * All but the last bytes of a large request on as many connections as may send one. What one more
 * sends is not read to its end, but small requests are, and it goes on when another is done.
 */
START_TEST(large_ones_at_once)
{
    g_autofree char *large = client_padded_request(LARGE_SIZE);
    int fds[BANGER_LARGE_REQUESTS_MAX];
    int waiting;
    size_t sent;

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = client_connect(0);
        ck_assert(client_try_send(fds[i], large, LARGE_SIZE - 2));
    }
    waiting = client_connect(0);
    sent = send_what_is_taken(waiting, large, LARGE_SIZE);
    ck_assert_uint_lt(sent, LARGE_SIZE / 2);
    client_check(DELETE, DONE);
    client_send(fds[0], large + LARGE_SIZE - 2);
    client_expect_line(fds[0], DONE);
    client_send(waiting, large + sent);
    client_expect_line(waiting, DONE);
    for (size_t i = 1; i < G_N_ELEMENTS(fds); i++) {
        client_send(fds[i], large + LARGE_SIZE - 2);
        client_expect_line(fds[i], DONE);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        (void)close(fds[i]);
    (void)close(waiting);
}
END_TEST

/* Requires that @fd is turned away: every place is taken by a connection that is not idle. */
static void
check_no_place(int fd)
{
    client_expect_words(fd, "{\"ok\":false,\"error\":{\"code\":\"operation_failed\",\"message\":"
                            "\"64 connections are open already, and none is idle");
    client_expect_end(fd);
    (void)close(fd);
}

START_TEST(connections)
{
    int fds[BANGER_CONNECTIONS_MAX];

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = client_connect(i % 2 == 0 ? 0 : RIG_UID_OWNER);
        client_send(fds[i], "{");
    }
    for (int i = 0; i < 3; i++)
        check_no_place(client_connect(0));
    /* The others are served as ever, and a place that is free again is another's. */
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        client_send(fds[i], &DELETE[1]);
        client_expect_line(fds[i], DONE);
        client_send(fds[i], "{");
    }
    (void)shutdown(fds[0], SHUT_WR);
    client_expect_words(fds[0], "the connection ended in the middle of a request");
    client_expect_end(fds[0]);
    (void)close(fds[0]);
    client_check(DELETE, DONE);
    for (size_t i = 1; i < G_N_ELEMENTS(fds); i++)
        (void)close(fds[i]);
}
END_TEST

/* Of connections that are answered and idle, the one that has been so for longest makes room. */
START_TEST(idle_connections)
{
    int fds[BANGER_CONNECTIONS_MAX];
    int newcomer;

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = client_connect(0);
        client_send(fds[i], DELETE);
        client_expect_line(fds[i], DONE);
    }
    /* The first is used again and the second is in the middle of a request: so it is the third. */
    client_send(fds[0], DELETE);
    client_expect_line(fds[0], DONE);
    client_send(fds[1], "{");
    newcomer = client_connect(0);
    client_send(newcomer, DELETE);
    client_expect_line(newcomer, DONE);
    client_expect_end(fds[2]);
    client_send(fds[1], &DELETE[1]);
    client_expect_line(fds[1], DONE);
    client_send(fds[0], DELETE);
    client_expect_line(fds[0], DONE);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        (void)close(fds[i]);
    (void)close(newcomer);
}
END_TEST

static pid_t
stop_helper(void)
{
    pid_t helper;

    client_check(DELETE, DONE);
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    ck_assert_int_eq(kill(helper, SIGSTOP), 0);
    return helper;
}

static bool
has_answer(int fd, int msec)
{
    struct pollfd poll_fd = {fd, POLLIN, 0};

    return poll(&poll_fd, 1, msec) == 1;
}

/* With 32 in flight nothing more is read of that connection; others are not delayed by it. */
START_TEST(requests_in_flight)
{
    pid_t helper = stop_helper();
    int fd = client_connect(0);
    int other = client_connect(0);

    for (unsigned int i = 1; i < BANGER_CALLS_PER_CONNECTION_MAX; i++)
        client_send(fd, RPC_DELETE("7"));
    client_send(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":8}");
    client_expect_line(fd, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,"
                           "\"message\":\"Method not found\"},\"id\":8}");
    client_send(fd, RPC_DELETE("7"));
    client_send(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":9}");
    ck_assert(!has_answer(fd, 300));
    client_send(other, "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":1}");
    ck_assert(has_answer(other, 5000));
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    for (unsigned int i = 0; i <= BANGER_CALLS_PER_CONNECTION_MAX; i++) {
        g_autofree char *answer = client_read_line(fd);

        ck_assert(strcmp(answer, RPC_DONE("7")) == 0 || strstr(answer, "\"id\":9") != NULL);
    }
    (void)close(fd);
    (void)close(other);
}
END_TEST

/* Each large request is read to its end and waits for its place in flight; none is refused. */
START_TEST(large_ones_in_flight)
{
    static const char head[] = "{\"method\":\"priv.read_ext4_file\",\"params\":{\"image_path\":\"";
    g_autofree char *name = g_strnfill(LARGE_SIZE, 'x');
    g_autofree char *request = g_strconcat(head, name, "\"}}", NULL);
    int fds[BANGER_LARGE_REQUESTS_MAX];
    pid_t helper = stop_helper();

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = client_connect(0);
        client_send(fds[i], request);
    }
    /* Each was read to its end: else this connection would have been refused already. */
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        ck_assert_msg(!has_answer(fds[i], 100), "%zu is refused", i);
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        client_expect_words(fds[i], "{\"ok\":false");
        (void)close(fds[i]);
    }
}
END_TEST

/* Of the older protocol one is made at a time, also behind requests of JSON-RPC. */
START_TEST(order)
{
    pid_t helper = stop_helper();
    int fd = client_connect(0);

    client_send(fd, RPC_DELETE("1") "{\"method\":\"nope\"}" RPC_DELETE("2"));
    client_send(fd, DELETE "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":3}");
    ck_assert(!has_answer(fd, 300));
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    client_expect_line(fd, RPC_DONE("1"));
    client_expect_words(fd, "unknown_method");
    client_expect_line(fd, RPC_DONE("2"));
    client_expect_line(fd, DONE);
    client_expect_words(fd, "\"id\":3");
    (void)close(fd);
}
END_TEST

/*
 * One that never reads: what it sends is not read any more at some point, and it is disconnected.
 */
START_TEST(never_reads)
{
    g_autoptr(GString) requests = g_string_new(NULL);
    int fd = client_connect(0);
    size_t total = 0;
    ssize_t n;

    for (int i = 0; i < 1000; i++)
        g_string_append(requests, "{\"method\":\"nope\"}");
    for (;;) {
        struct pollfd poll_fd = {fd, POLLOUT, 0};

        ck_assert_int_eq(poll(&poll_fd, 1, 20000), 1);
        n = send(fd, requests->str, requests->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            break;
        total += n > 0 ? (size_t)n : 0;
        ck_assert_uint_lt(total, 64u << 20);
    }
    ck_assert(errno == EPIPE || errno == ECONNRESET);
    ck_assert_uint_lt(client_memory_peak(bridge), CLIENT_MEMORY_FACTOR * (32u << 20));
    client_check(DELETE, DONE);
    (void)close(fd);
}
END_TEST

/*
 * Half a request has a time limit from its first byte, however often another byte comes; a
 * connection between requests has none.
 */
START_TEST(slow_senders)
{
    int idle = client_connect(0);
    int half = client_connect(0);
    int dripping = client_connect(0);
    int rpc = client_connect(0);
    gint64 begun = g_get_monotonic_time();
    g_autofree char *answer = NULL;

    client_send(half, "{\"method\":");
    client_send(rpc, "{\"jsonrpc\":\"2.0\",");
    client_send(dripping, "{");
    client_check(DELETE, DONE);
    while (!has_answer(dripping, 100))
        client_send(dripping, " ");
    ck_assert_int_ge(g_get_monotonic_time() - begun, 1900000);
    ck_assert_int_lt(g_get_monotonic_time() - begun, rig_timeout_usec());
    answer = client_read_line(half);
    ck_assert_ptr_nonnull(strstr(answer, "{\"code\":\"bad_request\",\"message\":\"the request was "
                                         "not complete within 2 seconds\"}}"));
    client_expect_end(half);
    client_expect_words(dripping, "not complete within");
    client_expect_line(rpc, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,"
                            "\"message\":\"Parse error\"},\"id\":null}");
    client_send(idle, DELETE);
    client_expect_line(idle, DONE);
    (void)close(idle);
    (void)close(half);
    (void)close(dripping);
    (void)close(rpc);
}
END_TEST

START_TEST(ends_in_the_middle)
{
    int fd = client_connect(0);
    g_autofree char *answer = NULL;

    client_send(fd, DELETE "{\"method\"");
    (void)shutdown(fd, SHUT_WR);
    client_expect_line(fd, DONE);
    answer = client_read_line(fd);
    ck_assert_ptr_nonnull(strstr(answer, "the connection ended in the middle of a request"));
    client_expect_end(fd);
    (void)close(fd);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/bridge-limits", argv, NULL);
    suite = suite_create("bridge-limits");
    tcase = tcase_create("limits");
    tcase_set_timeout(tcase, 180);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, large_ones_at_once);
    tcase_add_test(tcase, large_ones_in_flight);
    tcase_add_test(tcase, connections);
    tcase_add_test(tcase, idle_connections);
    tcase_add_test(tcase, requests_in_flight);
    tcase_add_test(tcase, order);
    tcase_add_test(tcase, ends_in_the_middle);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("time-outs");
    tcase_set_timeout(tcase, 180);
    tcase_add_checked_fixture(tcase, set_up_impatient, tear_down);
    tcase_add_test(tcase, never_reads);
    tcase_add_test(tcase, slow_senders);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/bridge-limits", suite);
}
