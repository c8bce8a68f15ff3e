/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * What a call changed at a bridge, for its undo; {0} is nothing. network/bridge-address.h changes
 * the addresses, and takes that back.
 */
typedef struct {
    int index;    /* of the bridge */
    bool created; /* and so its addresses go with it, and are not recorded */

    /* Of a bridge that was there before: */
    bool added;      /* the address that the call wanted */
    GArray *removed; /* of BangerLinkAddress, those that gave way to it, in this order; or NULL */
    GArray *ports;   /* of int, the indices of those it had when the call ended; or NULL: any */
} BangerBridgeChange;

/* Whether there is anything about addresses to be taken back. */
bool banger_bridge_change_has_addresses(const BangerBridgeChange *change);

/* Makes it {0}. Called by g_auto() at the end of the scope. */
void banger_bridge_change_clear(BangerBridgeChange *change);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerBridgeChange, banger_bridge_change_clear)
