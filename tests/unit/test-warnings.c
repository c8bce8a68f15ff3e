/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each warning about the host, the property Warnings, has a cure in bangerctl doctor and a row in
 * docs/troubleshooting.md; both know no other.
 */
#include <string.h>

#include "lib/harness.h"
#include "lib/source-tree.h"

/* Constants of text, and names that stand for some, one after the other. */
#define CONSTANTS "((?:(?:\"(?:[^\"\\\\]|\\\\.)*\"|[A-Z_]+)\\s*)+)"

/* What the names among the constants stand for. */
static const char *const names[][2] = {{"TUN", "/dev/net/tun"},
                                       {"BANGER_FILTER_TABLE", "banger"},
                                       {"BANGER_FIREWALLD_ZONE", "banger"}};

/* What finds a program says, whose texts are those of errors. */
static const char *const of_errors[] = {"cannot find the program firecracker"};

static GPtrArray *warnings;

/* The group 1 of each match of @regex in @text. */
static GPtrArray *
find_all(const char *regex, const char *text)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GRegex) compiled = g_regex_new(regex, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    ck_assert_ptr_nonnull(compiled);
    for (g_regex_match(compiled, text, 0, &match); g_match_info_matches(match);
         g_match_info_next(match, NULL))
        g_ptr_array_add(found, g_match_info_fetch(match, 1));
    return found;
}

/* The text of the constants @source. */
static char *
join_constants(const char *source)
{
    g_autoptr(GPtrArray) parts = find_all("(\"(?:[^\"\\\\]|\\\\.)*\"|[A-Z_]+)", source);
    GString *text = g_string_new(NULL);

    for (unsigned int i = 0; i < parts->len; i++) {
        const char *part = g_ptr_array_index(parts, i);
        const char *value = NULL;

        for (size_t j = 0; j < G_N_ELEMENTS(names); j++)
            if (g_str_equal(part, names[j][0]))
                value = names[j][1];
        ck_assert_msg(part[0] == '"' || value != NULL, "what is %s?", part);
        if (value != NULL)
            g_string_append(text, value);
        else
            g_string_append_len(text, part + 1, (gssize)strlen(part) - 2);
    }
    return g_string_free(text, FALSE);
}

/* What is added to the array, or to the lines that are added to it. */
static void
collect_warnings(const char *path, const char *text, gpointer data)
{
    g_autoptr(GPtrArray) found =
        find_all("(?:g_ptr_array_add\\(\\s*warnings,\\s*g_strdup(?:_printf)?\\(|"
                 "g_string_append_printf\\(\\s*warnings,)\\s*" CONSTANTS,
                 text);

    (void)path;
    (void)data;
    for (unsigned int i = 0; i < found->len; i++) {
        char *warning = join_constants(g_ptr_array_index(found, i));

        /* That is all of another text, for the journal alone. */
        if (g_str_equal(warning, "%s\\n"))
            g_free(warning);
        else
            g_ptr_array_add(warnings, warning);
    }
}

static void
set_up(void)
{
    warnings = g_ptr_array_new_with_free_func(g_free);
    (void)source_tree_visit("src", collect_warnings, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(of_errors); i++)
        g_ptr_array_add(warnings, g_strdup(of_errors[i]));
    ck_assert_uint_ge(warnings->len, 18);
}

static void
tear_down(void)
{
    g_ptr_array_unref(warnings);
}

/* Whether @text has all parts of @pattern, which "…" divides. */
static bool
is_of_pattern(const char *text, const char *pattern)
{
    g_auto(GStrv) parts = g_strsplit(pattern, "…", -1);

    for (char **part = parts; *part != NULL; part++)
        if (strstr(text, g_strstrip(*part)) == NULL)
            return false;
    return true;
}

/* Each warning is of one of @patterns, and each of these is of one at least. */
static void
check_patterns(const GPtrArray *patterns, const char *where)
{
    for (unsigned int i = 0; i < warnings->len; i++) {
        const char *warning = g_ptr_array_index(warnings, i);
        bool known = false;

        for (unsigned int j = 0; j < patterns->len; j++)
            known |= is_of_pattern(warning, g_ptr_array_index(patterns, j));
        ck_assert_msg(known, "%s does not know the warning \"%s\"", where, warning);
    }
    for (unsigned int j = 0; j < patterns->len; j++) {
        const char *pattern = g_ptr_array_index(patterns, j);
        bool used = g_str_has_prefix(pattern, "missing: ");

        for (unsigned int i = 0; i < warnings->len; i++)
            used |= is_of_pattern(g_ptr_array_index(warnings, i), pattern);
        ck_assert_msg(used, "%s: nothing warns of \"%s\"", where, pattern);
    }
}

START_TEST(cures)
{
    g_autofree char *text = source_tree_read("src/bangerctl/doctor.c");
    const char *table = strstr(text, "warnings_known[] = {");
    g_autoptr(GPtrArray) parts = NULL;

    ck_assert_ptr_nonnull(table);
    parts = find_all("\\{\"([^\"]+)\",\\s*N_\\(", table);
    check_patterns(parts, "bangerctl doctor");
}
END_TEST

START_TEST(rows)
{
    g_autofree char *text = source_tree_read("docs/troubleshooting.md");
    const char *table = strstr(text, "| what `doctor` says |");
    g_autoptr(GPtrArray) cells = NULL;
    g_autoptr(GString) first = g_string_new(NULL);
    g_autoptr(GPtrArray) patterns = NULL;

    ck_assert_ptr_nonnull(table);
    cells = find_all("\n\\| (`[^|]*) \\|", table);
    for (unsigned int i = 0; i < cells->len; i++)
        g_string_append_printf(first, "%s\n", (char *)g_ptr_array_index(cells, i));
    patterns = find_all("`([^`]+)`", first->str);
    check_patterns(patterns, "docs/troubleshooting.md");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("warnings");
    TCase *tcase = tcase_create("warnings");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, cures);
    tcase_add_test(tcase, rows);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/warnings", suite);
}
