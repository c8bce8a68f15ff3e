/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * However much some peers of the JSON bridge ask for, no peer is refused for it: not they, who
 * wait, not another peer, whose turn comes, and not the owner who asks the helper directly.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/json/json-client.h"
#include "json-bridge/bridge-limits.h"
#include "util/settings.h"

#define DELETE "{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":\"tap-fc-none\"}}"
#define DONE "{\"ok\":true,\"result\":{}}"
#define RPC_DELETE                                                                                 \
    "{\"jsonrpc\":\"2.0\",\"method\":\"priv.delete_tap\",\"params\":[\"tap-fc-none\"],\"id\":7}"
#define RPC_DONE "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":7}"

static pid_t bridge;

static void
set_up(void)
{
    bridge = client_start(NULL);
    client_check(DELETE, DONE);
}

static void
tear_down(void)
{
    client_stop(bridge);
}

/* @n times @text, with @separator between. */
static char *
repeat(const char *text, const char *separator, unsigned int n)
{
    GString *all = g_string_new(text);

    for (unsigned int i = 1; i < n; i++)
        g_string_append_printf(all, "%s%s", separator, text);
    return g_string_free(all, FALSE);
}

/* The owner's own call by D-Bus is never refused. */
static void
check_direct_call(void)
{
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);
    sd_bus_message *message = rig_message_new(bus, "DeleteTap");
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_int_ge(sd_bus_message_append(message, "ss", "tap-fc-none", ""), 0);
    message = rig_call_message(bus, message, &error);
    ck_assert_msg(message != NULL, "%s", error.message);
    sd_bus_message_unref(message);
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
}

START_TEST(batches_of_a_thousand)
{
    g_autofree char *members = repeat(RPC_DELETE, ",", 1000);
    g_autofree char *batch = g_strconcat("[", members, "]", NULL);
    g_autofree char *answers = repeat(RPC_DONE, ",", 1000);
    g_autofree char *expected = g_strconcat("[", answers, "]", NULL);
    int fds[3];

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = client_connect(RIG_UID_OWNER);
        client_send(fds[i], batch);
    }
    check_direct_call();
    client_check(DELETE, DONE);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        client_expect_line(fds[i], expected);
        (void)close(fds[i]);
    }
    ck_assert_uint_lt(client_memory_peak(bridge), CLIENT_MEMORY_FACTOR * (48u << 20));
}
END_TEST

/* As many connections as there may be, with as many requests in flight as each may have. */
START_TEST(all_connections)
{
    g_autofree char *requests = repeat(RPC_DELETE, "", BANGER_CALLS_PER_CONNECTION_MAX);
    int fds[BANGER_CONNECTIONS_MAX];

    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = client_connect(i % 2 == 0 ? 0 : RIG_UID_OWNER);
        client_send(fds[i], i % 4 == 3 ? DELETE : requests);
    }
    check_direct_call();
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        if (i % 4 == 3)
            client_expect_line(fds[i], DONE);
        for (unsigned int n = 0; i % 4 != 3 && n < BANGER_CALLS_PER_CONNECTION_MAX; n++)
            client_expect_line(fds[i], RPC_DONE);
        (void)close(fds[i]);
    }
}
END_TEST

#define N_GREEDY 8
#define N_QUIET_REQUESTS 40

/*
 * Reads what answers of a greedy peer are there, none of them an error, and asks for as many
 * again. Returns how many.
 */
static unsigned int
feed(int fd)
{
    char text[16384];
    ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    unsigned int n_answers = 0;
    g_autofree char *requests = NULL;

    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    ck_assert_msg(strstr(text, "\"error\"") == NULL, "%s", text);
    for (const char *c = text; *c != '\0'; c++)
        n_answers += *c == '\n' ? 1 : 0;
    if (n_answers > 0) {
        requests = repeat(RPC_DELETE, "", n_answers);
        client_send(fd, requests);
    }
    return n_answers;
}

/* Feeds the greedy peers until something comes at @quiet. Returns how many answers they had. */
static unsigned int
feed_until_answer(const int *greedy, int quiet)
{
    struct pollfd fds[N_GREEDY + 1];
    unsigned int n_answers = 0;

    for (;;) {
        for (size_t i = 0; i < N_GREEDY; i++)
            fds[i] = (struct pollfd){greedy[i], POLLIN, 0};
        fds[N_GREEDY] = (struct pollfd){quiet, POLLIN, 0};
        ck_assert_int_gt(poll(fds, N_GREEDY + 1, 60000), 0);
        if (fds[N_GREEDY].revents != 0)
            return n_answers;
        for (size_t i = 0; i < N_GREEDY; i++)
            if (fds[i].revents != 0)
                n_answers += feed(greedy[i]);
    }
}

/*
 * While eight peers always have 64 requests waiting, one that makes one at a time is served in
 * turn: between its request and its answer each of them has few.
 */
START_TEST(a_quiet_peer)
{
    g_autofree char *requests = repeat(RPC_DELETE, "", 64);
    int quiet = client_connect(RIG_UID_OWNER);
    unsigned int n_answers = 0;
    int greedy[N_GREEDY];

    for (size_t i = 0; i < N_GREEDY; i++) {
        greedy[i] = client_connect(0);
        client_send(greedy[i], requests);
    }
    for (int i = 0; i < N_QUIET_REQUESTS; i++) {
        client_send(quiet, DELETE);
        n_answers += feed_until_answer(greedy, quiet);
        client_expect_line(quiet, DONE);
    }
    ck_assert_uint_ge(n_answers, N_GREEDY);
    ck_assert_uint_le(n_answers, 3 * N_GREEDY * N_QUIET_REQUESTS);
    for (size_t i = 0; i < N_GREEDY; i++)
        (void)close(greedy[i]);
    (void)close(quiet);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/bridge-fairness", argv, NULL);
    suite = suite_create("bridge-fairness");
    tcase = tcase_create("fairness");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, batches_of_a_thousand);
    tcase_add_test(tcase, all_connections);
    tcase_add_test(tcase, a_quiet_peer);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/bridge-fairness", suite);
}
