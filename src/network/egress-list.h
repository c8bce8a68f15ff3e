/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * A guest's restriction: a list of destinations (model/destination.h), canonical, sorted, without
 * repetitions, or "none" alone. Guests with equal lists share one chain of the table.
 */

/* The name of the chain of a list. Free with g_free(). */
char *banger_egress_chain(char *const *networks);

/* Appends the commands that make the chain @chain of a list, and fill it anew if it is there. */
void banger_egress_append_chain(GString *commands, const char *chain, char *const *networks);
