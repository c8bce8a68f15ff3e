/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names in src: one that the linker sees is defined once, and a function's own says what it does.
 */
#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "lib/harness.h"

/* Global functions and variables, by where they are defined. */
typedef struct {
    GHashTable *globals;
    GString *complaints;
    unsigned int n_functions;
} Names;

/* What begins a line and is no definition of a function, though it looks like one. */
static bool
is_macro(const char *name)
{
    return g_ascii_isupper(name[0]);
}

static void
add_global(Names *names, const char *name, const char *file)
{
    const char *other = g_hash_table_lookup(names->globals, name);

    /* Each program has a main() of its own; a file may have one of two by its build's options. */
    if (strcmp(name, "main") == 0 || g_strcmp0(other, file) == 0)
        return;
    if (other != NULL)
        g_string_append_printf(names->complaints, "%s is defined in %s and in %s\n", name, other,
                               file);
    else
        g_hash_table_insert(names->globals, g_strdup(name), g_strdup(file));
}

/*
 * A static function has a verb and what it works on: a verb alone says too little to be looked for.
 */
static void
check_static(Names *names, const char *name, const char *file)
{
    if (strchr(name, '_') == NULL)
        g_string_append_printf(names->complaints, "%s: the static function %s is one word\n", file,
                               name);
}

/*
 * By the style that the formatter keeps: a definition's name begins the line after its return type,
 * and "{" the first line after its arguments.
 */
static void
check_text(Names *names, const char *file, const char *text)
{
    g_autoptr(GRegex) function = g_regex_new("^(static )?[^\\s#/}][^\\n;={(]*\\n(\\w+)\\("
                                             "(?:[^;{}]|\\n)*?\\)\\n\\{",
                                             G_REGEX_MULTILINE, 0, NULL);
    g_autoptr(GRegex) variable = g_regex_new(
        "^(?!static |extern |typedef |return )[\\w *]*?\\b(banger_\\w+)(?:\\[[^\\n]*\\])*"
        "(?: = |;)",
        G_REGEX_MULTILINE, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autoptr(GMatchInfo) variables = NULL;

    for (g_regex_match(function, text, 0, &match); g_match_info_matches(match);
         g_match_info_next(match, NULL)) {
        g_autofree char *is_static = g_match_info_fetch(match, 1);
        g_autofree char *name = g_match_info_fetch(match, 2);

        if (is_macro(name))
            continue;
        names->n_functions++;
        if (is_static[0] != '\0')
            check_static(names, name, file);
        else
            add_global(names, name, file);
    }
    for (g_regex_match(variable, text, 0, &variables); g_match_info_matches(variables);
         g_match_info_next(variables, NULL)) {
        g_autofree char *name = g_match_info_fetch(variables, 1);

        add_global(names, name, file);
    }
}

static void
check_room(Names *names, const char *room)
{
    g_autofree char *folder = g_build_filename(SOURCE_DIR "/src", room, NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *file = g_build_filename(room, name, NULL);
        g_autofree char *text = NULL;

        if (!g_str_has_suffix(name, ".c"))
            continue;
        ck_assert(g_file_get_contents(path, &text, NULL, NULL));
        check_text(names, file, text);
    }
}

static Names
new_names(void)
{
    return (Names){g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
                   g_string_new(NULL), 0};
}

static void
free_names(Names *names)
{
    g_hash_table_unref(names->globals);
    g_string_free(names->complaints, TRUE);
}

START_TEST(names_are_unique_and_say_what_they_do)
{
    g_autoptr(GDir) src = g_dir_open(SOURCE_DIR "/src", 0, NULL);
    Names names = new_names();
    const char *room;

    ck_assert_ptr_nonnull(src);
    while ((room = g_dir_read_name(src)) != NULL)
        check_room(&names, room);
    ck_assert_msg(names.complaints->len == 0, "%s", names.complaints->str);
    ck_assert_uint_gt(names.n_functions, 1000);
    ck_assert_uint_gt(g_hash_table_size(names.globals), 200);
    ck_assert(g_hash_table_contains(names.globals, "banger_method"));
    ck_assert(g_hash_table_contains(names.globals, "banger_firecracker_start"));
    free_names(&names);
}
END_TEST

/* The check finds what it is for. */
START_TEST(violations_are_found)
{
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {"bool\nbanger_x(int a,\n         int b)\n{\n}\n", "banger_x is defined in a.c and in b.c"},
        {"const char *banger_y[] = {\"a\"};\n", "banger_y is defined in a.c and in b.c"},
        {"static bool\ncheck(int a)\n{\n}\n", "the static function check is one word"},
        {"static bool\ncheck_it(int a)\n{\n}\n", NULL},
        {"bool banger_x(int a);\nextern int banger_y;\n", NULL},
        {"G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Launch, launch_clear)\n", NULL},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Names names = new_names();

        check_text(&names, "a.c", cases[i].text);
        check_text(&names, "b.c", cases[i].text);
        if (cases[i].complaint == NULL)
            ck_assert_msg(names.complaints->len == 0, "%s", names.complaints->str);
        else
            ck_assert_msg(strstr(names.complaints->str, cases[i].complaint) != NULL,
                          "no \"%s\" in \"%s\"", cases[i].complaint, names.complaints->str);
        free_names(&names);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("symbols");
    TCase *tcase = tcase_create("symbols");

    tcase_add_test(tcase, names_are_unique_and_say_what_they_do);
    tcase_add_test(tcase, violations_are_found);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/symbols", suite);
}
