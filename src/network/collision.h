/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "network/link.h"
#include "network/network-settings.h"

/*
 * Whether the owner may have @wanted on a bridge at all: its network lies in the Subnets of
 * @settings, is not larger than MinimumPrefix, and has no address of DenyDestinations. Errors:
 * BadParams.
 */
bool banger_collision_check_policy(const BangerNetworkSettings *settings,
                                   const BangerLinkAddress *wanted, GError **error);

/*
 * Whether @wanted, on the link with the index @own (0: one that is not made yet), is in the way of
 * nothing that this host has already: its network has no address in common with one of another link
 * (RTM_GETADDR) or with a route by another way in any table (RTM_GETROUTE), and does not contain
 * the gateway of a default route. A wider route through a gateway does not count where root
 * configured a subnet that lies in it and contains the network.
 *
 * Errors: AlreadyExists, which names the link and the address or route; Timeout, OperationFailed.
 */
bool banger_collision_check(BangerNetlink *netlink, const BangerNetworkSettings *settings, int own,
                            const BangerLinkAddress *wanted, GError **error);
