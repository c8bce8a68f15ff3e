/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "util/settings.h"

/*
 * Notes in the label of our TAP @tap, and in the tables, that what it sends has the Ethernet
 * address @mac ("02:00:00:00:00:66"); "": any. One that a VMM has open, or that does not bear our
 * mark, stays as it is. *@ret_before, which may be NULL, is the address so far; free with g_free().
 * A TAP that is not there is a success. Errors: those of banger_filter_change(), LimitsExceeded.
 */
bool banger_tap_set_mac(const BangerSettings *settings, const char *tap, const char *mac,
                        char **ret_before, GError **error);
