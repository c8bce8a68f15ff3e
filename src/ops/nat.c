/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ops/nat.h"

#include <linux/netlink.h>

#include "model/address.h"
#include "model/names.h"
#include "ops/nat-table.h"
#include "sys/conntrack.h"
#include "sys/link.h"
#include "sys/sysctl.h"
#include "util/error.h"

/*
 * The name of the interface that the packets of the guest behind the TAP @name come in by: that of
 * the bridge it is a port of, or its own.
 */
static bool
find_interface(const char *name, char ret_interface[IFNAMSIZ], GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    BangerLink tap;
    BangerLink bridge;
    bool found;

    if (netlink == NULL || !banger_link_find(netlink, name, &tap, &found, error))
        return false;
    if (!found)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "there is no TAP %s", name);
    if (tap.type != BANGER_LINK_TAP)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the link %s exists and is not a TAP", name);
    if (tap.master != 0) {
        if (!banger_link_find_index(netlink, tap.master, &bridge, &found, error))
            return false;
        if (found && bridge.type == BANGER_LINK_BRIDGE)
            tap = bridge;
    }
    /* What goes into the rules is a name of the kind we make, whoever made this one. */
    if (!banger_name_check_link(tap.name, NULL))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the TAP %s is a port of a bridge that is not banger's", name);
    (void)g_strlcpy(ret_interface, tap.name, IFNAMSIZ);
    return true;
}

/*
 * Cuts the flows of @guest, of which the last record is gone, if @interface is where it is: it is
 * by there that answers reached it. An address that was given as a guest's but is another's, such
 * as a container's, keeps its flows.
 */
static bool
cut_flows(BangerNetlink *netfilter, const BangerAddress *guest, const char *interface,
          GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    BangerLink link;
    bool found;

    if (netlink == NULL || !banger_link_towards(netlink, guest, &link, &found, error))
        return false;
    return !found || !g_str_equal(link.name, interface) ||
           banger_conntrack_cut(netfilter, guest, error);
}

bool
banger_nat_ensure(const BangerSettings *settings, const BangerRequest *request, BangerReply *reply,
                  GError **error)
{
    const BangerEnsureNatRequest *nat = &request->ensure_nat;
    BangerNatGuest guest = {.tap = nat->tap};
    g_autoptr(BangerNetlink) netlink = NULL;
    char interface[IFNAMSIZ];
    BangerNatChange change;

    (void)settings;
    (void)reply;
    if (!banger_address_parse(nat->guest_ip, &guest.guest, error))
        return false;
    if (nat->enable) {
        if (!find_interface(nat->tap, interface, error))
            return false;
        guest.bridge = interface;
    }
    netlink = banger_netlink_open(NETLINK_NETFILTER, error);
    if (netlink == NULL || !banger_nat_table_apply(netlink, &guest, nat->enable, &change, error))
        return false;
    if (!nat->enable)
        return change.left[0] == '\0' || cut_flows(netlink, &guest.guest, change.left, error);
    /* Last, because it is a single step that nothing has to take back. */
    if (banger_sysctl_ensure(guest.guest.family == AF_INET ? "net/ipv4/ip_forward"
                                                           : "net/ipv6/conf/all/forwarding",
                             "1", NULL, error))
        return true;
    if (change.entered)
        (void)banger_nat_table_apply(netlink, &guest, false, &change, NULL);
    return false;
}
