/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/network-list.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "network/bridge.h"
#include "network/label.h"
#include "network/link.h"
#include "network/resolve1-list.h"

void
banger_tap_info_free(gpointer tap)
{
    BangerTapInfo *info = tap;

    g_free(info->name);
    g_free(info->bridge);
    g_strfreev(info->guest_ips);
    g_free(info->machine);
    g_free(info);
}

void
banger_bridge_info_free(gpointer bridge)
{
    BangerBridgeInfo *info = bridge;

    g_free(info->name);
    g_strfreev(info->addresses);
    g_free(info->resolver);
    g_free(info);
}

static bool
is_our_tap(const BangerLink *link)
{
    return link->type == BANGER_LINK_TAP && link->marked;
}

/* What the TAP's label has on record. */
static void
read_label(const char *alias, BangerTapInfo *info)
{
    BangerLabel label;

    banger_label_parse(alias, &label);
    info->machine = g_strdup(label.vm);
    info->made_at_s = label.made_at_s;
    info->guest_ips = g_new0(char *, label.n_guests + 1);
    for (unsigned int i = 0; i < label.n_guests; i++) {
        info->guest_ips[i] = banger_address_format(&label.guests[i].address);
        info->nat |= label.guests[i].nat;
    }
}

static void
add_tap(GHashTable *taps, const BangerLink *link, const BangerLink *bridge)
{
    BangerTapInfo *info = g_new0(BangerTapInfo, 1);

    info->name = g_strdup(link->name);
    info->bridge = g_strdup(bridge != NULL ? bridge->name : "");
    info->owner = link->has_owner ? link->owner : (uid_t)UINT32_MAX;
    info->mtu = link->mtu;
    info->attached = link->carrier;
    read_label(link->alias, info);
    g_hash_table_insert(taps, info->name, info);
}

/* The addresses of the link with @index, in text, those of the kernel's own making left out. */
static char **
format_addresses(const GArray *addresses, int index)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (unsigned int i = 0; i < addresses->len; i++) {
        const BangerLinkAddress *address = &g_array_index(addresses, BangerLinkAddress, i);
        g_autofree char *text = NULL;

        if (address->index != index || banger_address_is_link_local(&address->address))
            continue;
        text = banger_address_format(&address->address);
        g_ptr_array_add(texts, g_strdup_printf("%s/%u", text, address->prefix));
    }
    g_ptr_array_add(texts, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&texts), FALSE);
}

static void
add_bridge(GHashTable *bridges, const BangerLink *link, const GArray *addresses,
           GHashTable *resolvers)
{
    BangerBridgeInfo *info = g_new0(BangerBridgeInfo, 1);
    BangerLabel label;
    const char *resolver =
        resolvers != NULL ? g_hash_table_lookup(resolvers, GINT_TO_POINTER(link->index)) : NULL;

    info->name = g_strdup(link->name);
    info->addresses = format_addresses(addresses, link->index);
    banger_label_parse(link->alias, &label);
    info->made_at_s = label.made_at_s;
    info->resolver = g_strdup(resolver != NULL ? resolver : "");
    g_hash_table_insert(bridges, info->name, info);
}

/* Index to link, of the links in @links that are bridges. */
static GHashTable *
index_bridges(const GArray *links)
{
    GHashTable *bridges = g_hash_table_new(NULL, NULL);

    for (unsigned int i = 0; i < links->len; i++) {
        BangerLink *link = &g_array_index(links, BangerLink, i);

        if (link->type == BANGER_LINK_BRIDGE)
            g_hash_table_insert(bridges, GINT_TO_POINTER(link->index), link);
    }
    return bridges;
}

static bool
list_bridges(BangerNetlink *netlink, const GArray *links, GHashTable *by_index, GHashTable *bridges,
             bool with_resolvers, GError **error)
{
    g_autoptr(GArray) addresses = banger_link_list_addresses(netlink, error);
    g_autoptr(GHashTable) resolvers = NULL;

    if (addresses == NULL)
        return false;
    resolvers = with_resolvers ? banger_resolve1_list() : NULL;
    for (unsigned int i = 0; i < links->len; i++) {
        const BangerLink *link = &g_array_index(links, BangerLink, i);

        if (banger_bridge_is_ours(link))
            add_bridge(bridges, link, addresses, resolvers);
    }
    for (unsigned int i = 0; i < links->len; i++) {
        const BangerLink *link = &g_array_index(links, BangerLink, i);
        const BangerLink *master = g_hash_table_lookup(by_index, GINT_TO_POINTER(link->master));
        BangerBridgeInfo *info = master != NULL ? g_hash_table_lookup(bridges, master->name) : NULL;

        if (info != NULL)
            info->ports++;
    }
    return true;
}

bool
banger_network_list(GHashTable *taps, GHashTable *bridges, bool resolvers, GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GArray) links = netlink != NULL ? banger_link_list(netlink, error) : NULL;
    g_autoptr(GHashTable) by_index = NULL;

    if (links == NULL)
        return false;
    by_index = index_bridges(links);
    for (unsigned int i = 0; taps != NULL && i < links->len; i++) {
        const BangerLink *link = &g_array_index(links, BangerLink, i);

        if (is_our_tap(link))
            add_tap(taps, link, g_hash_table_lookup(by_index, GINT_TO_POINTER(link->master)));
    }
    return bridges == NULL || list_bridges(netlink, links, by_index, bridges, resolvers, error);
}

bool
banger_network_find_tap(const char *name, GHashTable *taps, GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, error);
    BangerLink link, bridge;
    bool found, found_bridge = false;

    if (netlink == NULL || !banger_link_find(netlink, name, &link, &found, error))
        return false;
    if (!found || !is_our_tap(&link))
        return true;
    if (link.master != 0 &&
        !banger_link_find_index(netlink, link.master, &bridge, &found_bridge, error))
        return false;
    add_tap(taps, &link, found_bridge ? &bridge : NULL);
    return true;
}
