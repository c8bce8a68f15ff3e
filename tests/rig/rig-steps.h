/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/*
 * The steps of the helper's operations (util/test-step.h), which it notes, and at which it fails,
 * waits or dies where a test orders it. In a build without test hooks nothing comes of it.
 */

/* From now on the helper notes its steps; rig_steps_end() ends that, and any order. */
void rig_steps_begin(void);
void rig_steps_end(void);

/* What the helper is to do at @step: @what is "fail", "wait", "kill" or "term". Begins anew. */
void rig_steps_order(const char *what, const char *step);

/* Takes the order back; the steps go on to be noted. */
void rig_steps_no_order(void);

/* Whether @step was done since the last order. */
bool rig_steps_was_done(const char *step);

/* The names of the steps done since then, each as often as it was, in order. Free: g_strfreev(). */
char **rig_steps_done(void);
