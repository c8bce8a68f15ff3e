/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON and D-Bus arguments by the method table alone: each type, each method, and replies. */
#include <string.h>

#include "json-bridge/transcode.h"
#include "lib/harness.h"
#include "lib/loose-bus.h"
#include "model/methods.h"
#include "unit/there-and-back.h"
#include "unit/wide-fields.h"
#include "util/error.h"

static sd_bus *bus;

static void
set_up(void)
{
    bus = loose_bus_new();
}

static void
tear_down(void)
{
    bus = sd_bus_close_unref(bus);
}

static void append_sample(const BangerField *fields, GString *out);

/* A value of the type of @field, as JSON. */
static void
append_value(const BangerField *field, GString *out)
{
    switch (field->type) {
    case BANGER_TYPE_STRING:
        g_string_append_printf(out, "\"%s \\\"\\\\ \xe2\x82\xac\"", field->name);
        break;
    case BANGER_TYPE_BOOLEAN:
        g_string_append(out, "true");
        break;
    case BANGER_TYPE_UINT16:
        g_string_append(out, "65535");
        break;
    case BANGER_TYPE_UINT32:
        g_string_append(out, "4294967295");
        break;
    case BANGER_TYPE_UINT64:
        g_string_append(out, "18446744073709551615");
        break;
    case BANGER_TYPE_BYTES:
        g_string_append(out, "\"AP8=\"");
        break;
    case BANGER_TYPE_LIST:
        g_string_append_c(out, '[');
        append_value(field->members, out);
        g_string_append_c(out, ',');
        append_value(field->members, out);
        g_string_append_c(out, ']');
        break;
    case BANGER_TYPE_ARRAY:
        g_string_append_c(out, '[');
        append_sample(field->members, out);
        g_string_append_c(out, ',');
        append_sample(field->members, out);
        g_string_append_c(out, ']');
        break;
    case BANGER_TYPE_MAP:
        g_string_append(out, "{\"Key 1\":");
        append_sample(field->members[1].members, out);
        g_string_append(out, ",\"key 1\":");
        append_sample(field->members[1].members, out);
        g_string_append_c(out, '}');
        break;
    case BANGER_TYPE_STRUCT:
    case BANGER_TYPE_DICT:
        append_sample(field->members, out);
        break;
    case BANGER_TYPE_HANDLE:
    case BANGER_TYPE_OBJECT_PATH:
    case BANGER_TYPE_INT32:
    case BANGER_TYPE_DOUBLE:
        ck_abort_msg("%s: JSON carries none of these to the helper", field->name);
    }
}

/* A value of every kind for @fields, as JSON; it reads back as it is. */
static void
append_sample(const BangerField *fields, GString *out)
{
    g_string_append_c(out, '{');
    for (const BangerField *field = fields; field->name != NULL; field++) {
        g_string_append_printf(out, "%s\"%s\":", field == fields ? "" : ",", field->name);
        append_value(field, out);
    }
    g_string_append_c(out, '}');
}

/* As append_sample(), for params: the members of an argument that is a dictionary are params. */
static void
append_params(const BangerField *fields, GString *out)
{
    g_autoptr(GString) all = g_string_new(NULL);

    for (const BangerField *field = fields; field->name != NULL; field++) {
        g_autoptr(GString) one = g_string_new(NULL);

        if (field->type == BANGER_TYPE_DICT)
            append_sample(field->members, one);
        else
            append_sample((const BangerField[]){*field, {.name = NULL}}, one);
        g_string_append_printf(all, ",%.*s", (int)one->len - 2, one->str + 1);
    }
    g_string_append_printf(out, "{%s}", all->len > 0 ? all->str + 1 : "");
}

/* Whether JSON params can have all types that are in @fields. */
static bool
can_be_params(const BangerField *fields)
{
    for (const BangerField *field = fields; field->name != NULL; field++)
        if (field->type == BANGER_TYPE_HANDLE || field->type == BANGER_TYPE_OBJECT_PATH ||
            field->type == BANGER_TYPE_INT32 || field->type == BANGER_TYPE_DOUBLE ||
            (field->members != NULL && !can_be_params(field->members)))
            return false;
    return true;
}

/* Every method of the table, arguments and results, without code for any of them. */
START_TEST(every_method)
{
    const BangerMethod *method = banger_method((BangerMethodId)_i);
    const BangerField *lists[] = {method->in, method->out};

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autoptr(GString) sample = g_string_new(NULL);
        g_autoptr(GError) error = NULL;
        g_autofree char *seen = NULL;
        g_autoptr(GString) params = g_string_new(NULL);

        if (!can_be_params(lists[i]))
            continue;
        append_sample(lists[i], sample);
        append_params(lists[i], params);
        seen = there_and_back(bus, lists[i], params->str, &error);
        ck_assert_msg(seen != NULL, "%s", error != NULL ? error->message : "");
        ck_assert_str_eq(seen, sample->str);
    }
}
END_TEST

static void
check_wide(const char *params, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *seen = there_and_back(bus, wide_machine_in, params, &error);
    g_autofree char *machine = g_strdup_printf("{\"machine\":%s}", expected);

    ck_assert_msg(seen != NULL, "%s: %s", params, error != NULL ? error->message : "");
    ck_assert_str_eq(seen, machine);
}

static void
refuse_wide(const char *params, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *seen = there_and_back(bus, wide_machine_in, params, &error);

    ck_assert_msg(seen == NULL, "%s was taken as %s", params, seen);
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BAD_PARAMS));
    ck_assert_str_eq(error->message, message);
}

/* Types and nesting that not every version's methods have. */
START_TEST(wide_types)
{
    g_autoptr(GString) sample = g_string_new(NULL);

    append_sample(wide_machine_in[0].members, sample);
    check_wide(sample->str, sample->str);
    /* Optional keys that are absent or null are left out, in a nested dictionary too. */
    check_wide("{\"name\":\"x\",\"mtu\":null}", "{\"name\":\"x\"}");
    check_wide("{\"Name\":\"x\",\"limiter\":{\"NOTE\":\"n\",\"bandwidth\":null,\"more\":7}}",
               "{\"name\":\"x\",\"limiter\":{\"note\":\"n\"}}");
    check_wide("{\"name\":\"x\",\"egress\":[],\"forwards\":[],\"options\":{},\"limiter\":{}}",
               "{\"name\":\"x\",\"egress\":[],\"forwards\":[],\"options\":{},\"limiter\":{}}");
    /* Names that the caller made keep their case. */
    check_wide("{\"name\":\"x\",\"options\":{\"A\":{\"CACHE\":\"c\"},\"a\":{}}}",
               "{\"name\":\"x\",\"options\":{\"A\":{\"cache\":\"c\"},\"a\":{}}}");
}
END_TEST

START_TEST(wrong_wide_types)
{
    refuse_wide("{\"port\":65536}", "port: must be a whole number from 0 to 65535");
    refuse_wide("{\"cow_size\":-1}", "cow_size: must be a whole number from 0 to "
                                     "18446744073709551615");
    refuse_wide("{\"cow_size\":1.5}", "cow_size: must be a whole number from 0 to "
                                      "18446744073709551615");
    refuse_wide("{\"egress\":{}}", "egress: must be an array");
    refuse_wide("{\"egress\":[\"a\",7]}", "egress[1]: must be a string");
    refuse_wide("{\"egress\":[\"\",\"\",\"\",\"\",\"\"]}", "egress: more than 4 elements");
    refuse_wide("{\"limiter\":7}", "limiter: must be an object");
    refuse_wide("{\"limiter\":{\"note\":7}}", "limiter.note: must be a string");
    refuse_wide("{\"limiter\":{\"bandwidth\":{\"size\":\"\"}}}",
                "limiter.bandwidth.size: must be a whole number from 0 to 18446744073709551615");
    refuse_wide("{\"options\":[]}", "options: must be an object");
    refuse_wide("{\"options\":{\"a\":7}}", "options.a: must be an object");
    refuse_wide("{\"options\":{\"a\":{\"cache\":7}}}", "options.a.cache: must be a string");
    refuse_wide("{\"options\":{\"1\":{},\"2\":{},\"3\":{},\"4\":{},\"5\":{}}}",
                "options: more than 4 members");
    refuse_wide("{\"interfaces\":[{\"limiter\":{\"note\":7}}]}",
                "interfaces[0].limiter.note: must be a string");
}
END_TEST

/* The types that only replies have. */
START_TEST(wide_replies)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    sd_bus_message *message = loose_message_new(bus);

    ck_assert_int_ge(sd_bus_message_append(message, "a(suo)asodit", 2, "a", 1, "/a", "b", 2, "/b",
                                           2, "x", "y", "/c", -0.5, -9, UINT64_MAX),
                     0);
    ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
    ck_assert_msg(banger_transcode_reply(wide_method.out, message, out, &error), "%s",
                  error != NULL ? error->message : "");
    ck_assert_str_eq(out->str, "{\"machines\":[{\"id\":\"a\",\"leader\":1,\"object\":\"/a\"},"
                               "{\"id\":\"b\",\"leader\":2,\"object\":\"/b\"}],"
                               "\"names\":[\"x\",\"y\"],\"object\":\"/c\",\"progress\":-0.5,"
                               "\"status\":-9,\"size\":18446744073709551615}");
    sd_bus_message_unref(message);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bridge-types");
    TCase *tcase = tcase_create("types");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, every_method, 0, BANGER_N_METHODS);
    tcase_add_test(tcase, wide_types);
    tcase_add_test(tcase, wrong_wide_types);
    tcase_add_test(tcase, wide_replies);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/bridge-types", suite);
}
