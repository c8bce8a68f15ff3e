/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How documents, comments and messages are written: without retired terms, comments in their form,
 * and each test with an opening comment.
 */
#include <string.h>

#include "lib/harness.h"
#include "lib/source-tree.h"

/* Terms that people had to guess at, with another sense than the literal one; no names of code. */
#define RETIRED                                                                                    \
    "(?<![@/])\\b(tells?|told|words?|towards|cuts?|judges?|judged|settles?|settled|holds?|held|"   \
    "aid|world|somebody|nobody|anybody|gives? \\S+( \\S+)? to the owner|root over|"                \
    "without any rights?)\\b(?!\\()|banger's|'s to say\\b"

#define CONSTANT "\"(?:[^\"\\\\\n]|\\\\.)*\""
#define COLUMNS_MAX 100

static const char *const documents[] = {"*.md",      "man/*",  "introspection/*", "polkit/*",
                                        "systemd/*", "dbus/*", "udev/*",          "debian/control"};

static void
complain_of_line(GString *complaints, const char *path, unsigned int number, const char *line,
                 const char *regex)
{
    if (g_regex_match_simple(regex, line, G_REGEX_CASELESS, 0))
        g_string_append_printf(complaints, "%s:%u: %s\n", path, number, line);
}

static void
complain(GString *complaints, const char *path, const char *text, const char *regex)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (unsigned int i = 0; lines[i] != NULL; i++)
        complain_of_line(complaints, path, i + 1, g_strstrip(lines[i]), regex);
}

static void
check_document(const char *path, const char *text, gpointer complaints)
{
    for (size_t i = 0; i < G_N_ELEMENTS(documents); i++)
        if (g_pattern_match_simple(documents[i], path)) {
            complain(complaints, path, text, RETIRED);
            return;
        }
}

START_TEST(documents_are_plain)
{
    g_autoptr(GString) complaints = g_string_new(NULL);

    (void)source_tree_visit("", check_document, complaints);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
}
END_TEST

/* What the programs say: the string constants of src, but not the names of headers. */
static void
check_messages(const char *path, const char *text, gpointer complaints)
{
    g_autoptr(GRegex) constant = g_regex_new(CONSTANT, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    if (!g_str_has_suffix(path, ".c"))
        return;
    for (g_regex_match(constant, text, 0, &match); g_match_info_matches(match);
         g_match_info_next(match, NULL)) {
        g_autofree char *found = g_match_info_fetch(match, 0);

        if (!g_str_has_suffix(found, ".h\""))
            complain(complaints, path, found, RETIRED);
    }
}

START_TEST(messages_are_plain)
{
    g_autoptr(GString) complaints = g_string_new(NULL);

    ck_assert_uint_gt(source_tree_visit("src", check_messages, complaints), 100);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
}
END_TEST

/*
 * Comments have no retired terms and at most 100 columns, and one that has several lines for itself
 * is of the form of this one.
 */
static void
check_comments(const char *path, const char *text, gpointer complaints)
{
    g_autoptr(GRegex) constant = g_regex_new(CONSTANT, 0, 0, NULL);
    g_auto(GStrv) lines = NULL;
    bool inside = false;

    if (!g_str_has_suffix(path, ".c") && !g_str_has_suffix(path, ".h"))
        return;
    lines = g_strsplit(text, "\n", -1);
    for (unsigned int i = 0; lines[i] != NULL; i++) {
        g_autofree char *code = g_regex_replace_literal(constant, lines[i], -1, 0, "", 0, NULL);
        const char *comment = inside ? code : strstr(code, "/*");
        bool begins = !inside;

        if (comment == NULL)
            continue;
        if (g_utf8_strlen(lines[i], -1) > COLUMNS_MAX)
            g_string_append_printf(complaints, "%s:%u: too wide\n", path, i + 1);
        complain_of_line(complaints, path, i + 1, comment, RETIRED);
        inside = strstr(comment + (begins ? 2 : 0), "*/") == NULL;
        if (begins && inside && g_str_has_prefix(g_strstrip(code), "/*") && code[2] != '\0')
            g_string_append_printf(complaints, "%s:%u: \"/*\" is not alone\n", path, i + 1);
    }
}

/* The comments of shell scripts, which are lines of their own. */
static void
check_scripts(const char *path, const char *text, gpointer complaints)
{
    g_auto(GStrv) lines = NULL;

    if (!g_str_has_prefix(text, "#!") &&
        !(text[0] == '#' && strstr(text, "# shellcheck shell=") != NULL))
        return;
    lines = g_strsplit(text, "\n", -1);
    for (unsigned int i = 0; lines[i] != NULL; i++)
        if (g_str_has_prefix(g_strstrip(lines[i]), "#"))
            complain_of_line(complaints, path, i + 1, lines[i], RETIRED);
}

START_TEST(comments_have_their_form)
{
    g_autoptr(GString) complaints = g_string_new(NULL);

    ck_assert_uint_gt(source_tree_visit("src", check_comments, complaints), 100);
    ck_assert_uint_gt(source_tree_visit("tests", check_comments, complaints), 100);
    (void)source_tree_visit("", check_scripts, complaints);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
}
END_TEST

static void
check_opening(const char *path, const char *text, gpointer complaints)
{
    g_autofree char *name = g_path_get_basename(path);
    const char *second = strchr(text, '\n');

    if (!g_str_has_prefix(name, "test-") || !g_str_has_suffix(name, ".c"))
        return;
    second += second == NULL ? 0 : strspn(second, "\n");
    if (second == NULL || !g_str_has_prefix(second, "/*"))
        g_string_append_printf(complaints, "%s does not open with what it shows\n", path);
}

START_TEST(tests_open_with_what_they_show)
{
    g_autoptr(GString) complaints = g_string_new(NULL);

    (void)source_tree_visit("tests", check_opening, complaints);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wording");
    TCase *tcase = tcase_create("wording");

    tcase_add_test(tcase, documents_are_plain);
    tcase_add_test(tcase, messages_are_plain);
    tcase_add_test(tcase, comments_have_their_form);
    tcase_add_test(tcase, tests_open_with_what_they_show);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/wording", suite);
}
