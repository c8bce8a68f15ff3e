/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/bridge-address.h"

#include "model/address.h"
#include "network/guests.h"
#include "util/error.h"

typedef struct {
    BangerNetlink *netlink;
    int index;
    BangerLinkAddress address;
} Step;

static void
push_step(BangerUndo *undo, void (*take_back)(gpointer), BangerNetlink *netlink, int index,
          const BangerLinkAddress *address)
{
    Step *step = g_new0(Step, 1);

    step->netlink = netlink;
    step->index = index;
    step->address = *address;
    banger_undo_push(undo, take_back, step, g_free);
}

static void
undo_add_address(void *user_data)
{
    const Step *step = user_data;

    (void)banger_link_delete_address(step->netlink, step->index, &step->address, NULL);
}

static void
undo_delete_address(void *user_data)
{
    const Step *step = user_data;

    (void)banger_link_add_address(step->netlink, step->index, &step->address, NULL);
}

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

/* Takes from our bridge the addresses that have to go for @wanted. @addresses follows. */
static bool
remove_wrong_addresses(BangerNetlink *netlink, const BangerLink *bridge, GArray *addresses,
                       const BangerLinkAddress *wanted, BangerUndo *undo, GArray *removed,
                       GError **error)
{
    for (unsigned int i = 0; i < addresses->len;) {
        const BangerLinkAddress wrong = g_array_index(addresses, BangerLinkAddress, i);

        if (!is_wrong(&wrong, wanted)) {
            i++;
            continue;
        }
        if (!banger_link_delete_address(netlink, bridge->index, &wrong, error))
            return false;
        push_step(undo, undo_delete_address, netlink, bridge->index, &wrong);
        g_array_append_val(removed, wrong);
        g_array_remove_index(addresses, i);
    }
    return true;
}

bool
banger_bridge_ensure_address(BangerNetlink *netlink, const BangerLink *bridge, GArray *addresses,
                             const BangerLinkAddress *wanted, BangerUndo *undo, GArray *removed,
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
            !remove_wrong_addresses(netlink, bridge, addresses, wanted, undo, removed, error))
            return false;
    }
    if (!banger_link_add_address(netlink, bridge->index, wanted, error)) {
        g_prefix_error(error, "bridge %s: ", bridge->name);
        return false;
    }
    push_step(undo, undo_add_address, netlink, bridge->index, wanted);
    added.index = bridge->index;
    g_array_append_val(addresses, added);
    return true;
}

bool
banger_bridge_restore_addresses(BangerNetlink *netlink, const BangerLink *bridge,
                                const BangerLinkAddress *wanted, const GArray *removed)
{
    g_autoptr(GMutexLocker) guests = g_mutex_locker_new(banger_guest_lock());
    g_autoptr(GArray) addresses = NULL;

    (void)guests;
    if (!check_no_guests(netlink, bridge, wanted->address.family, NULL))
        return false;
    addresses = banger_link_addresses(netlink, bridge->index, wanted->address.family, NULL);
    if (addresses == NULL || !banger_bridge_has_address(addresses, wanted) ||
        !banger_link_delete_address(netlink, bridge->index, wanted, NULL))
        return false;
    for (unsigned int i = removed->len; i > 0; i--)
        (void)banger_link_add_address(netlink, bridge->index,
                                      &g_array_index(removed, BangerLinkAddress, i - 1), NULL);
    return true;
}
