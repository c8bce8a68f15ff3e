/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/limits.h"
#include "bus/bridge-client.h"
#include "model/settings.h"

/* The sanitizers' own memory is not what is measured here. */
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_FACTOR 8u
#else
#define MEMORY_FACTOR 1u
#endif

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
    bridge = bridge_start(NULL);
}

static void
set_up_impatient(void)
{
    bridge = bridge_start(impatient);
}

static void
tear_down(void)
{
    bridge_stop(bridge);
}

static void
check_code(const char *request, const char *code)
{
    g_autofree char *answer = bridge_ask(request);
    g_autofree char *expected =
        g_strdup_printf("{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"", code);

    ck_assert_msg(g_str_has_prefix(answer, expected), "%.200s: %s", request, answer);
}

START_TEST(values_that_do_not_fit)
{
    static const char *const pids[] = {
        "1.0",  "1e0", "\"1\"", "-1", "4294967296", "99999999999999999999999",
        "true", "[]",  "{}",    "0.5"};
    static const char *const taps[] = {"\"tap-fc-\\u0000\"",
                                       "\"tap-fc-\\ud800\"",
                                       "1",
                                       "true",
                                       "{}",
                                       "[]",
                                       "\"tap-fc-\\uffff\"",
                                       "null",
                                       "\"\""};

    for (size_t i = 0; i < G_N_ELEMENTS(pids); i++) {
        g_autofree char *request =
            g_strdup_printf("{\"method\":\"priv.kill_process\",\"params\":{\"pid\":%s}}", pids[i]);

        check_code(request, "bad_params");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(taps); i++) {
        g_autofree char *request = g_strdup_printf(
            "{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":%s}}", taps[i]);

        check_code(request, "bad_params");
    }
    check_code("{\"method\":\"priv.delete_tap\"}", "bad_params");
    check_code("{\"method\":\"priv.delete_tap\",\"params\":null}", "bad_params");
    bridge_check(DELETE, DONE);
}
END_TEST

START_TEST(what_is_not_json)
{
    static const char *const requests[] = {"hello",
                                           "GET / HTTP/1.1\r\n",
                                           "1",
                                           "\"a\"",
                                           "{\"a\":NaN}",
                                           "{'a':1}",
                                           "{\"a\":1,}",
                                           "/**/{}",
                                           "{\"a\":\"\xff\"}",
                                           "{\"a\":\"\xed\xa0\x80\"}",
                                           "{\"a\":\"\xc0\xaf\"}",
                                           "{\"a\":01}",
                                           "{\"a\\u0000\":1}",
                                           "{\"a\":\"\n\"}",
                                           "{]"};

    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        int fd = bridge_connect(0);
        g_autofree char *answer = NULL;

        bridge_send(fd, requests[i]);
        answer = bridge_read_line(fd);
        ck_assert_msg(g_str_has_prefix(answer, "{\"ok\":false,\"error\":{\"code\":\"bad_request\""),
                      "%s: %s", requests[i], answer);
        /* What comes behind it is no request any more. */
        bridge_expect_end(fd);
        (void)close(fd);
    }
    bridge_check(DELETE, DONE);
}
END_TEST

/* A request of exactly @size bytes; what is too much is a member that nobody asks for. */
static char *
padded_request(size_t size)
{
    static const char head[] = "{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":"
                               "\"tap-fc-none\"},\"padding\":\"";
    g_autofree char *padding = g_strnfill(size - strlen(head) - strlen("\"}"), 'x');

    return g_strconcat(head, padding, "\"}", NULL);
}

START_TEST(size)
{
    g_autofree char *largest = padded_request(BANGER_REQUEST_MAX);
    g_autofree char *larger = padded_request(BANGER_REQUEST_MAX + 1);

    bridge_check(largest, DONE);
    check_code(larger, "bad_request");
    bridge_check(DELETE, DONE);
}
END_TEST

START_TEST(depth)
{
    g_autofree char *open = g_strnfill(BANGER_REQUEST_DEPTH_MAX - 1, '[');
    g_autofree char *shut = g_strnfill(BANGER_REQUEST_DEPTH_MAX - 1, ']');
    g_autofree char *deepest = g_strdup_printf(
        "{\"x\":%s%s,\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":\"tap-fc-none\"}}",
        open, shut);
    g_autofree char *deeper = g_strdup_printf("{\"x\":[%s%s]}", open, shut);
    g_autofree char *arrays = g_strdup_printf("[[%s%s]]", open, shut);

    bridge_check(deepest, DONE);
    check_code(deeper, "bad_request");
    bridge_check(arrays, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":"
                         "\"Parse error\"},\"id\":null}");
}
END_TEST

START_TEST(a_million_objects)
{
    g_autoptr(GString) request =
        g_string_new("{\"method\":\"priv.write_ext4_files\",\"params\":"
                     "{\"image_path\":\"/var/lib/banger/x\",\"files\":[{}");
    size_t start = strlen("{\"method\":\"priv.write_ext4_files\",\"params\":{\"image_path\":"
                          "\"/var/lib/banger/x\",\"files\":");
    g_autofree char *batch = NULL;

    for (int i = 1; i < 1000000; i++)
        g_string_append(request, ",{}");
    batch = g_strconcat(request->str + start, "]", NULL);
    g_string_append(request, "]}}");
    check_code(request->str, "bad_request");
    bridge_check(batch, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":"
                        "\"Parse error\"},\"id\":null}");
    ck_assert_uint_lt(bridge_memory_peak(bridge), MEMORY_FACTOR * (64u << 20));
}
END_TEST

/* The peer is in the middle of sending what is already refused: it can still read why. */
START_TEST(refused_while_sending)
{
    g_autofree char *rest = g_strnfill(4u << 20, ' ');
    g_autofree char *answer = NULL;
    int fd = bridge_connect(0);

    bridge_send(fd, "}");
    (void)bridge_try_send(fd, rest, 4u << 20);
    answer = bridge_read_line(fd);
    ck_assert(g_str_has_prefix(answer, "{\"ok\":false,\"error\":{\"code\":\"bad_request\""));
    (void)close(fd);
}
END_TEST

#define LARGE_SIZE (30u << 20)

/*
 * All but the last bytes of a large request on as many connections as there is room for. One more
 * is refused, and does not keep what it has sent while its peer may still read the answer: a
 * smaller one has room then, and so has each that waits for its end.
 */
START_TEST(large_ones_at_once)
{
    g_autofree char *large = padded_request(LARGE_SIZE);
    g_autofree char *smaller = padded_request(8u << 20);
    int fds[BANGER_HELD_MAX / (2 * LARGE_SIZE)];
    int refused;

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = bridge_connect(0);
        ck_assert(bridge_try_send(fds[i], large, LARGE_SIZE - 2));
    }
    refused = bridge_connect(0);
    (void)bridge_try_send(refused, large, LARGE_SIZE);
    bridge_expect_words(refused, "too many large requests are being received");
    bridge_check(smaller, DONE);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        bridge_send(fds[i], large + LARGE_SIZE - 2);
        bridge_expect_line(fds[i], DONE);
        (void)close(fds[i]);
    }
    (void)close(refused);
}
END_TEST

START_TEST(connections)
{
    int fds[BANGER_CONNECTIONS_MAX];

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = bridge_connect(i % 2 == 0 ? 0 : RIG_UID_OWNER);
        bridge_send(fds[i], DELETE);
        bridge_expect_line(fds[i], DONE);
    }
    for (int i = 0; i < 3; i++) {
        int fd = bridge_connect(0);
        g_autofree char *answer = bridge_read_line(fd);

        ck_assert_msg(g_str_has_prefix(answer, "{\"ok\":false,\"error\":{\"code\":"
                                               "\"operation_failed\",\"message\":\"64 connections "
                                               "are open already (op-"),
                      "%s", answer);
        bridge_expect_end(fd);
        (void)close(fd);
    }
    /* The others are served as ever, and a place that is free again is another's. */
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        bridge_send(fds[i], DELETE);
        bridge_expect_line(fds[i], DONE);
    }
    (void)shutdown(fds[0], SHUT_WR);
    bridge_expect_end(fds[0]);
    bridge_check(DELETE, DONE);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        (void)close(fds[i]);
}
END_TEST

static pid_t
stop_helper(void)
{
    pid_t helper;

    bridge_check(DELETE, DONE);
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
    int fd = bridge_connect(0);
    int other = bridge_connect(0);

    for (unsigned int i = 1; i < BANGER_CALLS_PER_CONNECTION_MAX; i++)
        bridge_send(fd, RPC_DELETE("7"));
    bridge_send(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":8}");
    bridge_expect_line(fd, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,"
                           "\"message\":\"Method not found\"},\"id\":8}");
    bridge_send(fd, RPC_DELETE("7"));
    bridge_send(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":9}");
    ck_assert(!has_answer(fd, 300));
    bridge_send(other, "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":1}");
    ck_assert(has_answer(other, 5000));
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    for (unsigned int i = 0; i <= BANGER_CALLS_PER_CONNECTION_MAX; i++) {
        g_autofree char *answer = bridge_read_line(fd);

        ck_assert(strcmp(answer, RPC_DONE("7")) == 0 || strstr(answer, "\"id\":9") != NULL);
    }
    (void)close(fd);
    (void)close(other);
}
END_TEST

/* What a large request took to arrive is not held any more once it is in flight. */
START_TEST(large_ones_in_flight)
{
    static const char head[] = "{\"method\":\"priv.read_ext4_file\",\"params\":{\"image_path\":\"";
    g_autofree char *name = g_strnfill(LARGE_SIZE, 'x');
    g_autofree char *request = g_strconcat(head, name, "\"}}", NULL);
    int fds[BANGER_HELD_MAX / (2 * LARGE_SIZE)];
    pid_t helper = stop_helper();

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = bridge_connect(0);
        bridge_send(fds[i], request);
    }
    /* Each was read to its end: else this connection would have been refused already. */
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        ck_assert_msg(!has_answer(fds[i], 100), "%zu is refused", i);
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        bridge_expect_words(fds[i], "{\"ok\":false");
        (void)close(fds[i]);
    }
}
END_TEST

/* Of the older protocol one is made at a time, also behind requests of JSON-RPC. */
START_TEST(order)
{
    pid_t helper = stop_helper();
    int fd = bridge_connect(0);

    bridge_send(fd, RPC_DELETE("1") "{\"method\":\"nope\"}" RPC_DELETE("2"));
    bridge_send(fd, DELETE "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":3}");
    ck_assert(!has_answer(fd, 300));
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    bridge_expect_line(fd, RPC_DONE("1"));
    bridge_expect_words(fd, "unknown_method");
    bridge_expect_line(fd, RPC_DONE("2"));
    bridge_expect_line(fd, DONE);
    bridge_expect_words(fd, "\"id\":3");
    (void)close(fd);
}
END_TEST

/* One that never reads: what it sends is not read any more at some point, and it is cut off. */
START_TEST(never_reads)
{
    g_autoptr(GString) requests = g_string_new(NULL);
    int fd = bridge_connect(0);
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
    ck_assert_uint_lt(bridge_memory_peak(bridge), MEMORY_FACTOR * (32u << 20));
    bridge_check(DELETE, DONE);
    (void)close(fd);
}
END_TEST

/* Half a request has a time limit from its first byte, however often another byte comes; a
 * connection between requests has none. */
START_TEST(slow_senders)
{
    int idle = bridge_connect(0);
    int half = bridge_connect(0);
    int dripping = bridge_connect(0);
    int rpc = bridge_connect(0);
    gint64 begun = g_get_monotonic_time();
    g_autofree char *answer = NULL;

    bridge_send(half, "{\"method\":");
    bridge_send(rpc, "{\"jsonrpc\":\"2.0\",");
    bridge_send(dripping, "{");
    bridge_check(DELETE, DONE);
    while (!has_answer(dripping, 100))
        bridge_send(dripping, " ");
    ck_assert_int_ge(g_get_monotonic_time() - begun, 1900000);
    ck_assert_int_lt(g_get_monotonic_time() - begun, 10000000);
    answer = bridge_read_line(half);
    ck_assert_ptr_nonnull(strstr(answer, "{\"code\":\"bad_request\",\"message\":\"the request was "
                                         "not complete within 2 seconds (op-"));
    bridge_expect_end(half);
    bridge_expect_words(dripping, "not complete within");
    bridge_expect_line(rpc, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,"
                            "\"message\":\"Parse error\"},\"id\":null}");
    bridge_send(idle, DELETE);
    bridge_expect_line(idle, DONE);
    (void)close(idle);
    (void)close(half);
    (void)close(dripping);
    (void)close(rpc);
}
END_TEST

START_TEST(ends_in_the_middle)
{
    int fd = bridge_connect(0);
    g_autofree char *answer = NULL;

    bridge_send(fd, DELETE "{\"method\"");
    (void)shutdown(fd, SHUT_WR);
    bridge_expect_line(fd, DONE);
    answer = bridge_read_line(fd);
    ck_assert_ptr_nonnull(strstr(answer, "the connection ended in the middle of a request"));
    bridge_expect_end(fd);
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
    tcase_add_test(tcase, values_that_do_not_fit);
    tcase_add_test(tcase, what_is_not_json);
    tcase_add_test(tcase, size);
    tcase_add_test(tcase, depth);
    tcase_add_test(tcase, a_million_objects);
    tcase_add_test(tcase, refused_while_sending);
    tcase_add_test(tcase, large_ones_at_once);
    tcase_add_test(tcase, large_ones_in_flight);
    tcase_add_test(tcase, connections);
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
