/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * po/: each message of bangerctl, of the page for Cockpit and of the polkit policy is there in each
 * language, and has there the placeholders that it has in English; no text of the page is left
 * out.
 */
#include <string.h>

#include "lib/harness.h"
#include "lib/source-tree.h"

#define STRINGS "((?:\"(?:[^\"\\\\]|\\\\.)*\"\\s*)+)"

static const char *const languages[] = {"pt_BR", "de", "fr", "es"};

/*
 * The text of the constants @source, which stand one after the other, without quotes and escapes.
 */
static char *
join_constants(const char *source)
{
    g_autoptr(GString) text = g_string_new(NULL);
    bool inside = false;

    for (const char *c = source; *c != '\0'; c++) {
        if (*c == '"')
            inside = !inside;
        else if (inside && *c == '\\')
            g_string_append_c(text, *++c == 'n' ? '\n' : *c);
        else if (inside)
            g_string_append_c(text, *c);
    }
    return g_strdup(text->str);
}

/* Adds what the group 1 of each match of @regex in @text is to @messages. */
static void
collect_matches(const char *regex, const char *text, bool is_source, GHashTable *messages)
{
    g_autoptr(GRegex) compiled = g_regex_new(regex, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    ck_assert_ptr_nonnull(compiled);
    for (g_regex_match(compiled, text, 0, &match); g_match_info_matches(match);
         g_match_info_next(match, NULL)) {
        g_autofree char *found = g_match_info_fetch(match, 1);

        (void)g_hash_table_add(messages, is_source ? join_constants(found) : g_strdup(found));
    }
}

static void
collect_file(const char *path, const char *text, gpointer messages)
{
    if (g_str_has_suffix(path, ".c")) {
        collect_matches("\\bN?_\\(\\s*" STRINGS "\\)", text, true, messages);
        collect_matches("\\bngettext\\(\\s*" STRINGS ",", text, true, messages);
    }
}

static void
collect_script(const char *path, const char *text, gpointer messages)
{
    if (g_str_has_suffix(path, ".js"))
        collect_matches("\\b_\\(" STRINGS "\\)", text, true, messages);
}

static void
collect_action(const char *path, const char *text, gpointer messages)
{
    if (g_str_has_suffix(path, ".policy"))
        collect_matches("<(?:description|message) gettext-domain=\"banger-helper\">([^<]*)<", text,
                        false, messages);
}

/* The messages of po/@language.po: English to an array of translations. */
static GHashTable *
read_translations(const char *language)
{
    g_autofree char *path = g_strdup_printf("%s/po/%s.po", SOURCE_DIR, language);
    g_autofree char *text = NULL;
    g_auto(GStrv) entries = NULL;
    GHashTable *translations =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    g_autoptr(GRegex) regex =
        g_regex_new("^(msgid|msgstr)(?:\\[\\d+\\])? " STRINGS, G_REGEX_MULTILINE, 0, NULL);

    ck_assert_msg(g_file_get_contents(path, &text, NULL, NULL), "%s", path);
    ck_assert_msg(strstr(text, "fuzzy") == NULL, "%s has fuzzy messages", path);
    entries = g_strsplit(text, "\n\n", -1);
    for (char **entry = entries; *entry != NULL; entry++) {
        g_autoptr(GMatchInfo) match = NULL;
        GPtrArray *forms = g_ptr_array_new_with_free_func(g_free);
        char *english = NULL;

        for (g_regex_match(regex, *entry, 0, &match); g_match_info_matches(match);
             g_match_info_next(match, NULL)) {
            g_autofree char *key = g_match_info_fetch(match, 1);
            g_autofree char *value = g_match_info_fetch(match, 2);

            if (g_str_equal(key, "msgid") && english == NULL)
                english = join_constants(value);
            else if (g_str_equal(key, "msgstr"))
                g_ptr_array_add(forms, join_constants(value));
        }
        ck_assert_msg(english != NULL, "%s: %s", path, *entry);
        (void)g_hash_table_insert(translations, english, forms);
    }
    return translations;
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * The placeholders of @text: those of printf(3) in their order, those of polkit and of Cockpit in
 * any. Free with g_free().
 */
static char *
list_placeholders(const char *text)
{
    g_autoptr(GRegex) regex = g_regex_new("%[a-z%]|\\$\\(\\w+\\)|\\$\\d", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);

    for (g_regex_match(regex, text, 0, &match); g_match_info_matches(match);
         g_match_info_next(match, NULL))
        g_ptr_array_add(all, g_match_info_fetch(match, 0));
    if (strchr(text, '$') != NULL)
        g_ptr_array_sort(all, compare_texts);
    g_ptr_array_add(all, NULL);
    return g_strjoinv(" ", (char **)all->pdata);
}

static void
check_message(const char *language, const char *english, GHashTable *translations,
              GString *complaints)
{
    const GPtrArray *forms = g_hash_table_lookup(translations, english);
    g_autofree char *wanted = list_placeholders(english);

    if (forms == NULL || forms->len == 0) {
        g_string_append_printf(complaints, "po/%s.po lacks \"%s\"\n", language, english);
        return;
    }
    for (guint i = 0; i < forms->len; i++) {
        const char *form = g_ptr_array_index(forms, i);
        g_autofree char *found = list_placeholders(form);

        if (form[0] == '\0' || !g_str_equal(found, wanted))
            g_string_append_printf(complaints, "po/%s.po: \"%s\": \"%s\" has %s\n", language,
                                   english, form, found);
    }
}

START_TEST(complete)
{
    g_autoptr(GHashTable) messages = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) translations = read_translations(languages[_i]);
    g_autoptr(GString) complaints = g_string_new(NULL);
    GHashTableIter iter;
    gpointer english;

    (void)source_tree_visit("src/bangerctl", collect_file, messages);
    ck_assert_uint_gt(g_hash_table_size(messages), 120);
    (void)source_tree_visit("cockpit", collect_script, messages);
    ck_assert_uint_gt(g_hash_table_size(messages), 200);
    (void)source_tree_visit("polkit", collect_action, messages);
    ck_assert_uint_gt(g_hash_table_size(messages), 250);
    g_hash_table_iter_init(&iter, messages);
    while (g_hash_table_iter_next(&iter, &english, NULL))
        check_message(languages[_i], english, translations, complaints);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
}
END_TEST

/*
 * What is for a person in a script of the page: a text with a blank in it, or with a capital at its
 * beginning that is no name of the bus's.
 */
#define WITH_A_BLANK "[^\"`\\\\\n]*[A-Za-z}] (?:[a-z(]|\\$\\{)[^\"`\n]*"
#define WITH_A_CAPITAL "(?<!all\\([\"`])(?<!NAME, [\"`]|CHINE, [\"`])[A-Z][a-z]+"
#define FOR_A_PERSON "(?<!_\\()[\"`](" WITH_A_BLANK "|" WITH_A_CAPITAL ")[\"`]"

static void
find_untranslated(const char *path, const char *text, gpointer complaints)
{
    g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GRegex) comments = g_regex_new("/\\*.*?\\*/|//[^\n]*", G_REGEX_DOTALL, 0, NULL);
    g_autofree char *code = NULL;
    GHashTableIter iter;
    gpointer literal;

    if (!g_str_has_suffix(path, ".js"))
        return;
    code = g_regex_replace_literal(comments, text, -1, 0, "", 0, NULL);
    collect_matches(FOR_A_PERSON, code, false, found);
    g_hash_table_iter_init(&iter, found);
    while (g_hash_table_iter_next(&iter, &literal, NULL))
        /* Classes, and commands to type. */
        if (strstr(literal, "banger-") == NULL && strstr(literal, "pf(") == NULL &&
            !g_str_has_prefix(literal, "bangerctl ") && !g_str_equal(literal, "use strict"))
            g_string_append_printf(complaints, "%s: \"%s\" is not translated\n", path,
                                   (char *)literal);
}

START_TEST(nothing_left_out)
{
    g_autoptr(GString) complaints = g_string_new(NULL);

    ck_assert_uint_gt(source_tree_visit("cockpit", find_untranslated, complaints), 4);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("translations");
    TCase *tcase = tcase_create("translations");

    tcase_add_loop_test(tcase, complete, 0, G_N_ELEMENTS(languages));
    tcase_add_test(tcase, nothing_left_out);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/translations", suite);
}
