/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a JSON request ends: valid, invalid and incomplete text, depth, size, values. */
#include <malloc.h>
#include <string.h>

#include "json-bridge/bridge-limits.h"
#include "json-bridge/frame.h"
#include "json-bridge/json.h"
#include "lib/harness.h"

/*
 * Feeds @text in pieces of @piece bytes; the first request as compact JSON, or NULL with the error.
 */
static char *
read_first(const char *text, size_t length, size_t piece, GError **error)
{
    g_autoptr(BangerFrame) frame = banger_frame_new();

    for (size_t at = 0; at < length;) {
        g_autoptr(BangerJson) request = NULL;
        size_t used = 0;

        switch (
            banger_frame_feed(frame, text + at, MIN(piece, length - at), &used, &request, error)) {
        case BANGER_FRAME_BAD:
            return NULL;
        case BANGER_FRAME_REQUEST:
            return g_strdup(json_object_to_json_string_ext(
                request, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        case BANGER_FRAME_MORE:
            ck_assert_uint_eq(used, MIN(piece, length - at));
            at += used;
        }
    }
    return g_strdup("incomplete");
}

static void
check_read(const char *text, size_t length, const char *expected)
{
    static const size_t pieces[] = {1, 2, 3, 7, SIZE_MAX};

    for (size_t i = 0; i < G_N_ELEMENTS(pieces); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *read = read_first(text, length, pieces[i], &error);

        if (expected == NULL)
            ck_assert_msg(read == NULL, "%s was read as %s in pieces of %zu", text, read,
                          pieces[i]);
        else
            ck_assert_msg(read != NULL && strcmp(read, expected) == 0,
                          "%s was read as %s in pieces of %zu: %s", text, read, pieces[i],
                          error != NULL ? error->message : "");
    }
}

START_TEST(valid)
{
    static const struct {
        const char *text;
        const char *expected;
    } texts[] = {
        {"{}", "{}"},
        {" \t\r\n[ ] ", "[]"},
        {"{\"a\":[1,-2,3.5,1e3,-0.1E-2,0,true,false,null,\"x\"]}",
         "{\"a\":[1,-2,3.5,1e3,-0.1E-2,0,true,false,null,\"x\"]}"},
        {"{ \"a\" : { \"b\" : [ { } , [ ] ] } }", "{\"a\":{\"b\":[{},[]]}}"},
        {"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"]", "[\"\\\"\\\\/\\b\\f\\n\\r\\tA\"]"},
        {"[\"\\u00e9\\uD83D\\ude00\"]", "[\"\xc3\xa9\xf0\x9f\x98\x80\"]"},
        {"[\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""
         "]",
         "[\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""
         "]"},
        /* A surrogate without its other half becomes U+FFFD, as with the older clients. */
        {"[\"\\ud800\"]", "[\"\xef\xbf\xbd\"]"},
        {"[\"\\ud800x\"]", "[\"\xef\xbf\xbdx\"]"},
        {"[\"\\udc00\"]", "[\"\xef\xbf\xbd\"]"},
        {"[\"\\u0000\"]", "[\"\\u0000\"]"},
        {"{\"a\":1,\"A\":2,\"a\":3}", "{\"a\":1,\"A\":2,\"a\":3}"},
        {"[\"\\ud800\\u0041\\ud83d\\ud83d\\ude00\"]",
         "[\"\xef\xbf\xbd\x41\xef\xbf\xbd\xf0\x9f\x98\x80\"]"},
        {"[18446744073709551615,-9223372036854775808,99999999999999999999]",
         "[18446744073709551615,-9223372036854775808,18446744073709551615]"},
        {"{}{}", "{}"},
        {"{}garbage", "{}"},
        {"[\"]}\"]", "[\"]}\"]"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        check_read(texts[i].text, strlen(texts[i].text), texts[i].expected);
}
END_TEST

START_TEST(invalid)
{
    static const char *const texts[] = {
        "x",
        "1",
        "\"a\"",
        "null",
        "true",
        "}",
        "]",
        ",",
        "\xef\xbb\xbf{}",
        "{]",
        "[}",
        "{,}",
        "[,]",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":}",
        "{\"a\"}",
        "{a:1}",
        "{1:1}",
        "{'a':1}",
        "['a']",
        "[NaN]",
        "[nan]",
        "[Infinity]",
        "[-Infinity]",
        "[inf]",
        "[True]",
        "[NULL]",
        "[nul]",
        "[truer]",
        "[01]",
        "[-]",
        "[-a]",
        "[+1]",
        "[.5]",
        "[1.]",
        "[1.e1]",
        "[1e]",
        "[1e+]",
        "[0x10]",
        "[1_0]",
        "[00]",
        "[-01]",
        "/* */{}",
        "[/**/]",
        "[1//\n]",
        "{}\\",
        "[\"\n\"]",
        "[\"\t\"]",
        "[\"\x1f\"]",
        "[\"\\x\"]",
        "[\"\\u12\"]",
        "[\"\\u12g4\"]",
        "[\"\\'\"]",
        "[\"\\U0041\"]",
        "[\"\x80\"]",
        "[\"\xc0\x80\"]",
        "[\"\xc1\xbf\"]",
        "[\"\xe0\x9f\xbf\"]",
        "[\"\xed\xa0\x80\"]",
        "[\"\xf0\x8f\xbf\xbf\"]",
        "[\"\xf4\x90\x80\x80\"]",
        "[\"\xf5\x80\x80\x80\"]",
        "[\"\xff\"]",
        "[\"\xc3\"]",
        "[\"\xe2\x82\"]",
        "[\"\xc3(\"]",
        "{\"a\\u0000b\":1}",
        "{\"pid\\u0000\":1}",
        "[1}",
        "{\"a\":1]",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        /* A complete value first and then what is none of the next: read the second one. */
        const char *text = g_str_has_prefix(texts[i], "{}") ? texts[i] + 2 : texts[i];

        check_read(text, strlen(text), NULL);
    }
    check_read("[\0]", 3, NULL);
    check_read("{\"a\0\":1}", 8, NULL);
}
END_TEST

START_TEST(incomplete)
{
    static const char text[] = "{\"a\":[\"\\u0041\xc3\xa9\",-1.5e+7,true]} ";

    for (size_t length = 0; length < sizeof text - 2; length++)
        check_read(text, length, "incomplete");
    check_read(text, sizeof text - 2, "{\"a\":[\"A\xc3\xa9\",-1.5e+7,true]}");
}
END_TEST

/* @n opening brackets, @inside, @n closing ones. */
static char *
nested(unsigned int n, const char *inside)
{
    g_autofree char *open = g_strnfill(n, '[');
    g_autofree char *shut = g_strnfill(n, ']');

    return g_strconcat(open, inside, shut, NULL);
}

START_TEST(depth)
{
    g_autofree char *deepest = nested(BANGER_REQUEST_DEPTH_MAX, "1");
    g_autofree char *too_deep = nested(BANGER_REQUEST_DEPTH_MAX + 1, "");
    g_autofree char *object = nested(BANGER_REQUEST_DEPTH_MAX - 1, "{\"a\":\"b\"}");
    g_autofree char *too_deep_object = nested(BANGER_REQUEST_DEPTH_MAX, "{}");

    check_read(deepest, strlen(deepest), deepest);
    check_read(object, strlen(object), object);
    check_read(too_deep, strlen(too_deep), NULL);
    check_read(too_deep_object, strlen(too_deep_object), NULL);
}
END_TEST

START_TEST(size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *padding = g_strnfill(BANGER_REQUEST_MAX - strlen("[\"\"]"), 'x');
    g_autofree char *largest = g_strconcat("[\"", padding, "\"]", NULL);
    g_autofree char *larger = g_strconcat("[\"", padding, "x\"]", NULL);
    g_autofree char *read = read_first(largest, strlen(largest), 65536, &error);

    ck_assert_pstr_eq(read, largest);
    ck_assert_ptr_null(read_first(larger, strlen(larger), 65536, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "larger than 33554432 bytes"));
}
END_TEST

/* Nothing of a large request stays behind in a connection that idles. */
START_TEST(large_leaves_nothing)
{
    g_autoptr(BangerFrame) frame = banger_frame_new();
    g_autofree char *padding = g_strnfill(31u << 20, 'x');
    g_autofree char *text = g_strdup_printf("{\"a\":\"%s\"}", padding);
    struct mallinfo2 before = mallinfo2();
    struct mallinfo2 after;
    struct json_object *request = NULL;
    size_t used;

    ck_assert_int_eq(banger_frame_feed(frame, text, strlen(text), &used, &request, NULL),
                     BANGER_FRAME_REQUEST);
    json_object_put(request);
    after = mallinfo2();
    ck_assert_uint_lt(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + (1u << 20));
    ck_assert_int_eq(banger_frame_feed(frame, "{}", 2, &used, &request, NULL),
                     BANGER_FRAME_REQUEST);
    json_object_put(request);
}
END_TEST

START_TEST(white_space_is_free)
{
    g_autoptr(BangerFrame) frame = banger_frame_new();
    g_autofree char *spaces = g_strnfill(1 << 20, ' ');
    struct json_object *request = NULL;
    size_t used;

    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(banger_frame_feed(frame, spaces, 1 << 20, &used, &request, NULL),
                         BANGER_FRAME_MORE);
    ck_assert_uint_eq(banger_frame_pending(frame), 0);
    ck_assert_int_eq(banger_frame_feed(frame, "{}", 2, &used, &request, NULL),
                     BANGER_FRAME_REQUEST);
    banger_json_put(request);
}
END_TEST

START_TEST(values)
{
    g_autoptr(GString) text = g_string_new("[1");
    g_autoptr(GError) error = NULL;
    g_autofree char *read = NULL;

    for (unsigned int i = 1; i < BANGER_REQUEST_VALUES_MAX; i++)
        g_string_append(text, ",1");
    g_string_append_c(text, ']');
    read = read_first(text->str, text->len, SIZE_MAX, &error);
    ck_assert_str_eq(read, text->str);
    g_string_insert(text, 1, "1,");
    ck_assert_ptr_null(read_first(text->str, text->len, SIZE_MAX, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "more than 16384 values"));
}
END_TEST

START_TEST(long_number)
{
    g_autofree char *digits = g_strnfill(BANGER_REQUEST_NUMBER_MAX, '1');
    g_autofree char *longest = g_strdup_printf("[0.%s]", digits + 2);
    g_autofree char *longer = g_strdup_printf("[%s1]", digits);

    check_read(longest, strlen(longest), longest);
    check_read(longer, strlen(longer), NULL);
}
END_TEST

START_TEST(several)
{
    static const char text[] = "{\"n\":0}{\"n\":1}\n[2] {\"n\":3}";
    static const char *const expected[] = {"{\"n\":0}", "{\"n\":1}", "[2]", "{\"n\":3}"};

    for (size_t piece = 1; piece < sizeof text; piece++) {
        g_autoptr(BangerFrame) frame = banger_frame_new();
        size_t n = 0;

        for (size_t at = 0; at < sizeof text - 1;) {
            g_autoptr(BangerJson) request = NULL;
            size_t used = 0;

            ck_assert_int_ne(banger_frame_feed(frame, text + at, MIN(piece, sizeof text - 1 - at),
                                               &used, &request, NULL),
                             BANGER_FRAME_BAD);
            at += used;
            if (request != NULL) {
                ck_assert_str_eq(json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN),
                                 expected[n]);
                ck_assert_uint_eq(banger_frame_pending(frame), 0);
                n++;
            }
        }
        ck_assert_uint_eq(n, G_N_ELEMENTS(expected));
    }
}
END_TEST

START_TEST(dialect)
{
    static const struct {
        const char *text;
        bool jsonrpc;
    } texts[] = {
        {"", false},
        {"{\"a\":x", false},
        {"x", false},
        {"{\"jsonrpc\":\"2.0\",x", true},
        {"{\"id\":1,\"jsonrpc\"", true},
        {"[", true},
        {"[{\"", true},
        {"{\"params\":{\"jsonrpc\":1},x", false},
        {"{\"a\":\"jsonrpc\",x", false},
        {"{\"jsonrpc2\":x", false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(BangerFrame) frame = banger_frame_new();
        struct json_object *request = NULL;
        size_t used;

        (void)banger_frame_feed(frame, texts[i].text, strlen(texts[i].text), &used, &request, NULL);
        ck_assert_msg(banger_frame_looks_like_jsonrpc(frame) == texts[i].jsonrpc, "%s",
                      texts[i].text);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bridge-frame");
    TCase *tcase = tcase_create("frame");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, valid);
    tcase_add_test(tcase, invalid);
    tcase_add_test(tcase, incomplete);
    tcase_add_test(tcase, depth);
    tcase_add_test(tcase, size);
    tcase_add_test(tcase, large_leaves_nothing);
    tcase_add_test(tcase, white_space_is_free);
    tcase_add_test(tcase, values);
    tcase_add_test(tcase, long_number);
    tcase_add_test(tcase, several);
    tcase_add_test(tcase, dialect);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/bridge-frame", suite);
}
