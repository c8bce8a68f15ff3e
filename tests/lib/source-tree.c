/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/source-tree.h"

#include <string.h>

#include "lib/harness.h"

#define FILE_MAX (1u << 20)

/* What autogen.sh, configure, git, debhelper and the fuzzers put into the source folder. */
static const char *const left_out[] = {
    ".*",
    "*~",
    "build*",
    "corpus",
    "configure",
    "Makefile.in",
    "config.h*",
    "aclocal.m4*",
    "autom4te.*",
    "*.tar.xz",
    "*.o",
    "files",
    "*.log",
    "*.substvars",
    "*debhelper*",
    "debian/bang*",
    "config.status",
    "man/org.banger.Helper1.5", /* made of the XML */
};

static bool
is_left_out(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *input = g_strconcat(path, ".in", NULL);

    if (source_tree_has(input))
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(left_out); i++)
        if (g_pattern_match_simple(left_out[i], name) || g_pattern_match_simple(left_out[i], path))
            return true;
    return false;
}

unsigned int
source_tree_visit(const char *folder, void (*visit)(const char *, const char *, gpointer),
                  gpointer data)
{
    g_autofree char *place = g_build_filename(SOURCE_DIR, folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(place, 0, NULL);
    unsigned int count = 0;
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path =
            *folder == '\0' ? g_strdup(name) : g_build_filename(folder, name, NULL);
        g_autofree char *whole = g_build_filename(SOURCE_DIR, path, NULL);
        g_autofree char *text = NULL;
        gsize length;

        if (is_left_out(path))
            continue;
        if (g_file_test(whole, G_FILE_TEST_IS_DIR)) {
            count += source_tree_visit(path, visit, data);
        } else if (g_file_get_contents(whole, &text, &length, NULL) && length < FILE_MAX &&
                   g_utf8_validate(text, (gssize)length, NULL)) {
            visit(path, text, data);
            count++;
        }
    }
    return count;
}

char *
source_tree_read(const char *path)
{
    g_autofree char *whole = g_build_filename(SOURCE_DIR, path, NULL);
    char *text = NULL;

    ck_assert_msg(g_file_get_contents(whole, &text, NULL, NULL), "%s cannot be read", whole);
    return text;
}

bool
source_tree_has(const char *path)
{
    g_autofree char *whole = g_build_filename(SOURCE_DIR, path, NULL);

    return g_file_test(whole, G_FILE_TEST_EXISTS);
}
