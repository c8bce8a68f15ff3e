/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/network-host.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "network/bridge.h"
#include "network/collision.h"
#include "network/filter-rules.h"
#include "network/firewalls.h"
#include "network/forwarding.h"
#include "network/network-list.h"
#include "network/nft.h"
#include "network/resolve1-list.h"
#include "network/sysctl.h"
#include "network/tap.h"
#include "util/fd.h"

#define TUN "/dev/net/tun"

/*
 * IP forwarding, which guests with NAT need, and which another program may have switched off since.
 */
static const struct {
    const char *name, *setting;
    char mark; /* what an address of the family has */
} forwarding[] = {
    {"IPv4", "net/ipv4/ip_forward", '.'},
    {"IPv6", "net/ipv6/conf/all/forwarding", ':'},
};

/*
 * The first TAP with a guest that has NAT and an address with @mark in it; NULL if there is none.
 */
static const BangerTapInfo *
find_guest(GHashTable *taps, char mark)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, taps);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const BangerTapInfo *tap = value;

        for (char **ip = tap->guest_ips; tap->nat && *ip != NULL; ip++)
            if (strchr(*ip, mark) != NULL)
                return tap;
    }
    return NULL;
}

/* What was set up for guests, and taken away by another program. */
static void
warn_of_guests(BangerNetlink *netlink, GPtrArray *warnings)
{
    g_autoptr(GHashTable) taps =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, banger_tap_info_free);
    bool exists = true;

    if (!banger_network_list(taps, NULL, false, NULL))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(forwarding); i++) {
        const BangerTapInfo *tap = find_guest(taps, forwarding[i].mark);
        bool is_off = false;

        if (tap == NULL)
            continue;
        if (banger_sysctl_is(forwarding[i].setting, "0", &is_off, NULL) && is_off)
            g_ptr_array_add(warnings,
                            g_strdup_printf("%s forwarding is off (%s), which the guest "
                                            "of %s needs",
                                            forwarding[i].name, forwarding[i].setting, tap->name));
        if (exists &&
            banger_nft_chain_exists(netlink, NFPROTO_INET, BANGER_FILTER_TABLE, "forward", &exists,
                                    NULL) &&
            !exists)
            g_ptr_array_add(warnings, g_strdup_printf("the nftables table inet " BANGER_FILTER_TABLE
                                                      " is gone, which the guest of %s needs",
                                                      tap->name));
    }
}

/* So many bridges are compared with all that the host has, each by a list of its own. */
#define BRIDGES_MAX 64

/* What has the network of our bridge @link besides: it was not there when that was made. */
static bool
warn_of_collisions(BangerNetlink *route, const BangerSettings *settings, const BangerLink *link,
                   GPtrArray *warnings, GError **error)
{
    g_autoptr(GArray) addresses = banger_link_addresses(route, link->index, AF_UNSPEC, error);

    for (unsigned int i = 0; addresses != NULL && i < addresses->len; i++) {
        const BangerLinkAddress *address = &g_array_index(addresses, BangerLinkAddress, i);
        g_autoptr(GError) reason = NULL;

        if (!banger_address_is_link_local(&address->address) &&
            !banger_collision_check(route, settings->network, link->index, address, &reason))
            g_ptr_array_add(warnings,
                            g_strdup_printf("the bridge %s: %s", link->name, reason->message));
    }
    return addresses != NULL;
}

static bool
warn_of_links(const BangerSettings *settings, BangerNetlink *netfilter, GPtrArray *warnings,
              GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GArray) links = route != NULL ? banger_link_list(route, error) : NULL;
    unsigned int bridges = 0;

    if (links == NULL)
        return false;
    for (unsigned int i = 0; i < links->len && bridges < BRIDGES_MAX; i++) {
        const BangerLink *link = &g_array_index(links, BangerLink, i);

        if (!banger_bridge_is_ours(link))
            continue;
        bridges++;
        if (!warn_of_collisions(route, settings, link, warnings, error))
            return false;
    }
    return banger_forwarding_warn(netfilter, route, links, warnings, error);
}

static void
warn_of_driver(GPtrArray *warnings)
{
    g_autoptr(GError) error = NULL;
    banger_autofd int fd = banger_tap_open_driver(&error);

    if (fd < 0 && banger_error_code(error) == BANGER_ERROR_NOT_SUPPORTED)
        g_ptr_array_add(warnings, g_strdup(TUN " is not there: TAPs cannot be made without the "
                                               "kernel's module tun"));
}

void
banger_network_describe_host(const BangerSettings *settings, GPtrArray *features,
                             GPtrArray *warnings)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, &error);
    g_autoptr(GString) text = g_string_new("");
    g_auto(GStrv) lines = NULL;

    if (netlink != NULL && banger_firewalls_warn(netlink, text, &error)) {
        g_ptr_array_add(features, g_strdup("nat-ipv4"));
        if (access("/proc/sys/net/ipv6", F_OK) == 0)
            g_ptr_array_add(features, g_strdup("nat-ipv6"));
    }
    if (error != NULL)
        g_ptr_array_add(warnings, g_strdup_printf("nftables cannot be read: %s", error->message));
    else if (!warn_of_links(settings, netlink, warnings, &error))
        g_ptr_array_add(warnings, g_strdup_printf("the links cannot be read: %s", error->message));
    if (netlink != NULL)
        warn_of_guests(netlink, warnings);
    warn_of_driver(warnings);
    if (banger_resolve1_is_there())
        g_ptr_array_add(features, g_strdup("resolved"));
    lines = g_strsplit(text->str, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        if (**line != '\0')
            g_ptr_array_add(warnings, g_strdup(*line));
}
