/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/network-records.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <string.h>

#include "model/names.h"
#include "network/bridge.h"
#include "network/filter-rules.h"
#include "network/filter.h"
#include "network/forwarding.h"
#include "network/guests.h"
#include "network/nft-batch.h"
#include "network/nft.h"

/* Adds @name if it is a TAP's, and of no link. */
static void
add_if_absent(GHashTable *names, const char *name)
{
    if (banger_name_check_tap(name, NULL) && if_nametoindex(name) == 0)
        (void)g_hash_table_add(names, g_strdup(name));
}

/* Adds those of the set of TAPs. */
static bool
add_elements(GHashTable *names, GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, error);
    g_autoptr(GPtrArray) keys = NULL;
    bool exists;

    if (netlink == NULL)
        return false;
    keys = banger_nft_elements(netlink, banger_sets[BANGER_SET_TAPS].family, BANGER_FILTER_TABLE,
                               banger_sets[BANGER_SET_TAPS].name, &exists, error);
    if (keys == NULL)
        return false;
    for (unsigned int i = 0; i < keys->len; i++) {
        gsize size;
        const char *key = g_bytes_get_data(g_ptr_array_index(keys, i), &size);
        g_autofree char *name = g_strndup(key, size);

        add_if_absent(names, name);
    }
    return true;
}

bool
banger_network_list_stale(GHashTable *names, GError **error)
{
    g_autoptr(GDir) files = g_dir_open(BANGER_TAP_FILES, 0, NULL);
    const char *name;

    while (files != NULL && (name = g_dir_read_name(files)) != NULL)
        add_if_absent(names, g_str_has_prefix(name, BANGER_TAP_DRAFT) ? name + 1 : name);
    return add_elements(names, error);
}

bool
banger_network_remove_stale(const BangerSettings *settings, const char *tap, bool *ret_gone,
                            GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    BangerLink link;
    bool found;

    if (route == NULL || !banger_link_find(route, tap, &link, &found, error))
        return false;
    *ret_gone = !found;
    return found || banger_guest_remove_stale(settings, route, tap, error);
}

/* Sees to it that forwarding is on for the guests of the TAP @tap that may leave their bridge. */
static bool
ensure_forwarding(const BangerSettings *settings, BangerNetlink *route, const BangerLink *tap,
                  GError **error)
{
    BangerLink interface;
    BangerLabel label;

    banger_label_parse(tap->alias, &label);
    for (unsigned int i = 0; i < label.n_guests; i++)
        if (label.guests[i].nat &&
            (!banger_guest_interface(route, tap, &interface, error) ||
             !banger_forwarding_ensure(settings, route, &interface, label.guests[i].address.family,
                                       error)))
            return false;
    return true;
}

/* Whether there is a link of ours in @links, or a table, which then has a purpose or is to go. */
static bool
is_anything_there(BangerNetlink *netfilter, const GArray *links, bool *ret_there, GError **error)
{
    g_auto(BangerNftTable) table = {0};

    *ret_there = false;
    for (unsigned int i = 0; !*ret_there && i < links->len; i++) {
        const BangerLink *link = &g_array_index(links, BangerLink, i);

        *ret_there = banger_bridge_is_ours(link) || (link->type == BANGER_LINK_TAP && link->marked);
    }
    if (*ret_there)
        return true;
    if (!banger_nft_find_table(netfilter, NFPROTO_INET, BANGER_FILTER_TABLE, &table, error))
        return false;
    *ret_there = table.exists;
    return true;
}

static bool
ensure_all_forwarding(const BangerSettings *settings, BangerNetlink *route, const GArray *links,
                      GError **error)
{
    for (unsigned int i = 0; i < links->len; i++) {
        const BangerLink *link = &g_array_index(links, BangerLink, i);

        if (link->type == BANGER_LINK_TAP && link->marked &&
            !ensure_forwarding(settings, route, link, error))
            return false;
    }
    return true;
}

bool
banger_network_put_back(const BangerSettings *settings, bool *ret_changed, GError **error)
{
    const BangerFilterChange no_change = {.add = NULL};
    g_autoptr(BangerNetlink) netfilter = banger_netlink_open(NETLINK_NETFILTER, error);
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GArray) links = NULL;
    uint32_t before, after;
    bool there;

    *ret_changed = false;
    if (netfilter == NULL || route == NULL)
        return false;
    links = banger_link_list(route, error);
    if (links == NULL || !is_anything_there(netfilter, links, &there, error))
        return false;
    if (!there)
        return true;
    if (!banger_nft_generation(netfilter, &before, error) ||
        !banger_filter_change_or_end(settings, &no_change, error) ||
        !ensure_all_forwarding(settings, route, links, error) ||
        !banger_nft_generation(netfilter, &after, error))
        return false;
    *ret_changed = before != after;
    return true;
}
