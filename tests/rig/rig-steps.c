/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rig/rig-steps.h"

#include <string.h>
#include <unistd.h>

#include "rig/rig-client.h"
#include "util/test-step.h"

#define DONE BANGER_TEST_STEPS "/done"
#define ORDER BANGER_TEST_STEPS "/order"

void
rig_steps_begin(void)
{
    ck_assert_int_eq(g_mkdir_with_parents(BANGER_TEST_STEPS, 0700), 0);
    (void)unlink(DONE);
}

void
rig_steps_end(void)
{
    (void)unlink(DONE);
    (void)unlink(ORDER);
    (void)rmdir(BANGER_TEST_STEPS);
}

void
rig_steps_order(const char *what, const char *step)
{
    g_autofree char *line = g_strconcat(what, " ", step, NULL);

    rig_steps_begin();
    ck_assert(g_file_set_contents(ORDER, line, -1, NULL));
}

void
rig_steps_no_order(void)
{
    ck_assert_int_eq(unlink(ORDER), 0);
}

char **
rig_steps_done(void)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(DONE, &text, NULL, NULL))
        return g_new0(char *, 1);
    return g_strsplit(g_strchomp(text), "\n", -1);
}

bool
rig_steps_was_done(const char *step)
{
    g_auto(GStrv) done = rig_steps_done();

    return g_strv_contains((const char *const *)done, step);
}
