/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ops/bridge.h"

#include <string.h>
#include <systemd/sd-id128.h>

#include "model/address.h"
#include "model/settings.h"
#include "sys/sysctl.h"
#include "util/error.h"

/* The name may be taken, and given up again, between a look and an exclusive create. */
#define ATTEMPTS 8

/* Ours among the identities that sd_id128_get_machine_app_specific(3) derives. */
#define MAC_APPLICATION                                                                            \
    SD_ID128_MAKE(6e, 5d, 1b, 0f, 2a, 7c, 4d, 0e, 9b, 43, 8a, 71, c5, 1e, 90, 2d)

/*
 * The fixed MAC of the bridge @name on this machine. Without one the kernel gives the bridge the
 * lowest MAC of its ports, which changes under the guests' feet as TAPs come and go.
 */
static void
derive_mac(const char *name, uint8_t ret_mac[BANGER_MAC_LENGTH])
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    sd_id128_t machine = SD_ID128_NULL;
    guint8 digest[32];
    gsize length = sizeof digest;

    /* A machine without an id (a container image) is as good as any other such machine. */
    (void)sd_id128_get_machine_app_specific(MAC_APPLICATION, &machine);
    g_checksum_update(checksum, machine.bytes, sizeof machine.bytes);
    g_checksum_update(checksum, (const guchar *)name, (gssize)strlen(name));
    g_checksum_get_digest(checksum, digest, &length);
    memcpy(ret_mac, digest, BANGER_MAC_LENGTH);
    /* Locally administered, unicast. */
    ret_mac[0] = (uint8_t)((ret_mac[0] & 0xfc) | 0x02);
}

bool
banger_bridge_is_ours(const BangerLink *link)
{
    uint8_t mac[BANGER_MAC_LENGTH];

    if (link->type != BANGER_LINK_BRIDGE)
        return false;
    if (link->marked)
        return true;
    derive_mac(link->name, mac);
    return memcmp(link->mac, mac, sizeof mac) == 0;
}

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
    if (address != NULL)
        step->address = *address;
    banger_undo_push(undo, take_back, step, g_free);
}

static void
undo_create(gpointer data)
{
    const Step *step = data;

    (void)banger_link_delete(step->netlink, step->index, NULL);
}

static void
undo_add_address(gpointer data)
{
    const Step *step = data;

    (void)banger_link_delete_address(step->netlink, step->index, &step->address, NULL);
}

static void
undo_delete_address(gpointer data)
{
    const Step *step = data;

    (void)banger_link_add_address(step->netlink, step->index, &step->address, NULL);
}

static bool
has_address(const GArray *addresses, const BangerLinkAddress *wanted)
{
    for (guint i = 0; i < addresses->len; i++) {
        const BangerLinkAddress *address = &g_array_index(addresses, BangerLinkAddress, i);

        if (address->prefix == wanted->prefix &&
            banger_address_equal(&address->address, &wanted->address))
            return true;
    }
    return false;
}

/*
 * Gives the bridge the address if it lacks it. It is then the wrong ones of the same family that
 * our bridge has, and they go first: where the subnet is the same, the kernel would take the new
 * one away with the old (secondary addresses follow their primary). While the wanted address is
 * there, others that an administrator added are nobody's business. Link-local ones never are wrong:
 * the kernel's own is among them.
 */
static bool
ensure_address(BangerNetlink *netlink, const BangerLink *link, const GArray *addresses,
               const BangerLinkAddress *wanted, BangerUndo *undo, GError **error)
{
    if (has_address(addresses, wanted))
        return true;
    for (guint i = 0; i < addresses->len; i++) {
        const BangerLinkAddress *wrong = &g_array_index(addresses, BangerLinkAddress, i);

        if (banger_address_is_link_local(&wrong->address))
            continue;
        if (!banger_link_delete_address(netlink, link->index, wrong, error))
            return false;
        push_step(undo, undo_delete_address, netlink, link->index, wrong);
    }
    if (!banger_link_add_address(netlink, link->index, wanted, error)) {
        g_prefix_error(error, "bridge %s: ", link->name);
        return false;
    }
    push_step(undo, undo_add_address, netlink, link->index, wanted);
    return true;
}

/* A router that a guest plays must not configure the host. */
static bool
ensure_no_router_advertisements(const BangerLink *link, GError **error)
{
    g_autofree char *path = g_strdup_printf("net/ipv6/conf/%s/accept_ra", link->name);
    g_autoptr(GError) refusal = NULL;

    if (link->ignores_routers || banger_sysctl_set(path, "0", &refusal))
        return true;
    /* A kernel without IPv6 has no such setting, and needs none. */
    if (g_error_matches(refusal, BANGER_ERROR, BANGER_ERROR_NOT_FOUND))
        return true;
    g_propagate_error(error, g_steal_pointer(&refusal));
    return false;
}

/* Brings our bridge @link into order; one message for all that a link can be told in one. */
static bool
put_in_order(BangerNetlink *netlink, const BangerLink *link, const GArray *addresses,
             const BangerLinkAddress *wanted, BangerUndo *undo, GError **error)
{
    uint8_t mac[BANGER_MAC_LENGTH];
    BangerLinkChange change = {
        .no_delay = link->forward_delay != 0,
        .mark = !link->marked,
        .up = !link->up,
    };

    derive_mac(link->name, mac);
    if (memcmp(mac, link->mac, sizeof mac) != 0)
        change.mac = mac;
    if (!ensure_no_router_advertisements(link, error) ||
        !ensure_address(netlink, link, addresses, wanted, undo, error))
        return false;
    /* The kernel looks at the delay first, and with STP on it refuses 0: a message of its own. */
    if (link->stp && !banger_link_change(netlink, link, &(BangerLinkChange){.no_stp = true}, error))
        return false;
    if (change.mac == NULL && !change.no_delay && !change.mark && !change.up)
        return true;
    return banger_link_change(netlink, link, &change, error);
}

/* One attempt at making the bridge; *@ret_lost if somebody else has just made one of that name. */
static bool
create(BangerNetlink *netlink, const char *name, BangerUndo *undo, BangerLink *ret_link,
       bool *ret_lost, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    uint8_t mac[BANGER_MAC_LENGTH];
    bool found;

    derive_mac(name, mac);
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
    push_step(undo, undo_create, netlink, ret_link->index, NULL);
    return true;
}

/* Finds or makes the link, whatever it turns out to be. */
static bool
find_or_create(BangerNetlink *netlink, const char *name, BangerUndo *undo, BangerLink *ret_link,
               bool *ret_created, GError **error)
{
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        bool found;
        bool lost;

        if (!banger_link_find(netlink, name, ret_link, &found, error))
            return false;
        *ret_created = !found;
        if (found)
            return true;
        if (!create(netlink, name, undo, ret_link, &lost, error))
            return false;
        if (!lost)
            return true;
    }
    return banger_set_error(
        error, BANGER_ERROR_BUSY,
        "cannot create the bridge %s: somebody else keeps creating and deleting "
        "a link of that name",
        name);
}

bool
banger_bridge_ensure(BangerNetlink *netlink, const BangerBridge *bridge, BangerUndo *undo,
                     BangerLink *ret_link, GError **error)
{
    const char *name = bridge->bridge_name;
    g_autoptr(GArray) addresses = NULL;
    BangerLinkAddress wanted;
    unsigned int prefix;
    BangerLink link;
    bool created;

    if (!banger_address_parse(bridge->bridge_ip, &wanted.address, error) ||
        !banger_prefix_parse(bridge->cidr, &wanted.address, &prefix, error))
        return false;
    wanted.prefix = (uint8_t)prefix;
    if (!find_or_create(netlink, name, undo, &link, &created, error))
        return false;
    if (link.type != BANGER_LINK_BRIDGE)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the link %s exists and is not a bridge", name);
    /* One that was just made has none yet. */
    addresses = created ? g_array_new(FALSE, FALSE, sizeof(BangerLinkAddress))
                        : banger_link_addresses(netlink, link.index, wanted.address.family, error);
    if (addresses == NULL)
        return false;
    if (!banger_bridge_is_ours(&link) && !has_address(addresses, &wanted))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the bridge %s exists, is not banger's, and has not the address "
                                "%s/%u that would make it",
                                name, bridge->bridge_ip, wanted.prefix);
    if (!put_in_order(netlink, &link, addresses, &wanted, undo, error))
        return false;
    *ret_link = link;
    return true;
}
