/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "util/settings.h"

/*
 * Adds the names of TAPs of which something is registered, in the tables or in a file, and that are
 * no links, to @names, which owns them. Errors: those of banger_link_list(), OperationFailed.
 */
bool banger_network_list_stale(GHashTable *names, GError **error);

/*
 * Removes what is registered for @tap, unless that is a link by now: then *@ret_gone is false.
 * Errors: those of DeleteTap.
 */
bool banger_network_remove_stale(const BangerSettings *settings, const char *tap, bool *ret_gone,
                                 GError **error);

/*
 * Puts the tables back whole, and forwarding on where a guest needs it, or removes them with the
 * last of what is ours. *@ret_changed says whether anything was to be done. Errors: those of
 * banger_filter_change().
 */
bool banger_network_put_back(const BangerSettings *settings, bool *ret_changed, GError **error);
