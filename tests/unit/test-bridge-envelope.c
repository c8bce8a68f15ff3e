/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The envelopes of both JSON protocols: requests taken apart, answers and errors put together. */
#include <string.h>

#include "json-bridge/envelope.h"
#include "json-bridge/json.h"
#include "json-bridge/parse.h"
#include "lib/harness.h"
#include "lib/rpc-answer.h"

static BangerEnvelope *
open_text(const char *text)
{
    g_autofree char *copy = g_strdup(text);
    g_autoptr(BangerJson) request = banger_json_parse(copy);

    return banger_envelope_open(!json_object_is_type(request, json_type_object) ||
                                        banger_envelope_is_jsonrpc(request)
                                    ? BANGER_DIALECT_JSONRPC
                                    : BANGER_DIALECT_LEGACY,
                                request);
}

static char *
answer_fault(const BangerEnvelope *envelope)
{
    GString *answer = g_string_new(NULL);

    ck_assert_ptr_nonnull(envelope->fault);
    banger_envelope_append_error(envelope, envelope->fault, answer);
    return g_string_free(answer, FALSE);
}

static void
check_answer(const char *request, const char *expected)
{
    g_autoptr(BangerEnvelope) envelope = open_text(request);
    g_autofree char *answer = answer_fault(envelope);
    g_autofree char *stripped = NULL;

    if (strstr(expected, "\"data\":{") == NULL)
        stripped = rpc_answer_without_data(answer);
    ck_assert_str_eq(stripped != NULL ? stripped : answer, expected);
}

START_TEST(legacy_call)
{
    g_autoptr(BangerEnvelope) envelope =
        open_text("{\"VERSION\":1,\"Method\":\"priv.create_tap\",\"PaRaMs\":{\"a\":1},\"x\":[],"
                  "\"OP_ID\":\"op-3f2a9c\"}");

    ck_assert_ptr_null(envelope->fault);
    ck_assert_int_eq(envelope->method->id, BANGER_METHOD_CREATE_TAP);
    ck_assert_str_eq(json_object_to_json_string_ext(envelope->params, JSON_C_TO_STRING_PLAIN),
                     "{\"a\":1}");
    ck_assert_str_eq(envelope->op_id, "op-3f2a9c");
    ck_assert(envelope->op_id_is_callers);
}
END_TEST

/* The last of several members of one name counts, in whatever case; null changes nothing. */
START_TEST(legacy_repeated)
{
    g_autoptr(BangerEnvelope) envelope =
        open_text("{\"METHOD\":\"priv.create_tap\",\"method\":\"priv.delete_tap\",\"Method\":null,"
                  "\"op_id\":\"op-1\",\"OP_ID\":\"op-2\",\"op_id\":\"op-3\",\"Op_Id\":\"op-4\"}");

    ck_assert_ptr_null(envelope->fault);
    ck_assert_int_eq(envelope->method->id, BANGER_METHOD_DELETE_TAP);
    ck_assert_str_eq(envelope->op_id, "op-4");
}
END_TEST

START_TEST(legacy_absent)
{
    static const char *const requests[] = {
        "{\"method\":\"priv.kill_process\"}",
        "{\"method\":\"priv.kill_process\",\"params\":null,\"version\":null,\"op_id\":null}",
        "{\"method\":\"priv.kill_process\",\"op_id\":\"\",\"params\":{}}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_autoptr(BangerEnvelope) envelope = open_text(requests[i]);

        ck_assert_ptr_null(envelope->fault);
        ck_assert(!envelope->op_id_is_callers);
        ck_assert_uint_eq(strlen(envelope->op_id), strlen("op-123456789abc"));
    }
}
END_TEST

#define LEGACY(code, message)                                                                      \
    "{\"ok\":false,\"error\":{\"code\":\"" code "\",\"message\":\"" message                        \
    "\",\"op_id\":\"op-1\"}}"

START_TEST(legacy_faults)
{
    check_answer("{\"op_id\":\"op-1\",\"version\":2,\"method\":\"priv.kill_process\"}",
                 LEGACY("bad_version", "version: must be 1"));
    check_answer("{\"op_id\":\"op-1\",\"version\":0}", LEGACY("bad_version", "version: must be 1"));
    check_answer("{\"op_id\":\"op-1\",\"version\":1.0}",
                 LEGACY("bad_version", "version: must be 1"));
    check_answer("{\"op_id\":\"op-1\",\"version\":\"1\"}",
                 LEGACY("bad_version", "version: must be 1"));
    check_answer("{\"op_id\":\"op-1\",\"version\":1,\"method\":\"priv.no\\\"pe\"}",
                 LEGACY("unknown_method", "unknown method priv.no\\\"pe"));
    check_answer("{\"op_id\":\"op-1\",\"method\":\"PRIV.KILL_PROCESS\"}",
                 LEGACY("unknown_method", "unknown method PRIV.KILL_PROCESS"));
    check_answer("{\"op_id\":\"op-1\"}", LEGACY("unknown_method", "the request has no method"));
    check_answer("{\"op_id\":\"op-1\",\"method\":7}",
                 LEGACY("bad_request", "method: must be a string without NUL"));
    check_answer("{\"op_id\":\"op-1\",\"method\":\"priv.kill_process\",\"params\":[1]}",
                 LEGACY("bad_params", "params: must be an object"));
    check_answer("{\"op_id\":\"op-1\",\"method\":\"priv.kill_process\",\"params\":\"x\"}",
                 LEGACY("bad_params", "params: must be an object"));
}
END_TEST

/* A malformed op_id is refused, and not echoed. */
START_TEST(bad_op_id)
{
    static const char *const op_ids[] = {"\"-x\"", "\"a b\"",       "7",
                                         "{}",     "\"op\\u0000\"", "\"\xc3\xa9\""};

    for (size_t i = 0; i < G_N_ELEMENTS(op_ids); i++) {
        g_autofree char *request =
            g_strdup_printf("{\"method\":\"priv.kill_process\",\"op_id\":%s}", op_ids[i]);
        g_autoptr(BangerEnvelope) envelope = open_text(request);
        g_autofree char *answer = answer_fault(envelope);

        ck_assert_str_eq(banger_fault_json_code(envelope->fault), "bad_params");
        ck_assert(g_str_has_prefix(answer, "{\"ok\":false,\"error\":{\"code\":\"bad_params\","
                                           "\"message\":\"op_id: must be "));
        ck_assert_ptr_null(strstr(answer, "\"op_id\""));
    }
}
END_TEST

/* The examples of the specification's chapter 7, of those whose answer does not take a method. */
START_TEST(rpc_specification)
{
    check_answer(
        "{\"jsonrpc\": \"2.0\", \"method\": \"foobar\", \"id\": \"1\"}",
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,\"message\":\"Method not found\"},"
        "\"id\":\"1\"}");
    check_answer("{\"jsonrpc\": \"2.0\", \"method\": 1, \"params\": \"bar\"}",
                 "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"Invalid Request\"},"
                 "\"id\":null}");
    check_answer("{\"jsonrpc\": \"2.0\", \"method\": \"x\", \"params\": \"bar\", \"id\": 3}",
                 "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"Invalid Request\"},"
                 "\"id\":3}");
    check_answer("{\"jsonrpc\": \"1.0\", \"method\": \"priv.kill_process\", \"id\": 3}",
                 "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"Invalid Request\"},"
                 "\"id\":null}");
    check_answer("[]",
                 "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"Invalid Request\"},"
                 "\"id\":null}");
    check_answer("1", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"Invalid "
                      "Request\"},\"id\":null}");
}
END_TEST

/* What the specification's own errors have beyond its examples: which member, or which limit. */
START_TEST(rpc_error_data)
{
    g_autoptr(BangerEnvelope) refused = banger_envelope_refused(
        BANGER_DIALECT_JSONRPC, banger_fault_new(BANGER_FAULT_UNREADABLE, g_strdup("too deep")));
    g_autofree char *answer = answer_fault(refused);
    g_autofree char *expected = g_strdup_printf(
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"Parse error\",\"data\":{"
        "\"code\":\"bad_request\",\"message\":\"too deep\",\"op_id\":\"%s\"}},\"id\":null}",
        refused->op_id);

    ck_assert_str_eq(answer, expected);
    check_answer(
        "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":1,\"params\":{\"op_id\":\"op-1\"}}",
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,\"message\":\"Method not found\","
        "\"data\":{\"code\":\"unknown_method\",\"message\":\"unknown method nope\","
        "\"op_id\":\"op-1\"}},\"id\":1}");
    check_answer(
        "{\"jsonrpc\":\"2.0\",\"method\":7,\"id\":1,\"params\":{\"op_id\":\"op-1\"}}",
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"Invalid Request\","
        "\"data\":{\"code\":\"bad_request\",\"message\":\"method: must be a string without "
        "NUL\",\"op_id\":\"op-1\"}},\"id\":1}");
}
END_TEST

START_TEST(rpc_ids)
{
    static const struct {
        const char *sent;
        const char *echoed;
    } ids[] = {
        {"1", "1"},       {"-7", "-7"},
        {"null", "null"}, {"\"a\\u0041\\/\\u0000\"", "\"aA/\\u0000\""},
        {"1.50", "1.50"}, {"9223372036854775807", "9223372036854775807"},
        {"1e3", "1e3"},
    };
    static const char *const bad[] = {"{}", "[1]", "true", "99999999999999999999",
                                      "-99999999999999999999"};

    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autofree char *request =
            g_strdup_printf("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":%s}", ids[i].sent);
        g_autofree char *expected = g_strdup_printf(
            "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,\"message\":\"Method not found\"},"
            "\"id\":%s}",
            ids[i].echoed);

        check_answer(request, expected);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *request =
            g_strdup_printf("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":%s}", bad[i]);

        check_answer(request, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":"
                              "\"Invalid Request\"},\"id\":null}");
    }
}
END_TEST

START_TEST(rpc_notifications)
{
    static const struct {
        const char *request;
        bool is_notification;
    } requests[] = {
        {"{\"jsonrpc\":\"2.0\",\"method\":\"priv.kill_process\",\"params\":[1]}", true},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"nope\"}", true},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"priv.kill_process\",\"params\":[1,2,3,4]}", true},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"priv.kill_process\",\"id\":null}", false},
        {"{\"jsonrpc\":\"2.0\"}", false},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":7}", false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_autoptr(BangerEnvelope) envelope = open_text(requests[i].request);

        ck_assert_msg(envelope->is_notification == requests[i].is_notification, "%s",
                      requests[i].request);
    }
}
END_TEST

START_TEST(rpc_op_id)
{
    static const struct {
        const char *params;
        bool is_callers;
    } params[] = {
        {"{\"pid\":1,\"op_id\":\"op-1\"}", true},
        {"[1,\"op-1\"]", true},
        {"[1]", false},
        {"[]", false},
        {"{}", false},
        {"[1,null]", false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(params); i++) {
        g_autofree char *request = g_strdup_printf(
            "{\"jsonrpc\":\"2.0\",\"method\":\"priv.kill_process\",\"id\":1,\"params\":%s}",
            params[i].params);
        g_autoptr(BangerEnvelope) envelope = open_text(request);

        ck_assert_ptr_null(envelope->fault);
        ck_assert_int_eq(envelope->op_id_is_callers, params[i].is_callers);
        if (params[i].is_callers)
            ck_assert_str_eq(envelope->op_id, "op-1");
    }
    check_answer("{\"jsonrpc\":\"2.0\",\"method\":\"priv.kill_process\",\"id\":1,"
                 "\"params\":[1,\"op-1\",2]}",
                 "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,\"message\":\"params: "
                 "priv.kill_process takes 1 arguments and an op_id\",\"data\":{\"name\":"
                 "\"org.banger.Helper1.Error.BadParams\",\"code\":\"bad_params\",\"message\":"
                 "\"params: priv.kill_process takes 1 arguments and an op_id\",\"op_id\":"
                 "\"op-1\"}},\"id\":1}");
}
END_TEST

START_TEST(results)
{
    g_autoptr(BangerEnvelope) legacy = open_text("{\"method\":\"priv.kill_process\"}");
    g_autoptr(BangerEnvelope) rpc =
        open_text("{\"jsonrpc\":\"2.0\",\"method\":\"priv.kill_process\",\"id\":\"x\"}");
    g_autoptr(GString) out = g_string_new(NULL);

    banger_envelope_begin_result(legacy, out);
    g_string_append(out, "{}");
    banger_envelope_end_result(legacy, out);
    ck_assert_str_eq(out->str, "{\"ok\":true,\"result\":{}}");
    g_string_truncate(out, 0);
    banger_envelope_begin_result(rpc, out);
    g_string_append(out, "{}");
    banger_envelope_end_result(rpc, out);
    ck_assert_str_eq(out->str, "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":\"x\"}");
}
END_TEST

/* Every error of docs/dbus-api.md, "Errors", and one of the bus itself. */
START_TEST(error_codes)
{
    static const struct {
        const char *name;
        const char *json_code;
        int rpc_code;
    } errors[] = {
        {"org.banger.Helper1.Error.BadParams", "bad_params", -32602},
        {"org.banger.Helper1.Error.NotFound", "operation_failed", -32001},
        {"org.banger.Helper1.Error.AlreadyExists", "operation_failed", -32002},
        {"org.banger.Helper1.Error.Busy", "operation_failed", -32003},
        {"org.banger.Helper1.Error.NotManaged", "operation_failed", -32004},
        {"org.banger.Helper1.Error.NotSupported", "operation_failed", -32005},
        {"org.banger.Helper1.Error.Timeout", "operation_failed", -32006},
        {"org.banger.Helper1.Error.OperationFailed", "operation_failed", -32007},
        {"org.freedesktop.DBus.Error.AccessDenied", "unauthorized", -32008},
        {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "unauthorized", -32009},
        {"org.freedesktop.DBus.Error.LimitsExceeded", "operation_failed", -32010},
        {"org.freedesktop.DBus.Error.NoReply", "operation_failed", -32007},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
        sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(errors[i].name, "it broke (op-1)");
        g_autoptr(BangerFault) fault = banger_fault_from_bus(&error);
        g_autoptr(BangerEnvelope) envelope =
            open_text("{\"method\":\"priv.kill_process\",\"op_id\":\"op-1\"}");
        g_autoptr(GString) answer = g_string_new(NULL);
        g_autofree char *expected = g_strdup_printf(
            "{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"it broke\",\"op_id\":"
            "\"op-1\"}}",
            errors[i].json_code);

        banger_envelope_append_error(envelope, fault, answer);
        ck_assert_str_eq(answer->str, expected);
        ck_assert_int_eq(banger_fault_rpc_code(fault), errors[i].rpc_code);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bridge-envelope");
    TCase *tcase = tcase_create("envelope");

    tcase_add_test(tcase, legacy_call);
    tcase_add_test(tcase, legacy_repeated);
    tcase_add_test(tcase, legacy_absent);
    tcase_add_test(tcase, legacy_faults);
    tcase_add_test(tcase, bad_op_id);
    tcase_add_test(tcase, rpc_specification);
    tcase_add_test(tcase, rpc_error_data);
    tcase_add_test(tcase, rpc_ids);
    tcase_add_test(tcase, rpc_notifications);
    tcase_add_test(tcase, rpc_op_id);
    tcase_add_test(tcase, results);
    tcase_add_test(tcase, error_codes);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/bridge-envelope", suite);
}
