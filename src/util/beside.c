/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/beside.h"

static gpointer
run_step(void *user_data)
{
    BangerBeside *beside = user_data;

    (void)beside->step(beside->user_data, &beside->error);
    return NULL;
}

void
banger_beside_begin(BangerBeside *beside, const char *name, BangerBesideStep *step, void *user_data)
{
    beside->step = step;
    beside->user_data = user_data;
    beside->thread = g_thread_try_new(name, run_step, beside, NULL);
    if (beside->thread == NULL)
        (void)run_step(beside);
}

bool
banger_beside_is_pending(const BangerBeside *beside)
{
    return beside->thread != NULL;
}

bool
banger_beside_await(BangerBeside *beside, GError **error)
{
    if (beside->thread != NULL)
        (void)g_thread_join(g_steal_pointer(&beside->thread));
    if (beside->error == NULL)
        return true;
    g_propagate_error(error, g_error_copy(beside->error));
    return false;
}

void
banger_beside_clear(BangerBeside *beside)
{
    (void)banger_beside_await(beside, NULL);
    g_clear_error(&beside->error);
}
