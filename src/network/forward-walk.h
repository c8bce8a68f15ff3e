/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "network/nft.h"

/*
 * What a base chain at the hook forward makes of guests' packets: all that come from a bridge and
 * all that go to it, of which no more is known. Its rules are followed in order, through the chains
 * that they jump to, as the kernel does. A rule that asks for more than a link (an address, a set,
 * a state) is for some of the packets only, and is passed over.
 */

/* Returns the names of the bridges, an array of text that stays the caller's; NULL on failure. */
typedef const GPtrArray *BangerForwardBridges(void *user_data, GError **error);

/*
 * Says in *@ret_how why packets of one of the bridges end in @chain, as the part of a sentence, or
 * NULL if all of them get through. @list is asked only if the chain may drop something. @netlink is
 * a NETLINK_NETFILTER socket. Errors: Timeout, OperationFailed, those of @list.
 */
bool banger_forward_walk(BangerNetlink *netlink, const BangerNftBaseChain *chain,
                         BangerForwardBridges *list, void *user_data, char **ret_how,
                         GError **error);
