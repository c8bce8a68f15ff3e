/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell functions of tests/vm/guest/lib.sh return their failure where they are called in a
 * condition, in which bash does not end at the first command that fails.
 */
#include <glib.h>

#include "lib/harness.h"

/* Each is to say "no", and to end. */
static const char *const conditions[] = {
    "wait_for 0 false && echo yes || echo no",
    "if wait_for 0 false; then echo yes; else echo no; fi",
    "refute true && echo yes || echo no",
    "call() { OUT= OP=x; }; fails Busy root DeleteTap s x && echo yes || echo no",
    "call() { OUT='why (x)' OP=x; return 1; }; field() { echo E.BadParams; };"
    "fails Busy root DeleteTap s x && echo yes || echo no",
    "call() { OUT='no op_id' OP=x; return 1; }; field() { echo E.Busy; };"
    "fails Busy root DeleteTap s x && echo yes || echo no",
    "make_image /nowhere/image 1 && echo yes || echo no",
    "make_cow /nowhere/cow 1 && echo yes || echo no",
};

START_TEST(failures_in_a_condition)
{
    g_autofree char *script =
        g_strdup_printf(". '%s/tests/vm/guest/lib.sh'; set -e; %s", SOURCE_DIR, conditions[_i]);
    const char *argv[] = {"timeout", "10", "bash", "-c", script, NULL};
    g_autofree char *output = NULL;
    g_autoptr(GError) error = NULL;

    ck_assert_msg(g_spawn_sync(NULL, (char **)argv, NULL,
                               G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                               &output, NULL, NULL, &error),
                  "%s", error == NULL ? "" : error->message);
    ck_assert_msg(g_str_has_suffix(output, "no\n"), "%s: %s", conditions[_i], output);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("shell");
    TCase *tcase = tcase_create("conditions");

    tcase_set_timeout(tcase, 20);
    tcase_add_loop_test(tcase, failures_in_a_condition, 0, G_N_ELEMENTS(conditions));
    suite_add_tcase(suite, tcase);
    return harness_run("unit/shell", suite);
}
