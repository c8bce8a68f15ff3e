/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/requests.h"
#include "network/bridge-address.h"
#include "network/link.h"
#include "util/settings.h"
#include "util/undo.h"

/*
 * Which bridges are managed, and how one of them comes to be as it should. The kernel is the only
 * record: a bridge is ours if it has our alias, or the MAC that we give to a bridge of its name
 * (which it has from its first moment, so that being killed before the alias is set does no harm).
 */

/* The MAC that our bridge @name has on this machine. */
void banger_bridge_derive_mac(const char *name, uint8_t ret_mac[BANGER_MAC_LENGTH]);

/* The address that a call wants @bridge to have. */
BangerLinkAddress banger_bridge_wanted_address(const BangerBridge *bridge);

/* Whether @link is a managed bridge. */
bool banger_bridge_is_ours(const BangerLink *link);

/*
 * Sees to it that the bridge exists with its address, marked and up; *@ret_link is how it was found
 * or made, *@ret_addresses, a GArray of BangerLinkAddress, what it has then, of both families. What
 * is as it should be is not touched. That it was made is pushed on @undo, whose data borrow
 * @netlink: it must outlive @undo. *@change, which must be {0}, is what was done, also if this
 * fails; then the caller has banger_bridge_restore() take it back.
 *
 * A bridge of another program's is never changed: one that AdoptBridges of @settings names is used
 * as it is, one that the older helper made (its name, no alias, exactly this address, and ports
 * that are all TAPs of the owner's) is marked and keeps its MAC.
 *
 * Errors: BadParams if the name, the network or its size is not one that @settings allow;
 * AlreadyExists if the network collides with what this host has; NotManaged if the name belongs to
 * a link that is not ours; Busy if the bridge has another address of that family, and guests by it;
 * NotSupported; OperationFailed.
 */
bool banger_bridge_ensure(BangerNetlink *netlink, const BangerSettings *settings,
                          const BangerBridge *bridge, BangerUndo *undo, BangerLink *ret_link,
                          GArray **ret_addresses, BangerBridgeChange *change, GError **error);

/*
 * Takes back what banger_bridge_ensure() did to the addresses of a bridge that was there, as
 * banger_bridge_restore_addresses() does. Whether there was something, and the bridge is still that
 * one: then *@ret_link is it, and the tables must follow the addresses that it has.
 */
bool banger_bridge_restore(BangerNetlink *netlink, const BangerBridge *bridge,
                           const BangerBridgeChange *change, BangerLink *ret_link);

/* Whether banger_bridge_ensure() would be refused; nothing is changed. The same errors. */
bool banger_bridge_check(BangerNetlink *netlink, const BangerSettings *settings,
                         const BangerBridge *bridge, GError **error);

/* Whether the bridge @link is one of another program's that root allows to be used as it is. */
bool banger_bridge_is_lent(const BangerSettings *settings, const BangerLink *link);
