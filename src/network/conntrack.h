/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/address.h"
#include "network/netlink.h"

/*
 * Forgets the flows that @guest began, and those that it answered (ctnetlink). A flow that has
 * begun goes on without being looked at again: what was taken out of the rules is ended only by
 * this. @netlink is a NETLINK_NETFILTER socket. A kernel that does not list its flows is a success.
 * Errors: OperationFailed.
 */
bool banger_conntrack_forget(BangerNetlink *netlink, const BangerAddress *guest, GError **error);

/* A flow of a guest's, as the host forwards it. */
typedef struct {
    bool from_guest; /* it began it; else it was asked */
    uint8_t protocol;
    BangerAddress peer; /* where the guest's packets go, or come from */
    uint16_t peer_port; /* 0: a protocol without */
    uint16_t guest_port;
} BangerFlow;

typedef bool BangerFlowKeep(const BangerFlow *flow, const void *data);

/* As banger_conntrack_forget(), of those that @keep does not say yes to. All flows are listed. */
bool banger_conntrack_forget_some(BangerNetlink *netlink, const BangerAddress *guest,
                                  BangerFlowKeep *keep, const void *data, GError **error);
