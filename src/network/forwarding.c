/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/forwarding.h"

#include <arpa/inet.h>
#include <linux/netconf.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "network/bridge.h"
#include "network/filter-element.h"
#include "network/filter.h"
#include "network/label.h"
#include "network/nft.h"
#include "network/sysctl.h"
#include "util/error.h"

#define LOOPBACK_INDEX 1
#define ACCEPT_RA_YES 1 /* while the host is no router */

static const struct {
    uint8_t family;
    const char *setting;
    BangerSetId closed;
} families[] = {
    {AF_INET, "net/ipv4/ip_forward", BANGER_SET_CLOSED4},
    {AF_INET6, "net/ipv6/conf/all/forwarding", BANGER_SET_CLOSED6},
};

static void
take_forwarding(struct nlmsghdr *header, void *user_data)
{
    struct nlattr *attributes[NETCONFA_MAX + 1] = {NULL};

    if (header->nlmsg_type == RTM_NEWNETCONF &&
        nlmsg_parse(header, sizeof(struct netconfmsg), attributes, NETCONFA_MAX, NULL) >= 0 &&
        attributes[NETCONFA_FORWARDING] != NULL)
        *(uint32_t *)user_data = nla_get_u32(attributes[NETCONFA_FORWARDING]);
}

/* Whether the host forwards, of families[@i]: its setting, by a shorter way than /proc/sys. */
static bool
is_forwarding(BangerNetlink *route, size_t i, bool *ret_is, GError **error)
{
    const struct netconfmsg info = {.ncm_family = families[i].family};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_GETNETCONF, 0, &info, sizeof info);
    uint32_t forwarding = 0;
    int errnum;

    (void)nla_put_u32(message, NETCONFA_IFINDEX, (uint32_t)NETCONFA_IFINDEX_ALL);
    errnum = banger_netlink_run(route, message, take_forwarding, &forwarding);
    if (errnum != 0)
        return banger_set_error(error, banger_netlink_code(errnum),
                                "cannot read the kernel setting %s: %s", families[i].setting,
                                banger_netlink_words(route));
    *ret_is = forwarding == 1;
    return true;
}

static bool
is_ours(const BangerLink *link)
{
    return link->marked || banger_bridge_is_ours(link);
}

/* A link by which the host may get its own address and routes; WireGuard's is none. */
static bool
takes_advertisements(const BangerLink *link)
{
    return link->routers && link->accept_ra == ACCEPT_RA_YES && link->type == BANGER_LINK_OTHER &&
           link->master == 0 && link->index != LOOPBACK_INDEX;
}

/* Lets the host hear the routers at @link though it forwards. */
static bool
keep_advertisements_of(const BangerLink *link, GError **error)
{
    g_autofree char *path = g_strdup_printf("net/ipv6/conf/%s/accept_ra", link->name);
    g_autoptr(GError) reason = NULL;

    return !takes_advertisements(link) || banger_sysctl_set_if_there(path, "2", &reason) ||
           banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED,
                            "IPv6 forwarding would make this host ignore the routers at the "
                            "link %s: %s",
                            link->name, reason->message);
}

static bool
keep_advertisements(const GArray *links, GError **error)
{
    for (unsigned int i = 0; i < links->len; i++)
        if (!keep_advertisements_of(&g_array_index(links, BangerLink, i), error))
            return false;
    return true;
}

/* Whether it was we who switched IPv6 forwarding on: the loopback is in the set then. */
static bool
is_router_by_us(BangerNetlink *netfilter, bool *ret_ours, GError **error)
{
    g_autoptr(GArray) elements = banger_elements_new();

    banger_elements_add_index(elements, BANGER_SET_CLOSED6, LOOPBACK_INDEX);
    return banger_nft_find_element(
        netfilter, &g_array_index(elements, BangerFilterElement, 0).element, ret_ours, error);
}

bool
banger_forwarding_look_after(BangerNetlink *netfilter, GString *warnings, GError **error)
{
    g_autoptr(BangerNetlink) route = NULL;
    g_autoptr(GArray) links = NULL;
    bool ours;

    if (!is_router_by_us(netfilter, &ours, error))
        return false;
    if (!ours)
        return true;
    route = banger_netlink_open(NETLINK_ROUTE, error);
    links = route != NULL ? banger_link_list(route, error) : NULL;
    for (unsigned int i = 0; links != NULL && i < links->len; i++) {
        g_autoptr(GError) reason = NULL;

        if (!keep_advertisements_of(&g_array_index(links, BangerLink, i), &reason))
            g_string_append_printf(warnings, "%s\n", reason->message);
    }
    return links != NULL;
}

/* Of the links by which guests' packets leave, those that would not forward the answers. */
static bool
warn_of_uplinks(BangerNetlink *route, const GArray *links, GPtrArray *warnings, GError **error)
{
    g_autoptr(GHashTable) uplinks = NULL;
    bool is_on = false;

    if (!is_forwarding(route, 0, &is_on, error))
        return false;
    if (!is_on)
        return true;
    uplinks = banger_link_list_uplinks(route, AF_INET, error);
    for (unsigned int i = 0; uplinks != NULL && i < links->len; i++) {
        const BangerLink *link = &g_array_index(links, BangerLink, i);

        if (link->forwards4 == 0 && g_hash_table_contains(uplinks, GINT_TO_POINTER(link->index)))
            g_ptr_array_add(warnings,
                            g_strdup_printf("the link %s forwards no IPv4 packets, and so no "
                                            "answers to guests: net.ipv4.conf.%s.forwarding is 0",
                                            link->name, link->name));
    }
    return uplinks != NULL;
}

bool
banger_forwarding_warn(BangerNetlink *netfilter, BangerNetlink *route, const GArray *links,
                       GPtrArray *warnings, GError **error)
{
    bool ours;

    if (!is_router_by_us(netfilter, &ours, error))
        return false;
    for (unsigned int i = 0; ours && i < links->len; i++)
        if (takes_advertisements(&g_array_index(links, BangerLink, i)))
            g_ptr_array_add(
                warnings,
                g_strdup_printf("the link %s, which came after EnsureNAT switched IPv6 forwarding "
                                "on, ignores its routers: accept_ra is 1; EnsureBridge or "
                                "EnsureNAT sets it to 2",
                                g_array_index(links, BangerLink, i).name));
    return warn_of_uplinks(route, links, warnings, error);
}

/* Enters the links that stand in the set of those between which nothing is forwarded. */
static bool
close_links(const BangerSettings *settings, const GArray *links, BangerSetId set, GError **error)
{
    g_autoptr(GArray) elements = banger_elements_new();
    const BangerFilterChange change = {.add = elements};

    for (unsigned int i = 0; i < links->len; i++) {
        const BangerLink *link = &g_array_index(links, BangerLink, i);

        /* The loopback forwards nothing: by it the set says that it was we, where it is alone. */
        if (!is_ours(link))
            banger_elements_add_index(elements, set, link->index);
    }
    return banger_filter_change(settings, &change, error);
}

/* Notes on our bridge that it was we. */
static bool
note_link(BangerNetlink *route, const BangerLink *interface, int family, GError **error)
{
    g_autofree char *alias = NULL;
    BangerLabel label;

    if (interface->type != BANGER_LINK_BRIDGE || !interface->marked)
        return true;
    banger_label_parse(interface->alias, &label);
    label.forwarding4 |= family == AF_INET;
    label.forwarding6 |= family == AF_INET6;
    alias = banger_label_format(&label);
    return alias == NULL ||
           banger_link_change(route, interface, &(BangerLinkChange){.alias = alias}, error);
}

/*
 * IPv4 is forwarded link by link: the switch for all sets each of those that stand, and a new link
 * takes the default, which may be another.
 */
static bool
forward_from(const BangerLink *interface, GError **error)
{
    g_autofree char *path = g_strdup_printf("net/ipv4/conf/%s/forwarding", interface->name);

    return interface->forwards4 != 0 || banger_sysctl_set(path, "1", error);
}

bool
banger_forwarding_ensure(const BangerSettings *settings, BangerNetlink *route,
                         const BangerLink *interface, int family, GError **error)
{
    size_t i = family == AF_INET ? 0 : 1;
    g_autoptr(GArray) links = NULL;
    bool is_on = false;

    if (!is_forwarding(route, i, &is_on, error))
        return false;
    if (is_on)
        return family != AF_INET || forward_from(interface, error);
    links = banger_link_list(route, error);
    return links != NULL && (family == AF_INET || keep_advertisements(links, error)) &&
           close_links(settings, links, families[i].closed, error) &&
           note_link(route, interface, family, error) &&
           banger_sysctl_set(families[i].setting, "1", error);
}

/* Whether the set of @i has elements, and whether all links of others are among them. */
static bool
look_at_closed(BangerNetlink *netfilter, const GArray *links, size_t i, bool *ret_any,
               bool *ret_all, GError **error)
{
    bool exists;
    g_autoptr(GPtrArray) keys =
        banger_nft_elements(netfilter, NFPROTO_INET, BANGER_FILTER_TABLE,
                            banger_sets[families[i].closed].name, &exists, error);
    g_autoptr(GHashTable) closed = g_hash_table_new(NULL, NULL);

    if (keys == NULL)
        return false;
    for (unsigned int j = 0; j < keys->len; j++) {
        gsize size;
        const void *key = g_bytes_get_data(g_ptr_array_index(keys, j), &size);
        uint32_t index = 0;

        memcpy(&index, key, MIN(size, sizeof index));
        g_hash_table_add(closed, GUINT_TO_POINTER(index));
    }
    *ret_any = keys->len > 0;
    *ret_all = true;
    for (unsigned int j = 0; j < links->len; j++) {
        int index = g_array_index(links, BangerLink, j).index;

        *ret_all &=
            index == LOOPBACK_INDEX || g_hash_table_contains(closed, GINT_TO_POINTER(index));
    }
    return true;
}

bool
banger_forwarding_end(BangerNetlink *netfilter, bool *ret_keep, GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GArray) links = route != NULL ? banger_link_list(route, error) : NULL;

    if (links == NULL)
        return false;
    *ret_keep = false;
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        bool any, all;

        if (!look_at_closed(netfilter, links, i, &any, &all, error))
            return false;
        if (any && all && !banger_sysctl_set(families[i].setting, "0", error))
            return false;
        *ret_keep |= any && !all;
    }
    return true;
}
