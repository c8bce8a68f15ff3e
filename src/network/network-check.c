/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/network-check.h"

#include <linux/netlink.h>
#include <string.h>

#include "network/bridge.h"
#include "network/network-private.h"
#include "network/tap.h"
#include "util/error.h"
#include "util/fd.h"

bool
banger_network_check_bridge(const BangerSettings *settings, const BangerBridge *bridge,
                            GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);

    return route != NULL && banger_bridge_check(route, settings, bridge, error);
}

static bool
check_driver(const char *tap, GError **error)
{
    banger_autofd int fd = banger_tap_open_driver(error);

    if (fd < 0)
        g_prefix_error(error, "cannot create the TAP %s: ", tap);
    return fd >= 0;
}

bool
banger_network_check_tap(const BangerSettings *settings, const char *tap, GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autofree char *reason = NULL;
    BangerLink link;
    bool found;

    if (route == NULL || !banger_link_find(route, tap, &link, &found, error))
        return false;
    if (!found)
        return check_driver(tap, error);
    reason = banger_tap_refuse(settings, &link);
    return reason == NULL || banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS, "%s", reason);
}

/* The addresses of @guest's family that the bridge @name has, and is to have; NULL on failure. */
static GArray *
list_addresses(BangerNetlink *route, const char *name, const BangerBridge *bridge,
               const BangerAddress *guest, GError **error)
{
    g_autoptr(GArray) addresses = NULL;
    BangerLinkAddress wanted;
    BangerLink link;
    bool found;

    if (!banger_link_find(route, name, &link, &found, error))
        return NULL;
    addresses = found ? banger_link_addresses(route, link.index, guest->family, error)
                      : g_array_new(FALSE, FALSE, sizeof(BangerLinkAddress));
    if (addresses == NULL)
        return NULL;
    if (bridge != NULL && bridge->bridge_ip.family == guest->family) {
        wanted = (BangerLinkAddress){.address = bridge->bridge_ip,
                                     .prefix = (uint8_t)bridge->cidr.length};
        g_array_append_val(addresses, wanted);
    }
    return g_steal_pointer(&addresses);
}

/* The interface by which the packets of the TAP @name come in. */
static bool
find_interface(BangerNetlink *route, const char *name, BangerLink *ret_interface, GError **error)
{
    BangerLink tap;
    bool found;

    if (!banger_link_find(route, name, &tap, &found, error))
        return false;
    if (!found)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "there is no TAP %s", name);
    return banger_guest_interface(route, &tap, ret_interface, error);
}

bool
banger_network_check_guest(const BangerSettings *settings, const BangerBridge *bridge,
                           const char *tap, const BangerAddress *guest, GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GArray) addresses = NULL;
    const char *interface = bridge != NULL ? bridge->bridge_name : NULL;
    BangerGuestOwner owner;
    BangerLink link;

    if (route == NULL)
        return false;
    if (bridge == NULL) {
        if (!find_interface(route, tap, &link, error))
            return false;
        interface = link.name;
    }
    addresses = list_addresses(route, interface, bridge, guest, error);
    if (addresses == NULL || !banger_nat_check_address(guest, addresses, interface, error) ||
        !banger_guest_find(settings, guest, &owner, error))
        return false;
    return owner.tap[0] == '\0' || g_str_equal(owner.tap, tap) ||
           banger_nat_check_owner(route, guest, &owner, error);
}
