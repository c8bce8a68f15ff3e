/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON-RPC 2.0 on the JSON socket: calls, notifications and batches, and what is none of them. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/json/json-client.h"

static pid_t bridge;

static void
set_up(void)
{
    bridge = client_start(NULL);
}

static void
tear_down(void)
{
    client_stop(bridge);
}

/* The specification's chapter 7, with the answers of a server that has none of those methods. */
START_TEST(examples)
{
#define RPC_ERROR(code, message, id)                                                               \
    "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":" code ",\"message\":\"" message "\"},\"id\":" id "}"
#define NOT_FOUND(id) RPC_ERROR("-32601", "Method not found", id)
#define INVALID RPC_ERROR("-32600", "Invalid Request", "null")
#define PARSE RPC_ERROR("-32700", "Parse error", "null")
    static const char *const pairs[][2] = {
        {"{\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"params\": [42, 23], \"id\": 1}",
         NOT_FOUND("1")},
        {"{\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"params\": {\"subtrahend\": 23, "
         "\"minuend\": 42}, \"id\": 3}",
         NOT_FOUND("3")},
        {"{\"jsonrpc\": \"2.0\", \"method\": \"foobar\", \"id\": \"1\"}", NOT_FOUND("\"1\"")},
        {"{\"jsonrpc\": \"2.0\", \"method\": \"foobar, \"params\": \"bar\", \"baz]", PARSE},
        {"{\"jsonrpc\": \"2.0\", \"method\": 1, \"params\": \"bar\"}", INVALID},
        {"[\n  {\"jsonrpc\": \"2.0\", \"method\": \"sum\", \"params\": [1,2,4], \"id\": \"1\"},\n"
         "  {\"jsonrpc\": \"2.0\", \"method\"\n]",
         PARSE},
        {"[]", INVALID},
        {"[1]", "[" INVALID "]"},
        {"[1,2,3]", "[" INVALID "," INVALID "," INVALID "]"},
        {"[\n {\"jsonrpc\": \"2.0\", \"method\": \"sum\", \"params\": [1,2,4], \"id\": \"1\"},\n"
         " {\"jsonrpc\": \"2.0\", \"method\": \"notify_hello\", \"params\": [7]},\n"
         " {\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"params\": [42,23], \"id\": \"2\"},\n"
         " {\"foo\": \"boo\"},\n"
         " {\"jsonrpc\": \"2.0\", \"method\": \"foo.get\", \"params\": {\"name\": \"myself\"}, "
         "\"id\": \"5\"},\n"
         " {\"jsonrpc\": \"2.0\", \"method\": \"get_data\", \"id\": \"9\"}\n]",
         "[" NOT_FOUND("\"1\"") "," NOT_FOUND("\"2\"") "," INVALID "," NOT_FOUND(
             "\"5\"") "," NOT_FOUND("\"9\"") "]"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++)
        client_check(pairs[i][0], pairs[i][1]);
}
END_TEST

#define RPC_DELETE "{\"jsonrpc\":\"2.0\",\"method\":\"priv.delete_tap\",\"params\":"
#define RPC_DONE(id) "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":" id "}"

START_TEST(calls)
{
    client_check(RPC_DELETE "[\"tap-fc-none\"],\"id\":1}", RPC_DONE("1"));
    client_check(RPC_DELETE "[\"tap-fc-none\",\"op-p\"],\"id\":\"x\"}", RPC_DONE("\"x\""));
    client_check(RPC_DELETE "{\"tap_name\":\"tap-fc-none\",\"op_id\":\"op-n\"},\"id\":null}",
                 RPC_DONE("null"));
    client_check(RPC_DELETE "{\"tap_name\":7,\"op_id\":\"op-n\"},\"id\":2}",
                 "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,\"message\":\"tap_name: must be "
                 "a string\",\"data\":{\"name\":\"org.banger.Helper1.Error.BadParams\","
                 "\"code\":\"bad_params\",\"message\":\"tap_name: must be a string\","
                 "\"op_id\":\"op-n\"}},\"id\":2}");
    client_check("[" RPC_DELETE "[\"tap-fc-none\"],\"id\":1}]", "[" RPC_DONE("1") "]");
}
END_TEST

/*
 * Notifications are made, and not answered: what is read is the answer to the request behind them.
 */
START_TEST(notifications)
{
    int fd = client_connect(0);

    client_send(fd, "[{\"jsonrpc\": \"2.0\", \"method\": \"notify_sum\", \"params\": [1,2,4]},"
                    "{\"jsonrpc\": \"2.0\", \"method\": \"notify_hello\", \"params\": [7]}]");
    client_send(fd, "{\"jsonrpc\": \"2.0\", \"method\": \"update\", \"params\": [1,2,3,4,5]}");
    client_send(fd, "{\"jsonrpc\": \"2.0\", \"method\": \"foobar\"}");
    client_send(fd, RPC_DELETE "[\"tap-fc-none\",\"op-notified\"]}");
    client_send(fd, RPC_DELETE "[\"tap-fc-none\"],\"id\":1}");
    client_expect_line(fd, RPC_DONE("1"));
    (void)shutdown(fd, SHUT_WR);
    client_expect_end(fd);
    (void)close(fd);
    g_hash_table_unref(rig_journal_wait("op-notified"));
}
END_TEST

/* A batch larger than what may be in flight, each answered. */
START_TEST(a_large_batch)
{
    g_autoptr(GString) batch = g_string_new("[");
    g_autofree char *answer = NULL;

    for (int i = 0; i < 200; i++)
        g_string_append_printf(batch, "%s" RPC_DELETE "[\"tap-fc-none\"],\"id\":%d}",
                               i == 0 ? "" : ",", i);
    g_string_append_c(batch, ']');
    answer = client_ask(batch->str);
    for (int i = 0; i < 200; i++) {
        g_autofree char *expected = g_strdup_printf(RPC_DONE("%d"), i);

        ck_assert_msg(strstr(answer, expected) != NULL, "%d is missing in %s", i, answer);
    }
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/bridge-rpc", argv, NULL);
    suite = suite_create("bridge-rpc");
    tcase = tcase_create("bridge-rpc");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, examples);
    tcase_add_test(tcase, calls);
    tcase_add_test(tcase, notifications);
    tcase_add_test(tcase, a_large_batch);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/bridge-rpc", suite);
}
