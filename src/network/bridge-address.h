/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "network/link.h"
#include "util/undo.h"

/*
 * The addresses of a bridge, one of each family that is wanted: how it gets that, and what it has
 * instead goes, but only while no guest depends on it. Who registers a guest has locked
 * banger_guest_lock() from its look at the bridge's addresses until the guest is in the label of
 * its TAP; what changes addresses here locks it as well, so each sees what the other did.
 *
 * @addresses is a GArray of BangerLinkAddress, what banger_link_addresses() said.
 */

/* Whether @wanted, with its prefix, is among @addresses. */
bool banger_bridge_has_address(const GArray *addresses, const BangerLinkAddress *wanted);

/*
 * Whether banger_bridge_ensure_address() may take from the bridge what has to go for @wanted. Busy
 * if a guest depends on it.
 */
bool banger_bridge_check_readdress(BangerNetlink *netlink, const BangerLink *bridge,
                                   const GArray *addresses, const BangerLinkAddress *wanted,
                                   GError **error);

/*
 * Gives our bridge the address if it lacks it. It is then the wrong ones of the same family that
 * the bridge has, and they go first: where the subnet is the same, the kernel would take the new
 * one away with the old (secondary addresses follow their primary). While the wanted address is
 * there, others that an administrator added are not touched. @addresses follows, what is gone is
 * appended to @removed, and what was done is pushed on @undo, whose data borrow @netlink.
 *
 * Errors: Busy as above; OperationFailed.
 */
bool banger_bridge_ensure_address(BangerNetlink *netlink, const BangerLink *bridge,
                                  GArray *addresses, const BangerLinkAddress *wanted,
                                  BangerUndo *undo, GArray *removed, GError **error);

/*
 * Takes @wanted from the bridge, and gives it @removed again; nothing is changed, and false
 * returned, if a guest depends on it or the bridge has it no more.
 */
bool banger_bridge_restore_addresses(BangerNetlink *netlink, const BangerLink *bridge,
                                     const BangerLinkAddress *wanted, const GArray *removed);
