/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "network/bridge-change.h"
#include "network/link.h"
#include "network/network-settings.h"

/*
 * The addresses of a bridge. A call wants one; others of the same family give way to it, but only
 * while no guest depends on them. Who registers a guest has locked banger_guest_lock() from its
 * look at the bridge's addresses until the guest is in the label of its TAP; what removes addresses
 * here locks it as well, so each sees what the other did.
 *
 * @addresses is a GArray of BangerLinkAddress, what banger_link_addresses() said.
 */

/* Whether @wanted, with its prefix, is among @addresses. */
bool banger_bridge_has_address(const GArray *addresses, const BangerLinkAddress *wanted);

/* Whether what would have to give way to @wanted may: Busy if a guest depends on it. */
bool banger_bridge_check_readdress(BangerNetlink *netlink, const BangerLink *bridge,
                                   const GArray *addresses, const BangerLinkAddress *wanted,
                                   GError **error);

/*
 * Gives our bridge the address @wanted if it lacks it. Others of the family go first: where the
 * network is the same, the kernel would take the new one away with the old (secondary addresses
 * follow their primary). While @wanted is there, others that an administrator added are not
 * touched. @addresses follows, and @change says what was done, also if this fails.
 *
 * Errors: Busy as above; OperationFailed.
 */
bool banger_bridge_ensure_address(BangerNetlink *netlink, const BangerLink *bridge,
                                  GArray *addresses, const BangerLinkAddress *wanted,
                                  BangerBridgeChange *change, GError **error);

/*
 * Whether the address of @former is that of a registered guest, or of another bridge of ours than
 * the one with @index. No if the kernel does not say. Lock banger_guest_lock() for as long as the
 * answer counts.
 */
bool banger_bridge_address_is_used(BangerNetlink *netlink, int index,
                                   const BangerLinkAddress *former);

/*
 * Takes back what @change says of the addresses: what was removed comes back, unless another bridge
 * of ours has its network by now. Nothing is done if a guest depends on @wanted, if the bridge has
 * it no more, or if it has a port that @change does not name, whose guest may be about to be
 * registered by it.
 */
void banger_bridge_restore_addresses(BangerNetlink *netlink, const BangerLink *bridge,
                                     const BangerLinkAddress *wanted,
                                     const BangerBridgeChange *change);
