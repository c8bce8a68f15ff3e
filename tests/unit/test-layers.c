/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rooms of src: includes run downward, each library has its room, names are unique. */
#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "lib/harness.h"

/*
 * Which rooms a file of a room may include from, and single headers of other rooms
 * (docs/architecture.md, "Rooms").
 */
static const struct {
    const char *layer;
    const char *may_use;
} layers[] = {
    {"util", "util"},
    {"model", "model util"},
    {"auth", "auth model util"},
    {"network", "network model util"},
    {"disk", "disk model util"},
    {"vmm", "vmm disk/dm.h model util"},
    {"machine", "machine network disk vmm model util"},
    {"bus", "bus machine network disk vmm auth model util"},
    {"helperd", "helperd bus machine network disk vmm auth model util"},
    {"json-bridge", "json-bridge model util"},
    {"image-worker", "image-worker util"},
    {"bangerctl", "bangerctl model util"},
};

/* Which files may include a library's headers: patterns (g_pattern_match_simple) of paths. */
static const struct {
    const char *header;
    const char *users[8];
} libraries[] = {
    {"systemd/sd-bus",
     {"bus/*", "vmm/unit-properties.h", "json-bridge/*", "bangerctl/*", "util/sd-auto.h"}},
    {"auth/polkit.h", {"auth/*"}},
    {"polkit/", {"auth/polkit.c"}},
    {"gio/", {"auth/polkit*"}},
    {"util/sd-auto.h",
     {"bus/*", "bangerctl/*", "vmm/unit*", "network/resolve1*", "network/firewalld*",
      "json-bridge/*"}},
    {"systemd/sd-journal", {"util/journal.c", "bangerctl/journal-lines.c"}},
    {"netlink/", {"network/*"}},
    {"nftables/", {"network/nft*"}},
    {"libdevmapper", {"disk/dm*"}},
    {"acl/", {"vmm/file-access.c"}},
    {"sys/acl.h", {"vmm/file-access.c"}},
    {"curl/", {"vmm/curl*"}},
    {"dlfcn.h", {"util/library.c"}},
    {"ext2fs/", {"image-worker/*"}},
    {"seccomp", {"image-worker/*"}},
    {"json-c/", {"json-bridge/*", "bangerctl/*"}},
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

/*
 * Calls @visit for every include of every C file in the folders of src/; how many files there are.
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
    else if (quoted && !g_strv_contains((const char *const *)usable, included) &&
             !g_strv_contains((const char *const *)usable, header))
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

/* Takes @file into @seen, a table from names to files; a complaint if the name is there already. */
static void
check_name(GHashTable *seen, const char *file, GString *complaints)
{
    char *name = g_path_get_basename(file);
    const char *other = g_hash_table_lookup(seen, name);

    if (other != NULL && strcmp(name, "main.c") != 0)
        g_string_append_printf(complaints, "src/%s and src/%s have one name\n", other, file);
    g_hash_table_replace(seen, name, g_strdup(file));
}

/*
 * A name that stands in a message, a review or a backtrace leads to one file; each program's main.c
 * is the exception.
 */
START_TEST(file_names_are_unique)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GString) complaints = g_string_new("");
    g_autoptr(GDir) src = g_dir_open(SOURCE_DIR "/src", 0, NULL);
    const char *room, *name;

    ck_assert_ptr_nonnull(src);
    while ((room = g_dir_read_name(src)) != NULL) {
        g_autofree char *folder = g_build_filename(SOURCE_DIR "/src", room, NULL);
        g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);

        while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
            g_autofree char *file = g_build_filename(room, name, NULL);

            if (g_str_has_suffix(name, ".c") || g_str_has_suffix(name, ".h"))
                check_name(seen, file, complaints);
        }
    }
    ck_assert_uint_gt(g_hash_table_size(seen), 100);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
    check_name(seen, "new/operations.c", complaints);
    ck_assert_ptr_nonnull(strstr(complaints->str, "bus/operations.c"));
}
END_TEST

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
        {"network/x.c", "disk/loop.h", true, false, true},
        {"network/x.c", "vmm/unit.h", true, false, true},
        {"disk/x.c", "vmm/unit.h", true, false, true},
        {"vmm/x.c", "disk/loop.h", true, false, true},
        {"vmm/x.c", "disk/dm.h", true, false, false},
        {"vmm/x.c", "bus/operations.h", true, false, true},
        {"auth/x.c", "network/link.h", true, false, true},
        {"json-bridge/x.c", "bus/message.h", true, false, true},
        {"network/x.c", "link.h", true, false, true},
        {"new/x.c", "util/fd.h", true, false, true},
        {"network/x.c", "network/link.h", false, false, true},
        {"bus/x.c", "sys/stat.h", false, false, false},
        {"bus/x.c", "network/link.h", true, false, false},
        {"disk/x.c", "util/sd-auto.h", true, true, true},
        {"bus/x.c", "auth/polkit.h", true, true, true},
        {"disk/x.c", "systemd/sd-bus.h", false, true, true},
        {"bus/x.c", "systemd/sd-bus.h", false, true, false},
        {"bus/x.c", "polkit/polkit.h", false, true, true},
        {"auth/auth.c", "polkit/polkit.h", false, true, true},
        {"auth/polkit.c", "polkit/polkit.h", false, true, false},
        {"bus/x.c", "gio/gio.h", false, true, true},
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
    tcase_add_test(tcase, file_names_are_unique);
    tcase_add_test(tcase, libraries_have_one_user);
    tcase_add_test(tcase, violations_are_found);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/layers", suite);
}
