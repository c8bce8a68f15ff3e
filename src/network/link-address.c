/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "network/link.h"
#include "util/error.h"

typedef struct {
    GArray *addresses;
    int index;  /* 0: of all links */
    int family; /* AF_UNSPEC: of both */
} AddressList;

static void
collect_address(struct nlmsghdr *header, void *user_data)
{
    AddressList *list = user_data;
    struct nlattr *attributes[IFA_MAX + 1] = {NULL};
    struct ifaddrmsg *info = nlmsg_data(header);
    BangerLinkAddress entry = {0};
    struct nlattr *bytes;

    if (header->nlmsg_type != RTM_NEWADDR ||
        nlmsg_parse(header, sizeof *info, attributes, IFA_MAX, NULL) < 0)
        return;
    /* An older kernel does not filter the dump. */
    if ((list->index != 0 && (int)info->ifa_index != list->index) ||
        (list->family != AF_UNSPEC && info->ifa_family != list->family))
        return;
    if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
        return;
    entry.address.family = info->ifa_family;
    /* IFA_ADDRESS is the peer's where there is one. */
    bytes = attributes[IFA_LOCAL] != NULL ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
    if (bytes == NULL || (size_t)nla_len(bytes) != banger_address_length(&entry.address))
        return;
    memcpy(entry.address.bytes, nla_data(bytes), (size_t)nla_len(bytes));
    entry.prefix = info->ifa_prefixlen;
    entry.index = (int)info->ifa_index;
    g_array_append_val(list->addresses, entry);
}

static void
forget_addresses(void *user_data)
{
    const AddressList *list = user_data;

    g_array_set_size(list->addresses, 0);
}

/* What the kernel refused with goes to *@ret_errnum, and NULL is returned. */
static GArray *
dump_addresses(BangerNetlink *netlink, int index, int family, int *ret_errnum)
{
    g_autoptr(GArray) addresses = g_array_new(FALSE, FALSE, sizeof(BangerLinkAddress));
    AddressList list = {.addresses = addresses, .index = index, .family = family};
    const struct ifaddrmsg info = {.ifa_family = (uint8_t)family, .ifa_index = (uint32_t)index};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_GETADDR, NLM_F_DUMP, &info, sizeof info);
    int errnum = banger_netlink_dump(netlink, message, forget_addresses, collect_address, &list);

    /* A link that is gone has no addresses; whoever uses it next will say so. */
    if (errnum != 0 && errnum != ENODEV) {
        *ret_errnum = errnum;
        return NULL;
    }
    return g_steal_pointer(&addresses);
}

GArray *
banger_link_addresses(BangerNetlink *netlink, int index, int family, GError **error)
{
    int errnum = 0;
    GArray *addresses = dump_addresses(netlink, index, family, &errnum);

    if (addresses == NULL)
        (void)banger_set_error(error, banger_netlink_code(errnum),
                               "cannot list the addresses of link number %d: %s", index,
                               banger_netlink_words(netlink));
    return addresses;
}

GArray *
banger_link_list_addresses(BangerNetlink *netlink, GError **error)
{
    int errnum = 0;
    GArray *addresses = dump_addresses(netlink, 0, AF_UNSPEC, &errnum);

    if (addresses == NULL)
        (void)banger_set_error(error, banger_netlink_code(errnum), "cannot list the addresses: %s",
                               banger_netlink_words(netlink));
    return addresses;
}

static void
parse_route(struct nlmsghdr *header, void *user_data)
{
    uint32_t *index = user_data;
    struct nlattr *attributes[RTA_MAX + 1] = {NULL};

    if (header->nlmsg_type == RTM_NEWROUTE &&
        nlmsg_parse(header, sizeof(struct rtmsg), attributes, RTA_MAX, NULL) >= 0 &&
        attributes[RTA_OIF] != NULL)
        *index = nla_get_u32(attributes[RTA_OIF]);
}

bool
banger_link_towards(BangerNetlink *netlink, const BangerAddress *address, BangerLink *ret_link,
                    bool *ret_found, GError **error)
{
    size_t length = banger_address_length(address);
    const struct rtmsg info = {.rtm_family = (uint8_t)address->family,
                               .rtm_dst_len = (uint8_t)(length * 8)};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_GETROUTE, 0, &info, sizeof info);
    g_autofree char *text = banger_address_format(address);
    uint32_t index = 0;
    int errnum;

    (void)nla_put(message, RTA_DST, (int)length, address->bytes);
    errnum = banger_netlink_run(netlink, message, parse_route, &index);
    if (errnum == ETIMEDOUT)
        return banger_set_error(error, BANGER_ERROR_TIMEOUT, "cannot look up the way to %s: %s",
                                text, banger_netlink_words(netlink));
    /* No route, or one that refuses: each kind has an errno of its own. */
    if (errnum != 0 || index == 0) {
        *ret_found = false;
        return true;
    }
    return banger_link_find_index(netlink, (int)index, ret_link, ret_found, error);
}

static int
send_address(BangerNetlink *netlink, int type, int flags, int index,
             const BangerLinkAddress *address)
{
    const BangerAddress *bytes = &address->address;
    const struct ifaddrmsg info = {
        .ifa_family = (uint8_t)bytes->family,
        .ifa_prefixlen = address->prefix,
        .ifa_flags = bytes->family == AF_INET6 ? IFA_F_NODAD : 0,
        .ifa_scope = RT_SCOPE_UNIVERSE,
        .ifa_index = (uint32_t)index,
    };
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(type, flags, &info, sizeof info);

    (void)nla_put(message, IFA_LOCAL, (int)banger_address_length(bytes), bytes->bytes);
    (void)nla_put(message, IFA_ADDRESS, (int)banger_address_length(bytes), bytes->bytes);
    return banger_netlink_run(netlink, message, NULL, NULL);
}

bool
banger_link_add_address(BangerNetlink *netlink, int index, const BangerLinkAddress *address,
                        GError **error)
{
    g_autofree char *text = banger_address_format(&address->address);
    int errnum = send_address(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address);

    if (errnum == 0 || errnum == EEXIST)
        return true;
    return banger_set_error(error,
                            errnum == ENODEV ? BANGER_ERROR_NOT_FOUND : banger_netlink_code(errnum),
                            "cannot set the address %s/%u on link number %d: %s", text,
                            address->prefix, index, banger_netlink_words(netlink));
}

bool
banger_link_delete_address(BangerNetlink *netlink, int index, const BangerLinkAddress *address,
                           GError **error)
{
    g_autofree char *text = banger_address_format(&address->address);
    int errnum = send_address(netlink, RTM_DELADDR, 0, index, address);

    if (errnum == 0 || errnum == EADDRNOTAVAIL || errnum == ENODEV)
        return true;
    return banger_set_error(error, banger_netlink_code(errnum),
                            "cannot take the address %s/%u from link number %d: %s", text,
                            address->prefix, index, banger_netlink_words(netlink));
}

static void
take_default_route(struct nlmsghdr *header, void *user_data)
{
    struct nlattr *attributes[RTA_MAX + 1] = {NULL};
    const struct rtmsg *info = nlmsg_data(header);

    if (header->nlmsg_type == RTM_NEWROUTE && info->rtm_dst_len == 0 &&
        nlmsg_parse(header, sizeof *info, attributes, RTA_MAX, NULL) >= 0 &&
        attributes[RTA_OIF] != NULL)
        g_hash_table_add(user_data, GUINT_TO_POINTER(nla_get_u32(attributes[RTA_OIF])));
}

static void
forget_routes(void *user_data)
{
    g_hash_table_remove_all(user_data);
}

GHashTable *
banger_link_list_uplinks(BangerNetlink *netlink, int family, GError **error)
{
    const struct rtmsg info = {.rtm_family = (uint8_t)family};
    g_autoptr(GHashTable) indices = g_hash_table_new(NULL, NULL);
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_GETROUTE, NLM_F_DUMP, &info, sizeof info);
    int errnum = banger_netlink_dump(netlink, message, forget_routes, take_default_route, indices);

    if (errnum == 0)
        return g_steal_pointer(&indices);
    (void)banger_set_error(error, banger_netlink_code(errnum), "cannot list the routes: %s",
                           banger_netlink_words(netlink));
    return NULL;
}
