/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request on the JSON socket that is none: wrong values, no JSON, too large, too deep. */
#include <string.h>
#include <unistd.h>

#include "bus/json/json-client.h"
#include "json-bridge/bridge-limits.h"

#define DELETE "{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":\"tap-fc-none\"}}"
#define DONE "{\"ok\":true,\"result\":{}}"

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

static void
check_code(const char *request, const char *code)
{
    g_autofree char *answer = client_ask(request);
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
    client_check(DELETE, DONE);
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
        int fd = client_connect(0);
        g_autofree char *answer = NULL;

        client_send(fd, requests[i]);
        answer = client_read_line(fd);
        ck_assert_msg(g_str_has_prefix(answer, "{\"ok\":false,\"error\":{\"code\":\"bad_request\""),
                      "%s: %s", requests[i], answer);
        /* What comes behind it is no request any more. */
        client_expect_end(fd);
        (void)close(fd);
    }
    client_check(DELETE, DONE);
}
END_TEST

START_TEST(size)
{
    g_autofree char *largest = client_padded_request(BANGER_REQUEST_MAX);
    g_autofree char *larger = client_padded_request(BANGER_REQUEST_MAX + 1);

    client_check(largest, DONE);
    check_code(larger, "bad_request");
    client_check(DELETE, DONE);
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

    client_check(deepest, DONE);
    check_code(deeper, "bad_request");
    client_check(arrays, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":"
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
    client_check(batch, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":"
                        "\"Parse error\"},\"id\":null}");
    ck_assert_uint_lt(client_memory_peak(bridge), CLIENT_MEMORY_FACTOR * (64u << 20));
}
END_TEST

/* The peer is in the middle of sending what is already refused: it can still read why. */
START_TEST(refused_while_sending)
{
    g_autofree char *rest = g_strnfill(4u << 20, ' ');
    g_autofree char *answer = NULL;
    int fd = client_connect(0);

    client_send(fd, "}");
    (void)client_try_send(fd, rest, 4u << 20);
    answer = client_read_line(fd);
    ck_assert(g_str_has_prefix(answer, "{\"ok\":false,\"error\":{\"code\":\"bad_request\""));
    (void)close(fd);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/bridge-request", argv, NULL);
    suite = suite_create("bridge-request");
    tcase = tcase_create("bridge-request");
    tcase_set_timeout(tcase, 180);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, values_that_do_not_fit);
    tcase_add_test(tcase, what_is_not_json);
    tcase_add_test(tcase, size);
    tcase_add_test(tcase, depth);
    tcase_add_test(tcase, a_million_objects);
    tcase_add_test(tcase, refused_while_sending);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/bridge-request", suite);
}
