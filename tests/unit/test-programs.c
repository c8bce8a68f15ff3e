/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs' command lines: options, wrong arguments, versions. */
#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/harness.h"

/* What the programs say to whoever starts them by hand. */

#define HELPER BUILD_DIR "/banger-helperd"
#define BRIDGE BUILD_DIR "/banger-helper-bridge"
#define WORKER BUILD_DIR "/banger-image-worker"

typedef struct {
    const char *words; /* separated by spaces, the program first */
    bool succeeds;
    const char *says; /* is among what it prints */
} Case;

static const Case cases[] = {
    {HELPER " --version", true, PACKAGE_VERSION},
    {HELPER " --help", true, "--config"},
    {HELPER " --no-such-option", false, "Unknown option --no-such-option"},
    {HELPER " extra", false, "unexpected argument \"extra\""},
    {BRIDGE " --version", true, PACKAGE_VERSION},
    {BRIDGE " --help", true, "--socket"},
    {BRIDGE " --no-such-option", false, "Unknown option --no-such-option"},
    {BRIDGE " extra", false, "unexpected argument extra"},
    {BRIDGE " --idle-timeout=-1", false, "a time-out is out of range"},
    {BRIDGE " --peer-timeout=0", false, "a time-out is out of range"},
    {BRIDGE " --user=no-such-user", false, "no-such-user"},
    {WORKER, false, "is started by banger-helperd"},
    {WORKER " serve 0 1 1", false, "is started by banger-helperd"},
    {WORKER " serve 1 1x 1", false, "is started by banger-helperd"},
};

/* Runs the program that @words name; its exit status. What it printed is in *@ret_said; free it. */
static int
run(const char *words, char **ret_said)
{
    g_auto(GStrv) argv = g_strsplit(words, " ", -1);
    g_autofree char *output = NULL, *complaint = NULL;
    g_autoptr(GError) error = NULL;
    int status = -1;

    ck_assert_msg(
        g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, &output, &complaint, &status, &error), "%s",
        error == NULL ? "" : error->message);
    *ret_said = g_strconcat(output, complaint, NULL);
    ck_assert_msg(WIFEXITED(status), "%s: ended with status %#x", words, (unsigned int)status);
    return WEXITSTATUS(status);
}

START_TEST(arguments)
{
    const Case *one = &cases[_i];
    g_autofree char *said = NULL;
    int status = run(one->words, &said);

    ck_assert_msg((status == 0) == one->succeeds, "%s: ended with %d: %s", one->words, status,
                  said);
    ck_assert_msg(strstr(said, one->says) != NULL, "%s: %s", one->words, said);
}
END_TEST

/*
 * What the helper loads without being linked with it stands in its file, for those who make
 * packages of it.
 */
START_TEST(loaded_libraries)
{
    static const char note[] = "FDO\0[{\"feature\":\"launch\",";
    g_autofree char *program = NULL;
    g_autoptr(GError) error = NULL;
    const char *found;
    gsize size;

    ck_assert_msg(g_file_get_contents(HELPER, &program, &size, &error), "%s",
                  error == NULL ? "" : error->message);
    found = memmem(program, size, note, sizeof note - 1);
    ck_assert_ptr_nonnull(found);
    ck_assert_ptr_nonnull(strstr(found + strlen("FDO") + 1, "\"soname\":[\"libcurl.so.4\"]}]"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("programs");
    TCase *tcase = tcase_create("programs");

    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, arguments, 0, G_N_ELEMENTS(cases));
    tcase_add_test(tcase, loaded_libraries);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/programs", suite);
}
