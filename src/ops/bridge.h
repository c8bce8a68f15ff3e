/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/requests.h"
#include "sys/link.h"
#include "util/undo.h"

/*
 * Which bridges are banger's, and how one of them comes to be as it should. The kernel is the only
 * record: a bridge is ours if it has our alias, or the MAC that we give to a bridge of its name
 * (which it has from its first moment, so that being killed before the alias is set does no harm).
 */

/* Whether @link is a bridge of banger's. */
bool banger_bridge_is_ours(const BangerLink *link);

/*
 * Sees to it that the bridge exists with its address, marked and up; *@ret_link is how it was found
 * or made. What is as it should be is not touched. Steps that leave something behind are pushed on
 * @undo, whose data borrow @netlink: it must outlive @undo.
 *
 * Errors: NotManaged if the name belongs to a link that is not ours and cannot be adopted;
 * NotSupported; OperationFailed.
 */
bool banger_bridge_ensure(BangerNetlink *netlink, const BangerBridge *bridge, BangerUndo *undo,
                          BangerLink *ret_link, GError **error);
