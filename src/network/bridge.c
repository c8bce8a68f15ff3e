/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/bridge.h"

#include <string.h>

#include "model/address.h"
#include "model/names.h"
#include "network/bridge-address.h"
#include "network/collision.h"
#include "network/label.h"
#include "network/network-settings.h"
#include "network/sysctl.h"
#include "util/error.h"
#include "util/settings.h"

/* The name may be taken, and given up again, between a look and an exclusive create. */
#define ATTEMPTS 8

bool
banger_bridge_is_ours(const BangerLink *link)
{
    uint8_t mac[BANGER_MAC_LENGTH];

    if (link->type != BANGER_LINK_BRIDGE)
        return false;
    if (link->marked)
        return true;
    banger_bridge_derive_mac(link->name, mac);
    return memcmp(link->mac, mac, sizeof mac) == 0;
}

/* A bridge that was made. */
typedef struct {
    BangerNetlink *netlink;
    int index;
} Made;

static void
undo_create(void *user_data)
{
    const Made *made = user_data;

    (void)banger_link_delete(made->netlink, made->index, NULL);
}

/* A router that a guest plays must not configure the host. */
static bool
ensure_no_router_advertisements(const BangerLink *link, GError **error)
{
    g_autofree char *path = g_strdup_printf("net/ipv6/conf/%s/accept_ra", link->name);

    return link->accept_ra == 0 || banger_sysctl_set_if_there(path, "0", error);
}

/*
 * Brings our bridge @link into order; one message for all that one message can set at a link.
 * *@ret_changed if the kernel may have given it another address of its own making.
 */
static bool
put_in_order(BangerNetlink *netlink, const BangerLink *link, GArray *addresses,
             const BangerLinkAddress *wanted, BangerBridgeChange *of_bridge, bool *ret_changed,
             GError **error)
{
    uint8_t mac[BANGER_MAC_LENGTH];
    g_autofree char *alias = link->marked ? NULL : banger_label_format_new();
    BangerLinkChange change = {
        .no_delay = link->forward_delay != 0,
        .alias = alias,
        .up = !link->up,
    };
    BangerLabel label;

    banger_label_parse(link->alias, &label);
    banger_bridge_derive_mac(link->name, mac);
    if (!label.adopted && memcmp(mac, link->mac, sizeof mac) != 0)
        change.mac = mac;
    if (!ensure_no_router_advertisements(link, error) ||
        !banger_bridge_ensure_address(netlink, link, addresses, wanted, of_bridge, error))
        return false;
    /* The kernel looks at the delay first, and with STP on it refuses 0: a message of its own. */
    if (link->stp && !banger_link_change(netlink, link, &(BangerLinkChange){.no_stp = true}, error))
        return false;
    *ret_changed = change.mac != NULL || change.up;
    if (!*ret_changed && !change.no_delay && change.alias == NULL)
        return true;
    return banger_link_change(netlink, link, &change, error);
}

/*
 * One attempt at making the bridge; *@ret_lost if another program has just made one of that name.
 */
static bool
create_bridge(BangerNetlink *netlink, const char *name, BangerUndo *undo, BangerLink *ret_link,
              bool *ret_lost, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    uint8_t mac[BANGER_MAC_LENGTH];
    Made *made;
    bool found;

    banger_bridge_derive_mac(name, mac);
    *ret_lost = false;
    if (!banger_link_create_bridge(netlink, name, mac, &refusal)) {
        *ret_lost = g_error_matches(refusal, BANGER_ERROR, BANGER_ERROR_ALREADY_EXISTS);
        if (!*ret_lost)
            g_propagate_error(error, g_steal_pointer(&refusal));
        return *ret_lost;
    }
    if (!banger_link_find(netlink, name, ret_link, &found, error))
        return false;
    if (!found) {
        *ret_lost = true; /* deleted again at once */
        return true;
    }
    made = g_new(Made, 1);
    *made = (Made){netlink, ret_link->index};
    banger_undo_push(undo, undo_create, made, g_free);
    return true;
}

bool
banger_bridge_is_lent(const BangerSettings *settings, const BangerLink *link)
{
    return link->type == BANGER_LINK_BRIDGE && !banger_bridge_is_ours(link) &&
           banger_name_matches(link->name, settings->network->adopt_bridges);
}

/* Whether a bridge that does not bear our mark may have this name. */
static bool
check_name(const BangerSettings *settings, const char *name, GError **error)
{
    return banger_name_matches(name, settings->network->bridges) ||
           banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "bridge_name: \"%s\" matches none of the patterns of [Network] Bridges",
                            name);
}

/* Whether all ports of the bridge are TAPs such as the older helper made, and there is one. */
static bool
has_only_our_taps(BangerNetlink *netlink, const BangerSettings *settings, const BangerLink *bridge,
                  bool *ret_only, GError **error)
{
    g_autoptr(GArray) ports = banger_link_list_ports(netlink, bridge->index, error);
    bool only;

    if (ports == NULL)
        return false;
    only = ports->len > 0;
    for (unsigned int i = 0; i < ports->len; i++) {
        const BangerLink *port = &g_array_index(ports, BangerLink, i);

        only &= port->type == BANGER_LINK_TAP && banger_name_check_tap(port->name, NULL) &&
                port->has_owner && port->owner == settings->owner_uid;
    }
    *ret_only = only;
    return true;
}

/*
 * Marks the bridge of the older helper's, and the TAPs on it. Their guests are not registered: what
 * they send passes until they are. The TAPs come first: a bridge that is marked is not adopted
 * again.
 */
static bool
adopt_bridge(BangerNetlink *netlink, BangerLink *bridge, GError **error)
{
    const BangerLabel tap_label = {.open = true};
    const BangerLabel bridge_label = {.adopted = true};
    g_autofree char *tap_alias = banger_label_format(&tap_label);
    g_autofree char *bridge_alias = banger_label_format(&bridge_label);
    g_autoptr(GArray) ports = banger_link_list_ports(netlink, bridge->index, error);

    for (unsigned int i = 0; ports != NULL && i < ports->len; i++) {
        const BangerLink *port = &g_array_index(ports, BangerLink, i);

        if (!port->marked &&
            !banger_link_change(netlink, port, &(BangerLinkChange){.alias = tap_alias}, error))
            return false;
    }
    if (ports == NULL ||
        !banger_link_change(netlink, bridge,
                            &(BangerLinkChange){.alias = bridge_alias, .mac = bridge->mac}, error))
        return false;
    bridge->marked = true;
    (void)g_strlcpy(bridge->alias, bridge_alias, sizeof bridge->alias);
    return true;
}

/*
 * The bridge @link exists and is not ours: whether it may be used, and how; unless @check, as it is
 * to be.
 */
static bool
accept_foreign(BangerNetlink *netlink, const BangerSettings *settings, BangerLink *link,
               const GArray *addresses, const BangerLinkAddress *wanted, bool check, GError **error)
{
    g_autofree char *text = NULL;
    bool lent = banger_bridge_is_lent(settings, link);
    bool adoptable = false;

    if (!lent && !check_name(settings, link->name, NULL))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the bridge %s exists and is not of banger-helper's making",
                                link->name);
    if (banger_bridge_has_address(addresses, wanted)) {
        if (lent)
            return true;
        if (link->alias[0] == '\0' &&
            !has_only_our_taps(netlink, settings, link, &adoptable, error))
            return false;
        if (adoptable)
            return check || adopt_bridge(netlink, link, error);
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the bridge %s exists, is not of banger-helper's making, and has "
                                "not the ports of one that the older helper made",
                                link->name);
    }
    text = banger_address_format(&wanted->address);
    return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                            "the bridge %s exists, is not of banger-helper's making, and has not "
                            "the address %s/%u",
                            link->name, text, wanted->prefix);
}

/*
 * All checks of a bridge that is there; those of its address only if that is new to it. One of the
 * older helper's is adopted, unless @check: then nothing is changed.
 */
static bool
accept_existing(BangerNetlink *netlink, const BangerSettings *settings, BangerLink *link,
                const GArray *addresses, const BangerLinkAddress *wanted, bool check,
                GError **error)
{
    if (link->type != BANGER_LINK_BRIDGE)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the link %s exists and is not a bridge", link->name);
    if (!banger_bridge_is_ours(link))
        return accept_foreign(netlink, settings, link, addresses, wanted, check, error);
    if (banger_bridge_has_address(addresses, wanted))
        return true;
    return banger_collision_check_policy(settings->network, wanted, error) &&
           banger_bridge_check_readdress(netlink, link, addresses, wanted, error) &&
           banger_collision_check(netlink, settings->network, link->index, wanted, error);
}

/* All checks of a bridge that is not there. */
static bool
check_new(BangerNetlink *netlink, const BangerSettings *settings, const char *name,
          const BangerLinkAddress *wanted, GError **error)
{
    return check_name(settings, name, error) &&
           banger_collision_check_policy(settings->network, wanted, error) &&
           banger_collision_check(netlink, settings->network, 0, wanted, error);
}

/* Finds the bridge with its addresses, or makes it, without any. */
static bool
find_or_create(BangerNetlink *netlink, const BangerSettings *settings, const char *name,
               const BangerLinkAddress *wanted, BangerUndo *undo, BangerLink *ret_link,
               GArray **ret_addresses, bool *ret_created, GError **error)
{
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        g_autoptr(GArray) addresses = NULL;
        bool found;
        bool lost = false;

        if (!banger_link_find(netlink, name, ret_link, &found, error))
            return false;
        if (found) {
            addresses = banger_link_addresses(netlink, ret_link->index, AF_UNSPEC, error);
            if (addresses == NULL ||
                !accept_existing(netlink, settings, ret_link, addresses, wanted, false, error))
                return false;
        } else {
            addresses = g_array_new(FALSE, FALSE, sizeof(BangerLinkAddress));
            if (!check_new(netlink, settings, name, wanted, error) ||
                !create_bridge(netlink, name, undo, ret_link, &lost, error))
                return false;
        }
        if (!lost) {
            *ret_addresses = g_steal_pointer(&addresses);
            *ret_created = !found;
            return true;
        }
    }
    return banger_set_error(
        error, BANGER_ERROR_BUSY,
        "cannot create the bridge %s: another program keeps creating and deleting a link of that "
        "name",
        name);
}

BangerLinkAddress
banger_bridge_wanted_address(const BangerBridge *bridge)
{
    return (BangerLinkAddress){
        .address = bridge->bridge_ip,
        .prefix = (uint8_t)bridge->cidr.length,
    };
}

bool
banger_bridge_check(BangerNetlink *netlink, const BangerSettings *settings,
                    const BangerBridge *bridge, GError **error)
{
    const BangerLinkAddress wanted = banger_bridge_wanted_address(bridge);
    g_autoptr(GArray) addresses = NULL;
    BangerLink link;
    bool found;

    if (!banger_link_find(netlink, bridge->bridge_name, &link, &found, error))
        return false;
    if (!found)
        return check_new(netlink, settings, bridge->bridge_name, &wanted, error);
    addresses = banger_link_addresses(netlink, link.index, wanted.address.family, error);
    return addresses != NULL &&
           accept_existing(netlink, settings, &link, addresses, &wanted, true, error);
}

/* Two calls must not both find that their networks, which overlap, are free. */
static GMutex address_lock;

bool
banger_bridge_ensure(BangerNetlink *netlink, const BangerSettings *settings,
                     const BangerBridge *bridge, BangerUndo *undo, BangerLink *ret_link,
                     GArray **ret_addresses, BangerBridgeChange *change, GError **error)
{
    const BangerLinkAddress wanted = banger_bridge_wanted_address(bridge);
    g_auto(BangerBridgeChange) of_new = {0};
    g_autoptr(GArray) addresses = NULL;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&address_lock);
    BangerLink link;
    bool changed = false;

    (void)locker;
    if (!find_or_create(netlink, settings, bridge->bridge_name, &wanted, undo, &link, &addresses,
                        &change->created, error))
        return false;
    change->index = link.index;
    if (!banger_bridge_is_lent(settings, &link) &&
        !put_in_order(netlink, &link, addresses, &wanted, change->created ? &of_new : change,
                      &changed, error))
        return false;
    /* A new one has no carrier, and the kernel gives it no address yet. */
    if (changed && !change->created) {
        g_clear_pointer(&addresses, g_array_unref);
        addresses = banger_link_addresses(netlink, link.index, AF_UNSPEC, error);
        if (addresses == NULL)
            return false;
    }
    *ret_link = link;
    *ret_addresses = g_steal_pointer(&addresses);
    return true;
}

bool
banger_bridge_restore(BangerNetlink *netlink, const BangerBridge *bridge,
                      const BangerBridgeChange *change, BangerLink *ret_link)
{
    const BangerLinkAddress wanted = banger_bridge_wanted_address(bridge);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&address_lock);
    bool found;

    (void)locker;
    if (!banger_bridge_change_has_addresses(change) ||
        !banger_link_find(netlink, bridge->bridge_name, ret_link, &found, NULL) || !found ||
        ret_link->index != change->index || !banger_bridge_is_ours(ret_link))
        return false;
    banger_bridge_restore_addresses(netlink, ret_link, &wanted, change);
    return true;
}
