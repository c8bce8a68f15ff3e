/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>
#include <string.h>

#include "util/error.h"

/*
 * In CTA_FILTER_ORIG_FLAGS: compare the source address. The kernel has no name for it in its public
 * headers; libnetfilter_conntrack has the same number.
 */
#define FILTER_SOURCE (1u << 0)

/* With version 0 a deletion is of every family's flows, whatever the family says. */
#define VERSION_WITH_FAMILY 1

typedef struct {
    const BangerAddress *source;
    GPtrArray *tuples;    /* of GBytes: the payload of CTA_TUPLE_ORIG */
    GArray *zones;        /* of uint16_t, in network byte order */
    BangerFlowKeep *keep; /* NULL: none is kept */
    const void *data;
} Flows;

static struct nl_msg *
new_request(int type, int flags, int family)
{
    const struct nfgenmsg header = {.nfgen_family = (uint8_t)family,
                                    .version = VERSION_WITH_FAMILY};

    return banger_netlink_message(NFNL_SUBSYS_CTNETLINK << 8 | type, flags, &header, sizeof header);
}

static int
source_attribute(const BangerAddress *source)
{
    return source->family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC;
}

/*
 * Deletes the flows in one message (Linux 6.0), which is a hundred times faster than to list them:
 * a list locks every bucket of the table. Not for IPv6, where the kernel (6.18 at least) compares
 * the address the wrong way round and would delete everybody else's. @direction is CTA_TUPLE_ORIG
 * for those that @source began, CTA_TUPLE_REPLY for those that it answers.
 */
static int
forget_by_filter(BangerNetlink *netlink, const BangerAddress *source, int direction)
{
    g_autoptr(BangerNetlinkMessage) message = new_request(IPCTNL_MSG_CT_DELETE, 0, source->family);
    struct nlattr *tuple = nla_nest_start(message, direction | NLA_F_NESTED);
    struct nlattr *ip = nla_nest_start(message, CTA_TUPLE_IP | NLA_F_NESTED);
    struct nlattr *filter;

    (void)nla_put(message, source_attribute(source), (int)banger_address_length(source),
                  source->bytes);
    (void)nla_nest_end(message, ip);
    (void)nla_nest_end(message, tuple);
    filter = nla_nest_start(message, CTA_FILTER | NLA_F_NESTED);
    (void)nla_put_u32(message, CTA_FILTER_ORIG_FLAGS,
                      direction == CTA_TUPLE_ORIG ? FILTER_SOURCE : 0);
    (void)nla_put_u32(message, CTA_FILTER_REPLY_FLAGS,
                      direction == CTA_TUPLE_REPLY ? FILTER_SOURCE : 0);
    (void)nla_nest_end(message, filter);
    return banger_netlink_run(netlink, message, NULL, NULL);
}

/* Whether the flow with the tuple @tuple began at @source. */
static bool
is_from(struct nlattr *tuple, const BangerAddress *source)
{
    struct nlattr *ip = nla_find(nla_data(tuple), nla_len(tuple), CTA_TUPLE_IP);
    struct nlattr *address = NULL;
    size_t length = banger_address_length(source);

    if (ip != NULL)
        address = nla_find(nla_data(ip), nla_len(ip), source_attribute(source));
    return address != NULL && (size_t)nla_len(address) == length &&
           memcmp(nla_data(address), source->bytes, length) == 0;
}

/* The source of the flow's answers: where the guest's packets go, whatever NAT makes of it. */
static void
read_source(struct nlattr *tuple, int family, BangerAddress *ret_address, uint16_t *ret_port,
            uint8_t *ret_protocol)
{
    struct nlattr *ip = nla_find(nla_data(tuple), nla_len(tuple), CTA_TUPLE_IP);
    struct nlattr *proto = nla_find(nla_data(tuple), nla_len(tuple), CTA_TUPLE_PROTO);
    BangerAddress address = {.family = family};
    struct nlattr *found;

    found = ip == NULL ? NULL : nla_find(nla_data(ip), nla_len(ip), source_attribute(&address));
    if (found != NULL && (size_t)nla_len(found) == banger_address_length(&address))
        memcpy(address.bytes, nla_data(found), banger_address_length(&address));
    *ret_address = address;
    found = proto == NULL ? NULL : nla_find(nla_data(proto), nla_len(proto), CTA_PROTO_SRC_PORT);
    *ret_port = found != NULL ? ntohs(nla_get_u16(found)) : 0;
    found = proto == NULL ? NULL : nla_find(nla_data(proto), nla_len(proto), CTA_PROTO_NUM);
    *ret_protocol = found != NULL ? nla_get_u8(found) : 0;
}

static bool
is_kept(const Flows *flows, struct nlattr *original, struct nlattr *reply)
{
    int family = flows->source->family;
    BangerFlow flow = {.from_guest = is_from(original, flows->source)};

    if (flows->keep == NULL || reply == NULL)
        return false;
    if (flow.from_guest)
        read_source(reply, family, &flow.peer, &flow.peer_port, &flow.protocol);
    else {
        BangerAddress guest;

        read_source(original, family, &flow.peer, &flow.peer_port, &flow.protocol);
        read_source(reply, family, &guest, &flow.guest_port, &flow.protocol);
    }
    return flows->keep(&flow, flows->data);
}

static void
collect_flow(struct nlmsghdr *header, void *user_data)
{
    Flows *flows = user_data;
    struct nlattr *attributes[CTA_MAX + 1] = {NULL};
    struct nlattr *tuple;
    uint16_t zone = 0;

    if (header->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
        nlmsg_parse(header, sizeof(struct nfgenmsg), attributes, CTA_MAX, NULL) < 0)
        return;
    tuple = attributes[CTA_TUPLE_ORIG];
    if (tuple == NULL ||
        (!is_from(tuple, flows->source) && (attributes[CTA_TUPLE_REPLY] == NULL ||
                                            !is_from(attributes[CTA_TUPLE_REPLY], flows->source))))
        return;
    if (is_kept(flows, tuple, attributes[CTA_TUPLE_REPLY]))
        return;
    if (attributes[CTA_ZONE] != NULL)
        zone = nla_get_u16(attributes[CTA_ZONE]);
    g_ptr_array_add(flows->tuples, g_bytes_new(nla_data(tuple), (gsize)nla_len(tuple)));
    g_array_append_val(flows->zones, zone);
}

static int
delete_flow(BangerNetlink *netlink, int family, GBytes *tuple, uint16_t zone)
{
    g_autoptr(BangerNetlinkMessage) message = new_request(IPCTNL_MSG_CT_DELETE, 0, family);
    gsize length;
    const void *data = g_bytes_get_data(tuple, &length);

    (void)nla_put(message, CTA_TUPLE_ORIG | NLA_F_NESTED, (int)length, data);
    if (zone != 0)
        (void)nla_put_u16(message, CTA_ZONE, zone);
    return banger_netlink_run(netlink, message, NULL, NULL);
}

static void
forget_flows(void *user_data)
{
    const Flows *flows = user_data;

    g_ptr_array_set_size(flows->tuples, 0);
    g_array_set_size(flows->zones, 0);
}

/* Lists the flows of the family and deletes those that are meant. */
static int
forget_one_by_one(BangerNetlink *netlink, const BangerAddress *source, BangerFlowKeep *keep,
                  const void *data)
{
    g_autoptr(GPtrArray) tuples = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GArray) zones = g_array_new(FALSE, FALSE, sizeof(uint16_t));
    Flows flows = {.source = source, .tuples = tuples, .zones = zones, .keep = keep, .data = data};
    g_autoptr(BangerNetlinkMessage) message =
        new_request(IPCTNL_MSG_CT_GET, NLM_F_DUMP, source->family);
    int errnum = banger_netlink_dump(netlink, message, forget_flows, collect_flow, &flows);

    for (unsigned int i = 0; errnum == 0 && i < tuples->len; i++) {
        errnum = delete_flow(netlink, source->family, g_ptr_array_index(tuples, i),
                             g_array_index(zones, uint16_t, i));
        if (errnum == ENOENT)
            errnum = 0; /* over by itself */
    }
    return errnum;
}

/* Whether @errnum is that of a success: nothing to forget, or no such subsystem (EINVAL). */
static bool
check_result(BangerNetlink *netlink, int errnum, GError **error)
{
    if (errnum == 0 || errnum == ENOENT || errnum == EINVAL || errnum == EOPNOTSUPP)
        return true;
    return banger_set_error(error, banger_netlink_code(errnum),
                            "cannot end the connections of a guest: %s",
                            banger_netlink_words(netlink));
}

bool
banger_conntrack_forget(BangerNetlink *netlink, const BangerAddress *guest, GError **error)
{
    int errnum = EINVAL;

    if (guest->family == AF_INET) {
        errnum = forget_by_filter(netlink, guest, CTA_TUPLE_ORIG);
        if (errnum == 0 || errnum == ENOENT)
            errnum = forget_by_filter(netlink, guest, CTA_TUPLE_REPLY);
    }
    /* An older kernel takes the tuple for the whole of one, and finds it wanting. */
    if (errnum == EINVAL)
        errnum = forget_one_by_one(netlink, guest, NULL, NULL);
    return check_result(netlink, errnum, error);
}

bool
banger_conntrack_forget_some(BangerNetlink *netlink, const BangerAddress *guest,
                             BangerFlowKeep *keep, const void *data, GError **error)
{
    return check_result(netlink, forget_one_by_one(netlink, guest, keep, data), error);
}
