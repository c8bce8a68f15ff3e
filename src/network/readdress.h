/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What a call changed at the addresses of a bridge that was there before, for its undo; {0} is
 * nothing. network/bridge-address.h makes the change, and takes it back.
 */
typedef struct {
    bool added;      /* the address that the call wanted */
    GArray *removed; /* of BangerLinkAddress, those that gave way to it, in this order; or NULL */
} BangerReaddress;

/* Whether there is nothing to be taken back. */
bool banger_readdress_is_empty(const BangerReaddress *readdress);

/* Makes it {0}. Called by g_auto() at the end of the scope. */
void banger_readdress_clear(BangerReaddress *readdress);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerReaddress, banger_readdress_clear)
