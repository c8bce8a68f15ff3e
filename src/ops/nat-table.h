/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <net/if.h>
#include <stdbool.h>

#include "model/address.h"
#include "sys/netlink.h"

/*
 * The nftables table `inet banger`: which guests are behind NAT, and the rules that do it.
 *
 * The rules never change; what changes are the elements of its sets. taps4 and taps6 are the record
 * of what was enabled, (guest, bridge, TAP); guests4, guests6 and bridges, which the rules look at,
 * follow from it. A routed packet's input interface is the bridge, not the TAP that is its port, so
 * the rules know a guest by its address and its bridge.
 *
 * Forwarding: an accept in one base chain does not override a drop in another, so where iptables'
 * chain DOCKER-USER exists two rules in it accept what the table has marked, in the top byte of the
 * packet mark, between its own two hooks: a match that iptables can read, where it could not read
 * one on a set or on the connection's state. The mark is taken off again before anything else looks
 * at the packet after FORWARD, and a packet whose top byte is in use already is not touched.
 */
typedef struct {
    BangerAddress guest;
    const char *bridge; /* the interface the guest is behind; NULL when disabling: whichever */
    const char *tap;
} BangerNatGuest;

/* What a call changed. */
typedef struct {
    bool entered;        /* it put in the record of the guest and its TAP */
    char left[IFNAMSIZ]; /* it took out the last record of the address, which was behind this
                            interface; "" if not */
} BangerNatChange;

/*
 * Enters @guest in the table (@enable) or takes it out; makes the table if it is not there or not
 * whole, and removes it, with our rules in DOCKER-USER, when the last guest is taken out. All in
 * one transaction, and none if nothing is to be changed. One caller at a time in this process.
 * @netlink is a NETLINK_NETFILTER socket. Errors: NotSupported, Timeout, OperationFailed.
 */
bool banger_nat_table_apply(BangerNetlink *netlink, const BangerNatGuest *guest, bool enable,
                            BangerNatChange *ret_change, GError **error);
