/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "lib/harness.h"

/* Which layers a file of a layer may include from (architecture.md, "Layers"). */
static const struct {
    const char *layer;
    const char *may_use;
} layers[] = {
    {"util", "util"},
    {"model", "model util"},
    {"sys", "sys model util"},
    {"ops", "ops sys model util"},
    {"auth", "auth model util"},
    {"bus", "bus auth ops model util"},
    {"helperd", "helperd bus auth ops sys model util"},
    {"bridge", "bridge model util"},
    {"image-worker", "image-worker util"},
};

/* Which files may include a library's headers: patterns (g_pattern_match_simple) of paths. */
static const struct {
    const char *header;
    const char *users[8];
} libraries[] = {
    /* The daemon opens the connection and hangs it on the main loop; it sends nothing. */
    {"systemd/sd-bus",
     {"bus/*", "auth/*", "sys/unit-properties.h", "bridge/*", "helperd/daemon.c",
      "util/sd-auto.h"}},
    {"auth/polkit.h", {"auth/*"}},
    {"util/sd-auto.h", {"bus/*", "auth/*", "sys/unit*", "sys/resolve1*"}},
    {"systemd/sd-journal", {"util/journal.c"}},
    {"netlink/", {"sys/*"}},
    {"nftables/", {"sys/nft*"}},
    {"libdevmapper", {"sys/dm*"}},
    {"curl/", {"sys/curl*"}},
    {"ext2fs/", {"image-worker/*"}},
    {"seccomp", {"image-worker/*"}},
    {"json-c/", {"bridge/*"}},
};

typedef void (*Visitor)(const char *file, const char *header, bool quoted, void *data);

static void
visit_includes(const char *path, const char *file, Visitor visit, void *data)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    ck_assert_msg(g_file_get_contents(path, &text, NULL, NULL), "%s cannot be read", path);
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        g_autoptr(GMatchInfo) match = NULL;
        g_autoptr(GRegex) include =
            g_regex_new("^\\s*#\\s*include\\s*([<\"])([^>\"]+)[>\"]", 0, 0, NULL);
        g_autofree char *bracket = NULL;
        g_autofree char *header = NULL;

        if (!g_regex_match(include, *line, 0, &match))
            continue;
        bracket = g_match_info_fetch(match, 1);
        header = g_match_info_fetch(match, 2);
        visit(file, header, bracket[0] == '"', data);
    }
}

/* Calls @visit for every include of every C file in the folders of src/; how many files there are.
 */
static unsigned int
visit_tree(Visitor visit, void *data)
{
    g_autoptr(GDir) src = g_dir_open(SOURCE_DIR "/src", 0, NULL);
    unsigned int count = 0;
    const char *layer, *name;

    ck_assert_ptr_nonnull(src);
    while ((layer = g_dir_read_name(src)) != NULL) {
        g_autofree char *folder = g_build_filename(SOURCE_DIR "/src", layer, NULL);
        g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);

        while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
            g_autofree char *path = g_build_filename(folder, name, NULL);
            g_autofree char *file = g_build_filename(layer, name, NULL);

            ck_assert_msg(name[0] == '.' || !g_file_test(path, G_FILE_TEST_IS_DIR),
                          "src/%s is looked at by nobody", file);
            if (!g_str_has_suffix(name, ".c") && !g_str_has_suffix(name, ".h"))
                continue;
            count++;
            visit_includes(path, file, visit, data);
        }
    }
    return count;
}

static const char *
layers_usable_by(const char *layer)
{
    for (size_t i = 0; i < G_N_ELEMENTS(layers); i++)
        if (strcmp(layers[i].layer, layer) == 0)
            return layers[i].may_use;
    return NULL;
}

static void
check_layer(const char *file, const char *header, bool quoted, void *data)
{
    GString *complaints = data;
    g_autofree char *layer = g_path_get_dirname(file);
    g_autofree char *included = g_path_get_dirname(header);
    g_autofree char *own = g_build_filename(SOURCE_DIR "/src", header, NULL);
    const char *may_use = layers_usable_by(layer);
    g_auto(GStrv) usable = may_use == NULL ? NULL : g_strsplit(may_use, " ", -1);

    if (usable == NULL)
        g_string_append_printf(complaints, "src/%s: no such layer\n", file);
    else if (!quoted && g_file_test(own, G_FILE_TEST_EXISTS))
        g_string_append_printf(complaints, "src/%s includes <%s>, not \"%s\"\n", file, header,
                               header);
    else if (quoted && !g_strv_contains((const char *const *)usable, included))
        g_string_append_printf(complaints, "src/%s includes \"%s\"\n", file, header);
}

START_TEST(includes_run_downward)
{
    g_autoptr(GString) complaints = g_string_new("");

    ck_assert_uint_gt(visit_tree(check_layer, complaints), 20);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
}
END_TEST

static void
check_library(const char *file, const char *header, bool quoted, void *data)
{
    GString *complaints = data;

    (void)quoted;
    for (size_t i = 0; i < G_N_ELEMENTS(libraries); i++) {
        bool allowed = false;

        if (!g_str_has_prefix(header, libraries[i].header))
            continue;
        for (const char *const *user = libraries[i].users; *user != NULL; user++)
            allowed = allowed || g_pattern_match_simple(*user, file);
        if (!allowed)
            g_string_append_printf(complaints, "src/%s includes <%s>\n", file, header);
    }
}

START_TEST(libraries_have_one_user)
{
    g_autoptr(GString) complaints = g_string_new("");

    (void)visit_tree(check_library, complaints);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
}
END_TEST

/* The checks above find what they are for. */
START_TEST(violations_are_found)
{
    static const struct {
        const char *file, *header;
        bool quoted, library, found;
    } cases[] = {
        {"util/x.c", "model/methods.h", true, false, true},
        {"sys/x.c", "ops/network.h", true, false, true},
        {"bus/x.c", "sys/link.h", true, false, true},
        {"sys/x.c", "link.h", true, false, true},
        {"new/x.c", "util/fd.h", true, false, true},
        {"bus/x.c", "sys/link.h", false, false, true},
        {"bus/x.c", "sys/stat.h", false, false, false},
        {"ops/x.c", "sys/link.h", true, false, false},
        {"ops/x.c", "util/sd-auto.h", true, true, true},
        {"bus/x.c", "auth/polkit.h", true, true, true},
        {"ops/x.c", "systemd/sd-bus.h", false, true, true},
        {"auth/x.c", "systemd/sd-bus.h", false, true, false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) complaints = g_string_new("");

        (cases[i].library ? check_library : check_layer)(cases[i].file, cases[i].header,
                                                         cases[i].quoted, complaints);
        ck_assert_msg((complaints->len > 0) == cases[i].found, "%s: %s", cases[i].file,
                      cases[i].header);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("layers");
    TCase *tcase = tcase_create("layers");

    tcase_add_test(tcase, includes_run_downward);
    tcase_add_test(tcase, libraries_have_one_user);
    tcase_add_test(tcase, violations_are_found);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/layers", suite);
}
