/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * A step that is done beside others, on a thread of its own. No thread outlives the scope:
 *
 *     g_auto(BangerBeside) tap = BANGER_BESIDE_INIT;
 *
 *     banger_beside_begin(&tap, "tap", remove_tap, remains);
 *     …
 *     return banger_beside_await(&tap, error);
 */
typedef bool BangerBesideStep(void *user_data, GError **error);

typedef struct {
    BangerBesideStep *step;
    void *user_data;
    GThread *thread; /* NULL before, and once it was waited for */
    GError *error;   /* why it failed, once it was waited for */
} BangerBeside;

#define BANGER_BESIDE_INIT                                                                         \
    {                                                                                              \
        NULL, NULL, NULL, NULL                                                                     \
    }

/* Has the thread @name do @step; where there is no thread to be had, the step is done at once. */
void banger_beside_begin(BangerBeside *beside, const char *name, BangerBesideStep *step,
                         void *user_data);

/* Whether the step is still to be waited for. */
bool banger_beside_is_pending(const BangerBeside *beside);

/*
 * Waits until the step was done, and says each time how it came out. One that was not begun is a
 * success. Errors: those of the step.
 */
bool banger_beside_await(BangerBeside *beside, GError **error);

/* Waits as banger_beside_await() does. Called by g_auto() at the end of the scope. */
void banger_beside_clear(BangerBeside *beside);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerBeside, banger_beside_clear)
