/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From JSON params to D-Bus arguments and back: what callers may write, and what is refused. */
#include <string.h>

#include "json-bridge/base64.h"
#include "json-bridge/bridge-limits.h"
#include "json-bridge/json.h"
#include "json-bridge/parse.h"
#include "json-bridge/reference.h"
#include "json-bridge/transcode.h"
#include "lib/harness.h"
#include "lib/loose-bus.h"
#include "model/methods.h"
#include "unit/there-and-back.h"
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

static void
check_carried(BangerMethodId id, const char *params, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *seen = there_and_back(bus, banger_method(id)->in, params, &error);

    ck_assert_msg(seen != NULL, "%s: %s", params, error != NULL ? error->message : "");
    ck_assert_str_eq(seen, expected);
}

static void
check_refused(BangerMethodId id, const char *params, BangerErrorCode code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *seen = there_and_back(bus, banger_method(id)->in, params, &error);

    ck_assert_msg(seen == NULL, "%s was taken as %s", params, seen);
    ck_assert_int_eq(error->code, (int)code);
    ck_assert_str_eq(error->message, message);
}

#define TAP BANGER_METHOD_CREATE_TAP
#define NAT BANGER_METHOD_ENSURE_NAT
#define RUNNING BANGER_METHOD_PROCESS_RUNNING
#define WRITE BANGER_METHOD_WRITE_EXT4_FILES
#define LAUNCH BANGER_METHOD_LAUNCH_FIRECRACKER

START_TEST(members)
{
    check_carried(TAP,
                  "{\"tap_name\":\"t\",\"cidr\":\"24\",\"bridge_ip\":\"\\u00e9\","
                  "\"bridge_name\":\"b\",\"unknown\":{\"a\":[1]}}",
                  "{\"bridge_name\":\"b\",\"bridge_ip\":\"\xc3\xa9\",\"cidr\":\"24\","
                  "\"tap_name\":\"t\"}");
    check_carried(TAP, NULL,
                  "{\"bridge_name\":\"\",\"bridge_ip\":\"\",\"cidr\":\"\",\"tap_name\":\"\"}");
    check_carried(NAT, "{\"ENABLE\":true,\"Tap\":\"x\",\"guest_ip\":null}",
                  "{\"guest_ip\":\"\",\"tap\":\"x\",\"enable\":true}");
    check_carried(NAT, "{\"TAP\":\"other\",\"tap\":\"exact\",\"Tap\":\"third\"}",
                  "{\"guest_ip\":\"\",\"tap\":\"third\",\"enable\":false}");
    check_carried(NAT,
                  "{\"tap\":\"a\",\"Tap\":\"b\",\"tap\":\"c\",\"TAP\":null,\"enable\":true,"
                  "\"enable\":null}",
                  "{\"guest_ip\":\"\",\"tap\":\"c\",\"enable\":true}");
    check_carried(NAT, "{\"TAP\":\"first\",\"Tap\":\"last\"}",
                  "{\"guest_ip\":\"\",\"tap\":\"last\",\"enable\":false}");
}
END_TEST

#define RESOLVER BANGER_METHOD_SYNC_RESOLVER_ROUTING
#define CLEANUP BANGER_METHOD_CLEANUP_DM_SNAPSHOT

/* Handles and drives in the spelling of the older clients' own types, and in no other's. */
START_TEST(other_spelling)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *drives = NULL;

    check_carried(CLEANUP,
                  "{\"BaseLoop\":\"a\",\"COWLoop\":\"b\",\"DMName\":\"c\",\"dm_dev\":\"d\"}",
                  "{\"base_loop\":\"a\",\"cow_loop\":\"b\",\"dm_name\":\"c\",\"dm_dev\":\"d\"}");
    check_carried(NAT, "{\"guestip\":\"a\",\"tap_\":\"b\",\"_tap\":\"c\"}",
                  "{\"guest_ip\":\"\",\"tap\":\"\",\"enable\":false}");
    drives = there_and_back(bus, banger_method(LAUNCH)->in,
                            "{\"drives\":[{\"ID\":\"root\",\"Path\":\"/d\",\"ReadOnly\":true,"
                            "\"IsRoot\":true}]}",
                            &error);
    ck_assert_msg(drives != NULL && strstr(drives, "{\"id\":\"root\",\"path\":\"/d\",\"read_only\":"
                                                   "true,\"is_root\":true}") != NULL,
                  "%s", drives);
}
END_TEST

static void
check_clean(BangerKind kind, const char *text, const char *expected)
{
    g_autofree char *clean = banger_reference_clean_path(kind, text);

    ck_assert_pstr_eq(clean, expected);
}

START_TEST(clean_paths)
{
    check_clean(BANGER_KIND_STATE_PATH, "/var/lib/banger/a", NULL);
    check_clean(BANGER_KIND_STATE_PATH, "/var//lib/./banger/x/../a/", "/var/lib/banger/a");
    check_clean(BANGER_KIND_RUNTIME_PATH, " //run/banger/a\n", "/run/banger/a");
    check_clean(BANGER_KIND_IMAGE_PATH, "/var/lib/banger/../../../etc/shadow", "/etc/shadow");
    check_clean(BANGER_KIND_IMAGE_PATH, "a/../b", NULL);
    check_clean(BANGER_KIND_STATE_PATH, "", NULL);
    check_clean(BANGER_KIND_GUEST_PATH, "/a/../b", NULL);
    check_carried(BANGER_METHOD_READ_EXT4_FILE,
                  "{\"image_path\":\"/var/lib//banger/./x\",\"guest_path\":\"//a\"}",
                  "{\"image_path\":\"/var/lib/banger/x\",\"guest_path\":\"//a\"}");
}
END_TEST

/* What comes of @params of @id before they are carried. */
static void
check_reference(BangerMethodId id, const char *params, const char *expected)
{
    g_autofree char *copy = g_strdup(params);
    g_autoptr(BangerJson) json = banger_json_parse(copy);
    g_autoptr(BangerJson) seen = banger_reference_params(banger_method(id), json);

    ck_assert_str_eq(json_object_to_json_string_ext(seen, JSON_C_TO_STRING_PLAIN |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE),
                     expected);
}

START_TEST(as_the_older_helper)
{
    check_reference(RESOLVER, "{\"bridge_name\":\" \",\"server_addr\":\"x y\"}", "null");
    check_reference(RESOLVER, "{\"bridge_name\":\"no such\"}", "null");
    check_reference(RESOLVER, "[\"br-a\",\"\\t\"]", "null");
    check_reference(RESOLVER, "[\"br-a\",\"x\"]", "[\"br-a\",\"x\"]");
    check_reference(RESOLVER, "{\"server_addr\":7}", "null");
    check_reference(RUNNING, "{\"pid\":-1,\"api_sock\":\"/s\"}", "[0,\"/s\"]");
    check_reference(RUNNING, "[9223372036854775807]", "[0,null]");
    check_reference(RUNNING, "{\"pid\":2147483648}", "[0,null]");
    check_reference(RUNNING, "{\"pid\":2147483647}", "{\"pid\":2147483647}");
    check_reference(RUNNING, "{\"pid\":\"1\"}", "{\"pid\":\"1\"}");
    check_reference(RUNNING, "{}", "{}");
    check_reference(BANGER_METHOD_KILL_PROCESS, "{\"pid\":-1}", "{\"pid\":-1}");
}
END_TEST

START_TEST(positional)
{
    check_carried(RUNNING, "[7,\"/s\"]", "{\"pid\":7,\"api_sock\":\"/s\"}");
    check_carried(RUNNING, "[7]", "{\"pid\":7,\"api_sock\":\"\"}");
    check_carried(RUNNING, "[]", "{\"pid\":0,\"api_sock\":\"\"}");
    check_carried(RUNNING, "[null,\"/s\"]", "{\"pid\":0,\"api_sock\":\"/s\"}");
    check_refused(RUNNING, "[\"7\"]", BANGER_ERROR_BAD_PARAMS,
                  "pid: must be a whole number from 0 to 4294967295");
}
END_TEST

START_TEST(numbers)
{
    static const char *const good[] = {"0", "-0", "1", "4294967295"};
    static const char *const bad[] = {
        "-1",   "4294967296",           "1.0",  "1e3", "0.5",  "\"1\"", "true",
        "[1]",  "18446744073709551616", "1e99", "{}",  "\"\"", "1.5",   "-9223372036854775809",
        "1e999"};

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *params = g_strdup_printf("{\"pid\":%s}", good[i]);
        g_autofree char *expected =
            g_strdup_printf("{\"pid\":%s,\"api_sock\":\"\"}", good[i][0] == '-' ? "0" : good[i]);

        check_carried(RUNNING, params, expected);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *params = g_strdup_printf("{\"pid\":%s}", bad[i]);

        check_refused(RUNNING, params, BANGER_ERROR_BAD_PARAMS,
                      "pid: must be a whole number from 0 to 4294967295");
    }
}
END_TEST

START_TEST(wrong_types)
{
    check_refused(NAT, "{\"enable\":1}", BANGER_ERROR_BAD_PARAMS, "enable: must be true or false");
    check_refused(NAT, "{\"enable\":\"true\"}", BANGER_ERROR_BAD_PARAMS,
                  "enable: must be true or false");
    check_refused(NAT, "{\"tap\":1}", BANGER_ERROR_BAD_PARAMS, "tap: must be a string");
    check_refused(NAT, "{\"tap\":\"a\\u0000b\"}", BANGER_ERROR_BAD_PARAMS, "tap: contains a NUL");
    check_refused(WRITE, "{\"files\":{}}", BANGER_ERROR_BAD_PARAMS, "files: must be an array");
    check_refused(WRITE, "{\"files\":[{},7]}", BANGER_ERROR_BAD_PARAMS,
                  "files[1]: must be an object");
    check_refused(WRITE, "{\"files\":[{},{\"mode\":-1}]}", BANGER_ERROR_BAD_PARAMS,
                  "files[1].mode: must be a whole number from 0 to 4294967295");
    check_refused(WRITE, "{\"files\":[{\"data\":\"*\"}]}", BANGER_ERROR_BAD_PARAMS,
                  "files[0].data: is not valid base64");
    check_refused(WRITE, "{\"files\":[{\"data\":7}]}", BANGER_ERROR_BAD_PARAMS,
                  "files[0].data: must be a string of base64");
    check_refused(LAUNCH, "{\"network\":[]}", BANGER_ERROR_BAD_PARAMS,
                  "network: must be an object");
    check_refused(LAUNCH, "{\"network\":{\"cidr\":24}}", BANGER_ERROR_BAD_PARAMS,
                  "network.cidr: must be a string");
    check_refused(LAUNCH, "{\"drives\":[{\"is_root\":0}]}", BANGER_ERROR_BAD_PARAMS,
                  "drives[0].is_root: must be true or false");
}
END_TEST

START_TEST(files)
{
    check_carried(WRITE,
                  "{\"image_path\":\"/i\",\"files\":[{\"guest_path\":\"/a\",\"data\":\"AAECAw==\","
                  "\"mode\":420},null,{\"Data\":null}]}",
                  "{\"image_path\":\"/i\",\"files\":[{\"guest_path\":\"/a\",\"data\":\"AAECAw==\","
                  "\"mode\":420},{\"guest_path\":\"\",\"data\":\"\",\"mode\":0},"
                  "{\"guest_path\":\"\",\"data\":\"\",\"mode\":0}]}");
    check_carried(WRITE, "{\"files\":null}", "{\"image_path\":\"\",\"files\":[]}");
}
END_TEST

/* As many elements as the table says, and not one more. */
START_TEST(too_many_elements)
{
    g_autoptr(GString) params = g_string_new("{\"files\":[{}");
    g_autoptr(GError) error = NULL;
    g_autofree char *seen = NULL;

    for (unsigned int i = 1; i < BANGER_GUEST_FILES_MAX; i++)
        g_string_append(params, ",{}");
    g_string_append(params, "]}");
    seen = there_and_back(bus, banger_method(WRITE)->in, params->str, &error);
    ck_assert_msg(seen != NULL, "%s", error != NULL ? error->message : "");
    g_string_insert(params, (gssize)params->len - 2, ",{}");
    check_refused(WRITE, params->str, BANGER_ERROR_BAD_PARAMS, "files: more than 256 elements");
}
END_TEST

/* The members of the one dictionary argument are those of params themselves. */
START_TEST(dictionary)
{
    static const char zero[] =
        "{\"machine\":{\"binary_path\":\"\",\"vm_id\":\"\",\"socket_path\":\"\",\"log_path\":\"\","
        "\"metrics_path\":\"\",\"kernel_image_path\":\"\",\"kernel_args\":\"\",\"drives\":[],"
        "\"tap_device\":\"\",\"vcpu_count\":0,\"memory_mib\":0}}";
    static const char full[] =
        "{\"binary_path\":\"/f\",\"vm_id\":\"v\",\"socket_path\":\"/s\",\"log_path\":\"/l\","
        "\"metrics_path\":\"/m\",\"kernel_image_path\":\"/k\",\"initrd_path\":\"\","
        "\"kernel_args\":\"ro\",\"drives\":[{\"id\":\"rootfs\",\"path\":\"/d\",\"read_only\":false,"
        "\"is_root\":true}],\"tap_device\":\"t\",\"vsock_path\":\"/v\",\"vsock_cid\":3,"
        "\"vcpu_count\":2,\"memory_mib\":512,\"network\":{\"bridge_name\":\"b\",\"bridge_ip\":"
        "\"i\","
        "\"cidr\":\"24\"}}";
    g_autofree char *expected = g_strdup_printf("{\"machine\":%s}", full);
    g_autofree char *in_order = g_strdup_printf("[%s]", full);

    check_carried(LAUNCH, full, expected);
    check_carried(LAUNCH, in_order, expected);
    check_carried(LAUNCH, NULL, zero);
    check_carried(LAUNCH, "{\"network\":null,\"initrd_path\":null,\"nonsense\":7}", zero);
    check_refused(LAUNCH, "[7]", BANGER_ERROR_BAD_PARAMS, "machine: must be an object");
}
END_TEST

/* More than the bus would take: the bus would hang up on everybody. */
START_TEST(too_large)
{
    g_autofree char *name = g_strnfill(BANGER_BUS_ARGUMENTS_MAX + 1, 'x');
    g_autofree char *params = g_strconcat("{\"tap_name\":\"", name, "\"}", NULL);

    check_refused(TAP, params, BANGER_ERROR_LIMITS_EXCEEDED,
                  "tap_name: the arguments are larger than the 32505856 bytes that the bus takes");
}
END_TEST

/* A reply that is not what the table says, from a helper of another version. */
START_TEST(wrong_reply)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    sd_bus_message *message = loose_message_new(bus);

    ck_assert_int_ge(sd_bus_message_append(message, "u", 7), 0);
    ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
    ck_assert(!banger_transcode_reply(banger_method(RUNNING)->out, message, out, &error));
    ck_assert_str_eq(error->message, "the helper's reply has the types \"u\" instead of \"b\"");
    sd_bus_message_unref(message);
}
END_TEST

/* Keys that this version does not know are skipped, whatever their type. */
START_TEST(unknown_keys)
{
    g_autoptr(GString) out = g_string_new(NULL);
    sd_bus_message *message = loose_message_new(bus);

    ck_assert_int_ge(sd_bus_message_append(message, "a{sv}", 3, "new", "a(uu)", 1, 1, 2, "vm_id",
                                           "s", "v", "memory_mib", "u", 7),
                     0);
    ck_assert_int_ge(sd_bus_message_seal(message, 1, 0), 0);
    ck_assert(banger_transcode_reply(banger_method(LAUNCH)->in, message, out, NULL));
    ck_assert_str_eq(out->str, "{\"machine\":{\"vm_id\":\"v\",\"memory_mib\":7}}");
    sd_bus_message_unref(message);
}
END_TEST

START_TEST(base64)
{
    static const char *const bad[] = {
        "A",     "AA",       "AAA",  "AA=",  "A===", "====",  "=",
        "AA==A", "AA==AA==", "AA=A", "AAA*", "AA-_", "AAAA ", "AA\\A"};
    size_t size;

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        ck_assert_msg(!banger_base64_check(bad[i], strlen(bad[i]), &size), "%s", bad[i]);
    ck_assert(banger_base64_check("QU\r\nJD\n", 7, &size));
    ck_assert_uint_eq(size, 3);
    for (size_t length = 0; length < 300; length++) {
        guint8 data[300], decoded[300];
        g_autoptr(GString) text = g_string_new("x");
        g_autofree char *expected = NULL;

        for (size_t i = 0; i < length; i++)
            data[i] = (guint8)(i * 7 + length);
        banger_base64_append(text, data, length);
        expected = g_base64_encode(data, length);
        ck_assert_str_eq(text->str + 1, expected);
        ck_assert(banger_base64_check(text->str + 1, text->len - 1, &size));
        ck_assert_uint_eq(size, length);
        banger_base64_decode(text->str + 1, text->len - 1, decoded);
        ck_assert_mem_eq(decoded, data, length);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bridge-transcode");
    TCase *tcase = tcase_create("transcode");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, members);
    tcase_add_test(tcase, other_spelling);
    tcase_add_test(tcase, clean_paths);
    tcase_add_test(tcase, as_the_older_helper);
    tcase_add_test(tcase, positional);
    tcase_add_test(tcase, numbers);
    tcase_add_test(tcase, wrong_types);
    tcase_add_test(tcase, files);
    tcase_add_test(tcase, too_many_elements);
    tcase_add_test(tcase, dictionary);
    tcase_add_test(tcase, too_large);
    tcase_add_test(tcase, wrong_reply);
    tcase_add_test(tcase, unknown_keys);
    tcase_add_test(tcase, base64);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/bridge-transcode", suite);
}
