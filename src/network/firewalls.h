/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "network/netlink.h"

/*
 * Other programs' rules. An accept in one base chain does not override a drop in another, so what
 * our forward chain passes may still be dropped: where iptables' chain DOCKER-USER exists, one
 * commented rule in it accepts what we marked, by a match that iptables can read. Of all others,
 * those are named that drop whatever they do not know. firewalld has a zone for our bridges.
 */

/* What there is of others'. */
typedef struct {
    bool docker;
    bool firewalld;   /* it answers */
    GPtrArray *zoned; /* names of our bridges that are in firewalld's zone; never NULL */
} BangerFirewalls;

/*
 * Puts our rule first in DOCKER-USER, if that is there and lacks it, and our bridges into the zone
 * of firewalld, and appends to @warnings a line for each base chain that drops guests. @netlink is
 * a NETLINK_NETFILTER socket. Errors: Timeout, OperationFailed.
 */
bool banger_firewalls_refresh(BangerNetlink *netlink, GString *warnings,
                              BangerFirewalls *ret_firewalls, GError **error);

/* Appends the same to @warnings, and changes nothing. Errors: Timeout, OperationFailed. */
bool banger_firewalls_warn(BangerNetlink *netlink, GString *warnings, GError **error);

/* Takes our rules out of DOCKER-USER. */
bool banger_firewalls_end(BangerNetlink *netlink, GError **error);

/* Takes the bridge @bridge, which is gone, out of firewalld's zone. */
void banger_firewalls_forget_bridge(const char *bridge);

/*
 * The names of bridges by which a default route goes, as a GPtrArray of text. @route is a
 * NETLINK_ROUTE socket. NULL on failure.
 */
GPtrArray *banger_firewalls_uplinks(BangerNetlink *route, GError **error);
