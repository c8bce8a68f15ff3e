/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "network/link.h"
#include "network/netlink.h"
#include "util/settings.h"

/*
 * IP forwarding, which is for the whole host: what is switched on for guests is to reach no
 * further.
 */

/*
 * Switches forwarding of @family on, if it is off, for guests behind @interface. Before that, the
 * links that stand are entered in the set of those between which nothing is forwarded, and for
 * IPv6 every link that takes router advertisements is set to go on doing so: with forwarding,
 * accept_ra=1 means no. Where it is on, but not for @interface, it is switched on for that alone.
 * Errors: NotSupported, which names the link that cannot be set so; OperationFailed.
 */
bool banger_forwarding_ensure(const BangerSettings *settings, BangerNetlink *route,
                              const BangerLink *interface, int family, GError **error);

/*
 * The last of what is ours has gone: switches forwarding off again where it was we who switched it
 * on, unless links came later, which may count on it. Then *@ret_keep is true: the set of links,
 * and so the tables, have to stay.
 */
bool banger_forwarding_end(BangerNetlink *netfilter, bool *ret_keep, GError **error);

/*
 * Sees to the links that came after we switched IPv6 forwarding on, and that would ignore their
 * routers. @netfilter is a NETLINK_NETFILTER socket. Appends to @warnings a line for each where
 * that fails. Errors: Timeout, OperationFailed.
 */
bool banger_forwarding_look_after(BangerNetlink *netfilter, GString *warnings, GError **error);

/*
 * Appends to @warnings a text for each such link among @links, a GArray of BangerLink, and for each
 * link with a default route that does not forward IPv4, though the host does.
 */
bool banger_forwarding_warn(BangerNetlink *netfilter, BangerNetlink *route, const GArray *links,
                            GPtrArray *warnings, GError **error);
