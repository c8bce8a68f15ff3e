/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/bridge-address.h"

#include "model/address.h"
#include "network/bridge.h"
#include "network/guests.h"
#include "util/error.h"

bool
banger_bridge_has_address(const GArray *addresses, const BangerLinkAddress *wanted)
{
    for (unsigned int i = 0; i < addresses->len; i++) {
        const BangerLinkAddress *address = &g_array_index(addresses, BangerLinkAddress, i);

        if (address->prefix == wanted->prefix &&
            banger_address_equal(&address->address, &wanted->address))
            return true;
    }
    return false;
}

/* Whether @address has to go for @wanted. Link-local ones never do: the kernel's own is one. */
static bool
is_wrong(const BangerLinkAddress *address, const BangerLinkAddress *wanted)
{
    return address->address.family == wanted->address.family &&
           !banger_address_is_link_local(&address->address);
}

static bool
has_wrong_address(const GArray *addresses, const BangerLinkAddress *wanted)
{
    for (unsigned int i = 0; i < addresses->len; i++)
        if (is_wrong(&g_array_index(addresses, BangerLinkAddress, i), wanted))
            return true;
    return false;
}

/* Another address of the family is there already: it goes only while no guest depends on it. */
static bool
check_no_guests(BangerNetlink *netlink, const BangerLink *bridge, int family, GError **error)
{
    g_autoptr(GArray) ports = banger_link_list_ports(netlink, bridge->index, error);

    if (ports == NULL)
        return false;
    for (unsigned int i = 0; i < ports->len; i++) {
        const BangerLink *port = &g_array_index(ports, BangerLink, i);
        BangerLabel label;

        banger_label_parse(port->alias, &label);
        if (banger_label_has_family(&label, family))
            return banger_set_error(error, BANGER_ERROR_BUSY,
                                    "the bridge %s has another address, and the TAP %s has a guest "
                                    "by it",
                                    bridge->name, port->name);
    }
    return true;
}

bool
banger_bridge_check_readdress(BangerNetlink *netlink, const BangerLink *bridge,
                              const GArray *addresses, const BangerLinkAddress *wanted,
                              GError **error)
{
    return !has_wrong_address(addresses, wanted) ||
           check_no_guests(netlink, bridge, wanted->address.family, error);
}

/* Takes from our bridge the addresses that give way to @wanted. */
static bool
remove_wrong_addresses(BangerNetlink *netlink, const BangerLink *bridge, GArray *addresses,
                       const BangerLinkAddress *wanted, BangerBridgeChange *change, GError **error)
{
    if (change->removed == NULL)
        change->removed = g_array_new(FALSE, FALSE, sizeof(BangerLinkAddress));
    for (unsigned int i = 0; i < addresses->len;) {
        const BangerLinkAddress wrong = g_array_index(addresses, BangerLinkAddress, i);

        if (!is_wrong(&wrong, wanted)) {
            i++;
            continue;
        }
        if (!banger_link_delete_address(netlink, bridge->index, &wrong, error))
            return false;
        g_array_append_val(change->removed, wrong);
        g_array_remove_index(addresses, i);
    }
    return true;
}

bool
banger_bridge_ensure_address(BangerNetlink *netlink, const BangerLink *bridge, GArray *addresses,
                             const BangerLinkAddress *wanted, BangerBridgeChange *change,
                             GError **error)
{
    g_autoptr(GMutexLocker) guests = NULL;
    BangerLinkAddress added = *wanted;

    if (banger_bridge_has_address(addresses, wanted))
        return true;
    if (has_wrong_address(addresses, wanted)) {
        guests = g_mutex_locker_new(banger_guest_lock());
        (void)guests;
        if (!check_no_guests(netlink, bridge, wanted->address.family, error) ||
            !remove_wrong_addresses(netlink, bridge, addresses, wanted, change, error))
            return false;
    }
    if (!banger_link_add_address(netlink, bridge->index, wanted, error)) {
        g_prefix_error(error, "bridge %s: ", bridge->name);
        return false;
    }
    change->added = true;
    added.index = bridge->index;
    g_array_append_val(addresses, added);
    return true;
}

/* Takes @wanted from the bridge, unless a guest depends on it. Whether it was there and is gone. */
static bool
remove_address(BangerNetlink *netlink, const BangerLink *bridge, const BangerLinkAddress *wanted)
{
    g_autoptr(GArray) addresses =
        banger_link_addresses(netlink, bridge->index, wanted->address.family, NULL);

    return addresses != NULL && banger_bridge_has_address(addresses, wanted) &&
           check_no_guests(netlink, bridge, wanted->address.family, NULL) &&
           banger_link_delete_address(netlink, bridge->index, wanted, NULL);
}

/*
 * Whether another bridge of ours than the one with @index has an address that agrees with @former
 * in the bits of the shorter prefix; with @exactly in all. No if the kernel does not say.
 */
static bool
another_has(BangerNetlink *netlink, const GArray *links, int index, const BangerLinkAddress *former,
            bool exactly)
{
    g_autoptr(GArray) addresses = banger_link_list_addresses(netlink, NULL);
    const unsigned int most = (unsigned int)banger_address_length(&former->address) * 8;
    bool has = false;

    for (unsigned int i = 0; addresses != NULL && i < addresses->len; i++) {
        const BangerLinkAddress *address = &g_array_index(addresses, BangerLinkAddress, i);

        if (address->index == index ||
            !banger_address_same_network(&address->address, &former->address,
                                         exactly ? most : MIN(address->prefix, former->prefix)))
            continue;
        for (unsigned int n = 0; n < links->len; n++) {
            const BangerLink *link = &g_array_index(links, BangerLink, n);

            has |= link->index == address->index && banger_bridge_is_ours(link);
        }
    }
    return has;
}

bool
banger_bridge_address_is_used(BangerNetlink *netlink, int index, const BangerLinkAddress *former)
{
    g_autoptr(GArray) links = banger_link_list(netlink, NULL);

    if (links == NULL)
        return false;
    for (unsigned int i = 0; i < links->len; i++) {
        const BangerLink *link = &g_array_index(links, BangerLink, i);
        BangerLabel label;

        banger_label_parse(link->alias, &label);
        if (link->marked && banger_label_find_guest(&label, &former->address) >= 0)
            return true;
    }
    return another_has(netlink, links, index, former, true);
}

/* Whether the bridge has a port that it had not when the call ended. */
static bool
has_new_port(BangerNetlink *netlink, const BangerLink *bridge, const BangerBridgeChange *change)
{
    g_autoptr(GArray) ports = NULL;
    unsigned int n_known = 0;

    if (change->ports == NULL)
        return false;
    ports = banger_link_list_ports(netlink, bridge->index, NULL);
    for (unsigned int i = 0; ports != NULL && i < ports->len; i++)
        for (unsigned int n = 0; n < change->ports->len; n++)
            n_known +=
                g_array_index(ports, BangerLink, i).index == g_array_index(change->ports, int, n);
    return ports == NULL || n_known < ports->len;
}

static void
put_back(BangerNetlink *netlink, const BangerLink *bridge, const BangerLinkAddress *former)
{
    g_autoptr(GArray) links = banger_link_list(netlink, NULL);

    if (links == NULL || !another_has(netlink, links, bridge->index, former, false))
        (void)banger_link_add_address(netlink, bridge->index, former, NULL);
}

void
banger_bridge_restore_addresses(BangerNetlink *netlink, const BangerLink *bridge,
                                const BangerLinkAddress *wanted, const BangerBridgeChange *change)
{
    g_autoptr(GMutexLocker) guests = g_mutex_locker_new(banger_guest_lock());
    const unsigned int n = change->removed == NULL ? 0 : change->removed->len;

    (void)guests;
    if (has_new_port(netlink, bridge, change) ||
        (change->added && !remove_address(netlink, bridge, wanted)))
        return;
    /* The kernel lists the first of a network first, and of IPv6 the last. */
    for (unsigned int i = 0; i < n; i++)
        put_back(netlink, bridge,
                 &g_array_index(change->removed, BangerLinkAddress,
                                wanted->address.family == AF_INET ? i : n - 1 - i));
}
