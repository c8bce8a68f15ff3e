/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/link.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "network/label.h"
#include "util/error.h"

/*
 * Copies the attribute's string into @buffer, truncated if it does not fit; "" without the
 * attribute.
 */
static void
copy_string(struct nlattr *attribute, char *buffer, size_t size)
{
    buffer[0] = '\0';
    if (attribute != NULL)
        (void)nla_strlcpy(buffer, attribute, size);
}

/* An attribute of exactly @size bytes, copied to @ret_value. */
static bool
get_value(struct nlattr *attribute, void *ret_value, size_t size)
{
    if (attribute == NULL || (size_t)nla_len(attribute) != size)
        return false;
    memcpy(ret_value, nla_data(attribute), size);
    return true;
}

static void
parse_bridge(struct nlattr *details, BangerLink *link)
{
    struct nlattr *attributes[IFLA_BR_MAX + 1] = {NULL};
    uint32_t stp = 0;

    link->type = BANGER_LINK_BRIDGE;
    if (details == NULL || nla_parse_nested(attributes, IFLA_BR_MAX, details, NULL) < 0)
        return;
    (void)get_value(attributes[IFLA_BR_STP_STATE], &stp, sizeof stp);
    (void)get_value(attributes[IFLA_BR_FORWARD_DELAY], &link->forward_delay,
                    sizeof link->forward_delay);
    link->stp = stp != 0;
}

static void
parse_tun(struct nlattr *details, BangerLink *link)
{
    struct nlattr *attributes[IFLA_TUN_MAX + 1] = {NULL};
    uint8_t type = 0;
    uint8_t persistent = 0;
    uint8_t multi_queue = 0;

    if (details == NULL || nla_parse_nested(attributes, IFLA_TUN_MAX, details, NULL) < 0)
        return;
    if (!get_value(attributes[IFLA_TUN_TYPE], &type, sizeof type) || type != IFF_TAP)
        return;
    link->type = BANGER_LINK_TAP;
    link->has_owner = get_value(attributes[IFLA_TUN_OWNER], &link->owner, sizeof link->owner);
    link->has_group = get_value(attributes[IFLA_TUN_GROUP], &link->group, sizeof link->group);
    (void)get_value(attributes[IFLA_TUN_PERSIST], &persistent, sizeof persistent);
    (void)get_value(attributes[IFLA_TUN_MULTI_QUEUE], &multi_queue, sizeof multi_queue);
    link->persistent = persistent != 0;
    link->multi_queue = multi_queue != 0;
}

/* From the IPv6 part of IFLA_AF_SPEC, which has what /proc/sys/net/ipv6/conf/<name> shows. */
static void
parse_ipv6(struct nlattr *families, BangerLink *link)
{
    struct nlattr *family = NULL;
    struct nlattr *attributes[IFLA_INET6_MAX + 1] = {NULL};
    int32_t settings[DEVCONF_ACCEPT_RA + 1];

    if (families != NULL)
        family = nla_find(nla_data(families), nla_len(families), AF_INET6);
    if (family == NULL || nla_parse_nested(attributes, IFLA_INET6_MAX, family, NULL) < 0 ||
        attributes[IFLA_INET6_CONF] == NULL ||
        (size_t)nla_len(attributes[IFLA_INET6_CONF]) < sizeof settings)
        return;
    memcpy(settings, nla_data(attributes[IFLA_INET6_CONF]), sizeof settings);
    link->accept_ra = settings[DEVCONF_ACCEPT_RA];
}

/* From the IPv4 part of IFLA_AF_SPEC: the settings in order, the first has the number 1. */
static void
parse_ipv4(struct nlattr *families, BangerLink *link)
{
    struct nlattr *family = NULL;
    struct nlattr *values = NULL;
    uint32_t settings[IPV4_DEVCONF_FORWARDING];

    if (families != NULL)
        family = nla_find(nla_data(families), nla_len(families), AF_INET);
    if (family != NULL)
        values = nla_find(nla_data(family), nla_len(family), IFLA_INET_CONF);
    if (values == NULL || (size_t)nla_len(values) < sizeof settings)
        return;
    memcpy(settings, nla_data(values), sizeof settings);
    link->forwards4 = (int)settings[IPV4_DEVCONF_FORWARDING - 1];
}

bool
banger_link_parse(struct nlmsghdr *header, BangerLink *ret_link)
{
    BangerLink link = {.accept_ra = -1, .forwards4 = -1};
    struct nlattr *attributes[IFLA_MAX + 1] = {NULL};
    struct nlattr *details[IFLA_INFO_MAX + 1] = {NULL};
    struct ifinfomsg *info = nlmsg_data(header);
    char kind[16] = "";
    uint32_t master = 0;
    uint8_t carrier = 0;

    if ((header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_DELLINK) ||
        nlmsg_parse(header, sizeof *info, attributes, IFLA_MAX, NULL) < 0)
        return false;
    link.index = info->ifi_index;
    link.up = (info->ifi_flags & IFF_UP) != 0;
    link.routers = info->ifi_type != ARPHRD_NONE || (info->ifi_flags & IFF_MULTICAST) != 0;
    copy_string(attributes[IFLA_IFNAME], link.name, sizeof link.name);
    copy_string(attributes[IFLA_IFALIAS], link.alias, sizeof link.alias);
    link.marked = banger_label_is_ours(link.alias);
    parse_ipv4(attributes[IFLA_AF_SPEC], &link);
    parse_ipv6(attributes[IFLA_AF_SPEC], &link);
    (void)get_value(attributes[IFLA_ADDRESS], link.mac, sizeof link.mac);
    (void)get_value(attributes[IFLA_MASTER], &master, sizeof master);
    (void)get_value(attributes[IFLA_CARRIER], &carrier, sizeof carrier);
    (void)get_value(attributes[IFLA_MTU], &link.mtu, sizeof link.mtu);
    link.master = (int)master;
    link.carrier = carrier != 0;
    if (attributes[IFLA_LINKINFO] != NULL &&
        nla_parse_nested(details, IFLA_INFO_MAX, attributes[IFLA_LINKINFO], NULL) >= 0)
        copy_string(details[IFLA_INFO_KIND], kind, sizeof kind);
    if (g_str_equal(kind, "bridge"))
        parse_bridge(details[IFLA_INFO_DATA], &link);
    else if (g_str_equal(kind, "tun"))
        parse_tun(details[IFLA_INFO_DATA], &link);
    *ret_link = link;
    return true;
}

static void
take_link(struct nlmsghdr *header, void *user_data)
{
    (void)banger_link_parse(header, user_data);
}

static void
collect_link(struct nlmsghdr *header, void *user_data)
{
    BangerLink link;

    if (banger_link_parse(header, &link))
        g_array_append_val((GArray *)user_data, link);
}

/* Completes and sends the RTM_GETLINK in @message. The errno of "no such link" is no failure. */
static bool
get_link(BangerNetlink *netlink, struct nl_msg *message, const char *what, BangerLink *ret_link,
         bool *ret_found, GError **error)
{
    BangerLink link = {0};
    int errnum;

    /* Counters are not wanted, and IPv6 adds its own up over all processors. */
    (void)nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    errnum = banger_netlink_run(netlink, message, take_link, &link);
    if (errnum != 0 && errnum != ENODEV)
        return banger_set_error(error, banger_netlink_code(errnum), "cannot look up link %s: %s",
                                what, banger_netlink_words(netlink));
    *ret_found = errnum == 0 && link.index != 0;
    if (*ret_found)
        *ret_link = link;
    return true;
}

bool
banger_link_find(BangerNetlink *netlink, const char *name, BangerLink *ret_link, bool *ret_found,
                 GError **error)
{
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_GETLINK, 0, &info, sizeof info);
    BangerLink link = {0};
    bool found = false;

    (void)nla_put_string(message, IFLA_IFNAME, name);
    if (!get_link(netlink, message, name, &link, &found, error))
        return false;
    if (found && !g_str_equal(link.name, name))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "%s is an alternative name of the link %s", name, link.name);
    if (found)
        *ret_link = link;
    *ret_found = found;
    return true;
}

bool
banger_link_find_index(BangerNetlink *netlink, int index, BangerLink *ret_link, bool *ret_found,
                       GError **error)
{
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = index};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_GETLINK, 0, &info, sizeof info);
    g_autofree char *what = g_strdup_printf("number %d", index);

    return get_link(netlink, message, what, ret_link, ret_found, error);
}

static void
forget_links(void *user_data)
{
    g_array_set_size(user_data, 0);
}

/* Those whose master is @master; 0: all. */
static GArray *
list_links(BangerNetlink *netlink, int master, GError **error)
{
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_GETLINK, NLM_F_DUMP, &info, sizeof info);
    g_autoptr(GArray) links = g_array_new(FALSE, FALSE, sizeof(BangerLink));
    int errnum;

    (void)nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    if (master != 0)
        (void)nla_put_u32(message, IFLA_MASTER, (uint32_t)master);
    errnum = banger_netlink_dump(netlink, message, forget_links, collect_link, links);
    if (errnum == 0)
        return g_steal_pointer(&links);
    (void)banger_set_error(error, banger_netlink_code(errnum), "cannot list the links: %s",
                           banger_netlink_words(netlink));
    return NULL;
}

GArray *
banger_link_list(BangerNetlink *netlink, GError **error)
{
    return list_links(netlink, 0, error);
}

GArray *
banger_link_list_ports(BangerNetlink *netlink, int bridge, GError **error)
{
    return list_links(netlink, bridge, error);
}

/* Adds IFLA_LINKINFO of a bridge: STP off, forward delay 0, or both. */
static void
put_bridge_details(struct nl_msg *message, bool no_stp, bool no_delay)
{
    struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO);

    (void)nla_put_string(message, IFLA_INFO_KIND, "bridge");
    struct nlattr *details = nla_nest_start(message, IFLA_INFO_DATA);
    if (no_stp)
        (void)nla_put_u32(message, IFLA_BR_STP_STATE, 0);
    if (no_delay)
        (void)nla_put_u32(message, IFLA_BR_FORWARD_DELAY, 0);
    (void)nla_nest_end(message, details);
    (void)nla_nest_end(message, info);
}

bool
banger_link_create_bridge(BangerNetlink *netlink, const char *name,
                          const uint8_t mac[BANGER_MAC_LENGTH], GError **error)
{
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
    int errnum;

    (void)nla_put_string(message, IFLA_IFNAME, name);
    (void)nla_put(message, IFLA_ADDRESS, BANGER_MAC_LENGTH, mac);
    put_bridge_details(message, true, true);
    errnum = banger_netlink_run(netlink, message, NULL, NULL);
    if (errnum == 0)
        return true;
    return banger_set_error(error,
                            errnum == EEXIST       ? BANGER_ERROR_ALREADY_EXISTS
                            : errnum == EOPNOTSUPP ? BANGER_ERROR_NOT_SUPPORTED
                                                   : banger_netlink_code(errnum),
                            "cannot create the bridge %s: %s", name, banger_netlink_words(netlink));
}

bool
banger_link_change(BangerNetlink *netlink, const BangerLink *link, const BangerLinkChange *change,
                   GError **error)
{
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC,
                                   .ifi_index = link->index,
                                   .ifi_flags = change->up ? IFF_UP : 0,
                                   .ifi_change = change->up ? IFF_UP : 0};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_NEWLINK, 0, &info, sizeof info);
    int errnum;

    if (change->mac != NULL)
        (void)nla_put(message, IFLA_ADDRESS, BANGER_MAC_LENGTH, change->mac);
    if (change->no_stp || change->no_delay)
        put_bridge_details(message, change->no_stp, change->no_delay);
    if (change->alias != NULL)
        (void)nla_put(message, IFLA_IFALIAS, (int)strlen(change->alias), change->alias);
    if (change->mtu != 0)
        (void)nla_put_u32(message, IFLA_MTU, change->mtu);
    if (change->master != 0)
        (void)nla_put_u32(message, IFLA_MASTER, (uint32_t)change->master);
    errnum = banger_netlink_run(netlink, message, NULL, NULL);
    if (errnum == 0)
        return true;
    if (errnum == EXFULL)
        return banger_set_error(error, BANGER_ERROR_BUSY,
                                "cannot make the link %s a port: the bridge has all the ports it "
                                "can have",
                                link->name);
    return banger_set_error(
        error, errnum == ENODEV ? BANGER_ERROR_NOT_FOUND : banger_netlink_code(errnum),
        "cannot set up the link %s: %s", link->name, banger_netlink_words(netlink));
}
