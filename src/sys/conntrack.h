/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/address.h"
#include "sys/netlink.h"

/*
 * Forgets the flows that @source began and whose source address was translated (ctnetlink). A flow
 * that has begun goes on being translated without any rule: what was taken out of the rules is cut
 * off only by this. @netlink is a NETLINK_NETFILTER socket. A kernel that does not tell of its
 * flows is a success. Errors: OperationFailed.
 */
bool banger_conntrack_cut(BangerNetlink *netlink, const BangerAddress *source, GError **error);
