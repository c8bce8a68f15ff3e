/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/collision.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "util/error.h"

typedef struct {
    const BangerNetworkSettings *settings;
    int own;
    BangerSubnet network; /* the wanted one */

    /* The first route in the way. */
    bool found;
    bool is_default; /* it is the gateway of a default route that is in the way */
    BangerSubnet route;
    BangerAddress gateway;
    int link; /* 0: a route without one (unreachable, blackhole) */
} Search;

static BangerSubnet
network_of(const BangerLinkAddress *address)
{
    BangerSubnet network = {.address = address->address, .prefix = address->prefix};

    for (unsigned int bit = address->prefix; bit < banger_address_length(&network.address) * 8;
         bit++)
        network.address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    return network;
}

bool
banger_collision_check_policy(const BangerNetworkSettings *settings,
                              const BangerLinkAddress *wanted, GError **error)
{
    const BangerSubnet network = network_of(wanted);
    unsigned int minimum =
        network.address.family == AF_INET ? settings->minimum_prefix4 : settings->minimum_prefix6;
    g_autofree char *text = banger_subnet_format(&network);

    if (wanted->prefix < minimum)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "cidr: the network %s is larger than the /%u that [Network] "
                                "MinimumPrefix allows",
                                text, minimum);
    if (!banger_subnet_in_list(&network, settings->subnets))
        return banger_set_error(
            error, BANGER_ERROR_BAD_PARAMS,
            "bridge_ip: the network %s does not lie in one of [Network] Subnets", text);
    /* Or a guest could answer the host in the place of a cloud's metadata service. */
    for (unsigned int i = 0; i < settings->deny_destinations->len; i++)
        if (banger_subnet_overlaps(&network,
                                   &g_array_index(settings->deny_destinations, BangerSubnet, i)))
            return banger_set_error(
                error, BANGER_ERROR_BAD_PARAMS,
                "bridge_ip: the network %s has addresses of [Network] DenyDestinations", text);
    return true;
}

/* The name of the link with @index for a message. */
static char *
name_link(BangerNetlink *netlink, int index)
{
    BangerLink link;
    bool found = false;

    if (index != 0 && banger_link_find_index(netlink, index, &link, &found, NULL) && found)
        return g_strdup(link.name);
    return index == 0 ? g_strdup("no link") : g_strdup_printf("link number %d", index);
}

static bool
check_addresses(BangerNetlink *netlink, const Search *search, GError **error)
{
    g_autoptr(GArray) addresses = banger_link_list_addresses(netlink, error);

    if (addresses == NULL)
        return false;
    for (unsigned int i = 0; i < addresses->len; i++) {
        const BangerLinkAddress *address = &g_array_index(addresses, BangerLinkAddress, i);
        const BangerSubnet other = network_of(address);

        if (address->index != search->own && banger_subnet_overlaps(&other, &search->network)) {
            g_autofree char *link = name_link(netlink, address->index);
            g_autofree char *text = banger_address_format(&address->address);
            g_autofree char *network = banger_subnet_format(&search->network);

            return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                    "the network %s overlaps the address %s/%u of the link %s",
                                    network, text, address->prefix, link);
        }
    }
    return true;
}

static bool
get_address(struct nlattr *attribute, int family, BangerAddress *ret_address)
{
    BangerAddress address = {.family = family};

    if (attribute == NULL || (size_t)nla_len(attribute) != banger_address_length(&address))
        return false;
    memcpy(address.bytes, nla_data(attribute), (size_t)nla_len(attribute));
    *ret_address = address;
    return true;
}

/* A gateway of the other family (RTA_VIA) counts as one, but lies in no network of ours. */
static bool
get_gateway(struct nlattr **attributes, int family, BangerAddress *ret_gateway)
{
    return get_address(attributes[RTA_GATEWAY], family, ret_gateway) || attributes[RTA_VIA] != NULL;
}

/* One way of a route: by @link, through @gateway (family 0: none, or of another family). */
static void
look_at_way(Search *search, const BangerSubnet *route, int link, bool has_gateway,
            const BangerAddress *gateway)
{
    bool in_the_way;

    if (search->found || (link != 0 && link == search->own))
        return;
    if (route->prefix == 0) {
        in_the_way = has_gateway && banger_address_same_network(gateway, &search->network.address,
                                                                search->network.prefix);
        search->is_default = in_the_way;
    } else {
        in_the_way = banger_subnet_overlaps(route, &search->network);
        if (in_the_way && has_gateway && search->settings->subnets_are_configured &&
            route->prefix < search->network.prefix)
            for (unsigned int i = 0; in_the_way && i < search->settings->subnets->len; i++) {
                const BangerSubnet *subnet =
                    &g_array_index(search->settings->subnets, BangerSubnet, i);

                in_the_way = !(banger_subnet_contains(route, subnet) &&
                               banger_subnet_contains(subnet, &search->network));
            }
    }
    if (!in_the_way)
        return;
    search->found = true;
    search->route = *route;
    search->gateway = *gateway;
    search->link = link;
}

static void
look_at_ways(Search *search, const BangerSubnet *route, struct nlattr *multipath)
{
    struct rtnexthop *hop = nla_data(multipath);
    int left = nla_len(multipath);

    while (left >= (int)sizeof *hop && hop->rtnh_len >= sizeof *hop && hop->rtnh_len <= left) {
        struct nlattr *attributes[RTA_MAX + 1] = {NULL};
        BangerAddress gateway = {0};
        bool has_gateway = false;

        if (nla_parse(attributes, RTA_MAX, (struct nlattr *)(void *)(hop + 1),
                      hop->rtnh_len - (int)sizeof *hop, NULL) >= 0)
            has_gateway = get_gateway(attributes, route->address.family, &gateway);
        look_at_way(search, route, hop->rtnh_ifindex, has_gateway, &gateway);
        left -= (int)RTNH_ALIGN(hop->rtnh_len);
        hop = RTNH_NEXT(hop);
    }
}

static void
look_at_route(struct nlmsghdr *header, void *user_data)
{
    Search *search = user_data;
    struct nlattr *attributes[RTA_MAX + 1] = {NULL};
    struct rtmsg *info = nlmsg_data(header);
    BangerSubnet route = {.address = {.family = search->network.address.family}};
    BangerAddress gateway = {0};
    bool has_gateway;

    if (header->nlmsg_type != RTM_NEWROUTE ||
        nlmsg_parse(header, sizeof *info, attributes, RTA_MAX, NULL) < 0 ||
        info->rtm_family != search->network.address.family || (info->rtm_flags & RTM_F_CLONED))
        return;
    /* What follows from addresses, which have been looked at. */
    if (info->rtm_type == RTN_LOCAL || info->rtm_type == RTN_BROADCAST ||
        info->rtm_type == RTN_ANYCAST || info->rtm_type == RTN_MULTICAST)
        return;
    if (info->rtm_dst_len > 0 &&
        !get_address(attributes[RTA_DST], info->rtm_family, &route.address))
        return;
    route.prefix = info->rtm_dst_len;
    if (attributes[RTA_MULTIPATH] != NULL) {
        look_at_ways(search, &route, attributes[RTA_MULTIPATH]);
        return;
    }
    has_gateway = get_gateway(attributes, info->rtm_family, &gateway);
    look_at_way(search, &route,
                attributes[RTA_OIF] != NULL ? (int)nla_get_u32(attributes[RTA_OIF]) : 0,
                has_gateway, &gateway);
}

static void
restart_search(void *user_data)
{
    Search *search = user_data;

    search->found = false;
}

/* Looks at all routes; the first in the way is in @search then. */
static bool
find_route_in_the_way(BangerNetlink *netlink, Search *search, GError **error)
{
    const struct rtmsg info = {.rtm_family = (uint8_t)search->network.address.family};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_GETROUTE, NLM_F_DUMP, &info, sizeof info);
    int errnum = banger_netlink_dump(netlink, message, restart_search, look_at_route, search);

    /* EOPNOTSUPP: a kernel without this family. */
    if (errnum != 0 && errnum != EOPNOTSUPP)
        return banger_set_error(error, banger_netlink_code(errnum), "cannot list the routes: %s",
                                banger_netlink_words(netlink));
    return true;
}

static bool
check_route(BangerNetlink *netlink, const Search *search, GError **error)
{
    g_autofree char *network = banger_subnet_format(&search->network);
    g_autofree char *link = NULL;

    if (!search->found)
        return true;
    link = name_link(netlink, search->link);
    if (search->is_default) {
        g_autofree char *gateway = banger_address_format(&search->gateway);

        return banger_set_error(
            error, BANGER_ERROR_ALREADY_EXISTS,
            "the network %s contains the gateway %s of the default route by the "
            "link %s",
            network, gateway, link);
    }
    g_autofree char *route = banger_subnet_format(&search->route);

    return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                            "the network %s overlaps the route to %s, by %s%s", network, route,
                            search->link != 0 ? "the link " : "", link);
}

bool
banger_collision_check(BangerNetlink *netlink, const BangerNetworkSettings *settings, int own,
                       const BangerLinkAddress *wanted, GError **error)
{
    Search search = {.settings = settings, .own = own, .network = network_of(wanted)};

    return check_addresses(netlink, &search, error) &&
           find_route_in_the_way(netlink, &search, error) && check_route(netlink, &search, error);
}
