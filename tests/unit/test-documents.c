/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every reference to a document leads somewhere: names of .md files, in code and documents; links
 * and their sections; paths of this tree in documents. Every page of docs/ is in its list. Every
 * command of a guide is run by a test.
 */
#include <stdbool.h>
#include <string.h>

#include "lib/harness.h"
#include "lib/source-tree.h"

/* Matches of @regex in @text, each by @check with the path of the file and the match. */
static void
for_each_match(const char *regex, const char *path, const char *text,
               void (*check)(const char *, const GMatchInfo *, GString *), GString *complaints)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GRegex) compiled = g_regex_new(regex, 0, 0, &error);
    g_autoptr(GMatchInfo) match = NULL;

    ck_assert_msg(compiled != NULL, "%s", error == NULL ? "" : error->message);
    for (g_regex_match(compiled, text, 0, &match); g_match_info_matches(match);
         g_match_info_next(match, NULL))
        check(path, match, complaints);
}

/* @target as seen from the folder of @path, or from the top of the tree; NULL if it is nowhere. */
static char *
find_target(const char *path, const char *target)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *relative = g_build_filename(folder, target, NULL);

    if (source_tree_has(relative))
        return g_steal_pointer(&relative);
    return source_tree_has(target) ? g_strdup(target) : NULL;
}

/* A heading as the fragment of an address: small letters, blanks as hyphens, the rest gone. */
static char *
make_fragment(const char *heading)
{
    GString *fragment = g_string_new(NULL);

    for (const char *c = heading; *c != '\0'; c = g_utf8_next_char(c)) {
        gunichar letter = g_utf8_get_char(c);

        if (g_unichar_isalnum(letter) || letter == '_' || letter == '-')
            g_string_append_unichar(fragment, g_unichar_tolower(letter));
        else if (letter == ' ')
            g_string_append_c(fragment, '-');
    }
    return g_string_free(fragment, FALSE);
}

/* Whether @document has the heading @section, or one whose fragment it is. */
static bool
has_section(const char *document, const char *section)
{
    g_autofree char *text = source_tree_read(document);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line != NULL; line++) {
        const char *heading = *line + strspn(*line, "#");
        g_autofree char *fragment = NULL;

        if (heading == *line || *heading != ' ')
            continue;
        fragment = make_fragment(heading + 1);
        if (g_str_equal(heading + 1, section) || g_str_equal(fragment, section))
            return true;
    }
    return false;
}

/* NAME.md, and NAME.md, "Section" */
static void
check_document(const char *path, const GMatchInfo *match, GString *complaints)
{
    g_autofree char *name = g_match_info_fetch(match, 1);
    g_autofree char *section = g_match_info_fetch(match, 2);
    g_autofree char *target = find_target(path, name);

    if (target == NULL)
        g_string_append_printf(complaints, "%s: there is no %s\n", path, name);
    else if (section != NULL && *section != '\0' && !has_section(target, section))
        g_string_append_printf(complaints, "%s: %s has no section \"%s\"\n", path, target, section);
}

/* [text](target#fragment) */
static void
check_link(const char *path, const GMatchInfo *match, GString *complaints)
{
    g_autofree char *name = g_match_info_fetch(match, 1);
    g_autofree char *fragment = g_match_info_fetch(match, 2);
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *target = *name == '\0' ? g_strdup(path) : g_build_filename(folder, name, NULL);

    if (strstr(name, "://") != NULL)
        return;
    if (!source_tree_has(target))
        g_string_append_printf(complaints, "%s: the link to %s leads nowhere\n", path, name);
    else if (*fragment != '\0' && !has_section(target, fragment))
        g_string_append_printf(complaints, "%s: %s has no section #%s\n", path, target, fragment);
}

/*
 * `src/…`: a file of the tree, one that is filled in by configure, or a program that is built; a
 * test that needs hooks is in no other build.
 */
static void
check_path(const char *path, const GMatchInfo *match, GString *complaints)
{
    g_autofree char *name = g_match_info_fetch(match, 1);
    g_autofree char *input = g_strconcat(name, ".in", NULL);
    g_autofree char *test = g_strconcat(name, ".c", NULL);
    g_autofree char *built = g_build_filename(BUILD_DIR, name, NULL);

    if (!source_tree_has(name) && !source_tree_has(input) && !source_tree_has(test) &&
        !g_file_test(built, G_FILE_TEST_EXISTS))
        g_string_append_printf(complaints, "%s: there is no %s\n", path, name);
}

static void
check_file(const char *path, const char *text, gpointer complaints)
{
    /* This file has patterns, not references. */
    if (g_str_equal(path, "tests/unit/test-documents.c"))
        return;
    for_each_match("(?<![\\w./-])((?:[\\w.-]+/)*[\\w-]+\\.md)\\b(?:, \"([^\"\n]+)\")?", path, text,
                   check_document, complaints);
    if (!g_str_has_suffix(path, ".md"))
        return;
    for_each_match("\\]\\(([^)#\\s]*)#?([^)\\s]*)\\)", path, text, check_link, complaints);
    for_each_match("`((?:src|tests|tools|docs|man|polkit|introspection|dbus|systemd|debian|udev)/"
                   "[\\w./-]+)`",
                   path, text, check_path, complaints);
}

START_TEST(references_lead_somewhere)
{
    g_autoptr(GString) complaints = g_string_new(NULL);

    ck_assert_uint_gt(source_tree_visit("", check_file, complaints), 300);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
}
END_TEST

static void
check_is_listed(const char *path, const char *text, gpointer list)
{
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *link = g_strdup_printf("(%s)", name);

    (void)text;
    if (g_str_has_suffix(path, ".md") && !g_str_equal(name, "README.md"))
        ck_assert_msg(strstr(list, link) != NULL, "docs/README.md does not list %s", path);
}

START_TEST(pages_are_listed)
{
    g_autofree char *list = NULL;

    ck_assert(g_file_get_contents(SOURCE_DIR "/docs/README.md", &list, NULL, NULL));
    ck_assert_uint_gt(source_tree_visit("docs", check_is_listed, list), 5);
}
END_TEST

/* What begins a line that is a command: of a block in a page, and of one in a manual page. */
#define PROGRAMS "(?:sudo|bangerctl|busctl|systemctl|journalctl|nft|ip|for|curl|ssh|\\$CALL)\\b"
#define IN_A_PAGE "^    (?:\\$ |(?=" PROGRAMS "))|ansible\\.builtin\\.command: "
#define IN_A_MANUAL "^(?!bangerctl \\\\- |.*\\(1\\))(?:" PROGRAMS "|bangerctl$)"

/* Where the commands of a page are run; a command more is a test more. */
static const struct {
    const char *document;
    unsigned int n;
    const char *tests[3]; /* which name the page */
} commands[] = {
    {"README.md", 19, {"tests/bus/bangerctl/test-ctl-guide.c", "tests/package/fresh", NULL}},
    {"docs/life-of-a-vm.md", 28, {"tests/bus/bangerctl/test-ctl-guide.c", NULL}},
    {"docs/many-hosts.md",
     6,
     {"tests/bus/bangerctl/test-ctl-hosts.c", "tests/bus/bangerctl/test-ctl-guide.c",
      "tests/container/test-bangerctl.c"}},
    {"docs/troubleshooting.md", 2, {"tests/bus/bangerctl/test-ctl-guide.c", NULL}},
    {"man/banger-helper.7", 6, {"tests/bus/bangerctl/test-ctl-guide.c", NULL}},
    {"man/bangerctl.1", 7, {"tests/bus/bangerctl/test-ctl-guide.c", NULL}},
    {"man/org.banger.Helper1.xsl", 32, {"tests/bus/bangerctl/test-ctl-guide.c", NULL}},
    /* For who changes the project, who runs them. */
    {"docs/testing.md", 4, {NULL}},
    /* Each a look into the journal. */
    {"man/banger-helper-bridge.8.in", 1, {NULL}},
    {"man/banger-helperd.8.in", 1, {NULL}},
};

static void
check_tests(const char *document, const char *const tests[3], GString *complaints)
{
    for (size_t i = 0; i < 3 && tests[i] != NULL; i++) {
        g_autofree char *text = source_tree_read(tests[i]);

        if (strstr(text, document) == NULL)
            g_string_append_printf(complaints, "%s does not name %s\n", tests[i], document);
    }
}

static void
count_command(const char *path, const GMatchInfo *match, GString *lines)
{
    (void)path;
    (void)match;
    g_string_append_c(lines, '.');
}

static void
check_commands(const char *path, const char *text, gpointer complaints)
{
    const bool is_manual = g_str_has_prefix(path, "man/");
    g_autoptr(GString) lines = g_string_new(NULL);
    unsigned int expected = 0;

    if (!is_manual && (!g_str_has_suffix(path, ".md") ||
                       (strchr(path, '/') != NULL && !g_str_has_prefix(path, "docs/"))))
        return;
    if (g_str_equal(path, "HACKING.md"))
        return;
    for_each_match(is_manual ? "(?m)" IN_A_MANUAL : "(?m)" IN_A_PAGE, path, text, count_command,
                   lines);
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (g_str_equal(commands[i].document, path)) {
            expected = commands[i].n;
            check_tests(path, commands[i].tests, complaints);
        }
    if (lines->len != expected)
        g_string_append_printf(complaints,
                               "%s has %zu commands, and %u that are known to be run by a test: "
                               "their number is in commands[] of tests/unit/test-documents.c\n",
                               path, lines->len, expected);
}

START_TEST(commands_are_run)
{
    g_autoptr(GString) complaints = g_string_new(NULL);

    ck_assert_uint_gt(source_tree_visit("", check_commands, complaints), 300);
    ck_assert_msg(complaints->len == 0, "%s", complaints->str);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("documents");
    TCase *tcase = tcase_create("documents");

    tcase_set_timeout(tcase, 30); /* it reads all of the tree, beside a build perhaps */
    tcase_add_test(tcase, references_lead_somewhere);
    tcase_add_test(tcase, pages_are_listed);
    tcase_add_test(tcase, commands_are_run);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/documents", suite);
}
