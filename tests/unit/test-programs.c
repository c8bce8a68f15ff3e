/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs as files: command lines, versions, the libraries that they load when needed. */
#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/harness.h"
#include "util/error.h"
#include "util/library.h"

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

/* A note of banger-helperd about what it loads without being linked with it. */
static const struct {
    const char *feature, *soname;
} loaded[] = {{"launch", "libcurl.so.4"}, {"network", "libnftables.so.1"}};

/* It stands in the file, for those who make packages of it, and the library can be loaded. */
START_TEST(loaded_libraries)
{
    g_autofree char *program = NULL, *feature = NULL, *soname = NULL;
    g_autoptr(GError) error = NULL;
    const char *found;
    gsize size;

    feature = g_strdup_printf("[{\"feature\":\"%s\",", loaded[_i].feature);
    soname = g_strdup_printf("\"soname\":[\"%s\"]}]", loaded[_i].soname);
    ck_assert_msg(g_file_get_contents(HELPER, &program, &size, &error), "%s",
                  error == NULL ? "" : error->message);
    found = memmem(program, size, feature, strlen(feature));
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found - sizeof "FDO", "FDO");
    ck_assert_msg(g_str_has_suffix(found, soname), "%s", found);
    ck_assert(banger_library_load(loaded[_i].soname, NULL, 0, NULL, &error));
}
END_TEST

START_TEST(missing_libraries)
{
    static const BangerLibraryFunction none[] = {{"no_such_function", sizeof(void *)}};
    void *functions[] = {NULL, NULL};
    g_autoptr(GError) error = NULL;

    ck_assert(!banger_library_load("libno-such-library.so.7", NULL, 0, NULL, &error));
    ck_assert(banger_error_code(error) == BANGER_ERROR_NOT_SUPPORTED);
    ck_assert_ptr_nonnull(strstr(error->message, "libno-such-library.so.7"));
    g_clear_error(&error);
    ck_assert(!banger_library_load("libc.so.6", none, 1, functions, &error));
    ck_assert_str_eq(error->message, "libc.so.6 has no no_such_function");
    ck_assert_ptr_null(functions[1]);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("programs");
    TCase *tcase = tcase_create("programs");

    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, arguments, 0, G_N_ELEMENTS(cases));
    tcase_add_loop_test(tcase, loaded_libraries, 0, G_N_ELEMENTS(loaded));
    tcase_add_test(tcase, missing_libraries);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/programs", suite);
}
