/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>
#include <string.h>

#include "util/error.h"

#define ATTEMPTS 10

/* In CTA_FILTER_ORIG_FLAGS: compare the source address. The kernel has no name for it in its public
 * headers; libnetfilter_conntrack has the same number. */
#define FILTER_SOURCE (1u << 0)

typedef struct {
    const BangerAddress *source;
    GPtrArray *tuples; /* of GBytes: the payload of CTA_TUPLE_ORIG */
    GArray *zones;     /* of uint16_t, in network byte order */
} Flows;

static struct nl_msg *
new_request(int type, int flags, int family)
{
    const struct nfgenmsg header = {.nfgen_family = (uint8_t)family, .version = NFNETLINK_V0};

    return banger_netlink_message(NFNL_SUBSYS_CTNETLINK << 8 | type, flags, &header, sizeof header);
}

static int
source_attribute(const BangerAddress *source)
{
    return source->family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC;
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

static void
collect_flow(struct nlmsghdr *header, gpointer data)
{
    Flows *flows = data;
    struct nlattr *attributes[CTA_MAX + 1] = {NULL};
    struct nlattr *tuple;
    uint16_t zone = 0;

    if (header->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
        nlmsg_parse(header, sizeof(struct nfgenmsg), attributes, CTA_MAX, NULL) < 0)
        return;
    tuple = attributes[CTA_TUPLE_ORIG];
    /* An older kernel does not filter the dump. */
    if (tuple == NULL || !is_from(tuple, flows->source) || attributes[CTA_STATUS] == NULL ||
        !(ntohl(nla_get_u32(attributes[CTA_STATUS])) & IPS_SRC_NAT))
        return;
    if (attributes[CTA_ZONE] != NULL)
        zone = nla_get_u16(attributes[CTA_ZONE]);
    g_ptr_array_add(flows->tuples, g_bytes_new(nla_data(tuple), (gsize)nla_len(tuple)));
    g_array_append_val(flows->zones, zone);
}

/* A dump of the flows that began at @source. */
static struct nl_msg *
new_dump(const BangerAddress *source)
{
    struct nl_msg *message = new_request(IPCTNL_MSG_CT_GET, NLM_F_DUMP, source->family);
    struct nlattr *outer = nla_nest_start(message, CTA_TUPLE_ORIG | NLA_F_NESTED);
    struct nlattr *inner = nla_nest_start(message, CTA_TUPLE_IP | NLA_F_NESTED);

    (void)nla_put(message, source_attribute(source), (int)banger_address_length(source),
                  source->bytes);
    (void)nla_nest_end(message, inner);
    (void)nla_nest_end(message, outer);
    outer = nla_nest_start(message, CTA_FILTER | NLA_F_NESTED);
    (void)nla_put_u32(message, CTA_FILTER_ORIG_FLAGS, FILTER_SOURCE);
    (void)nla_put_u32(message, CTA_FILTER_REPLY_FLAGS, 0);
    (void)nla_nest_end(message, outer);
    return message;
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

bool
banger_conntrack_cut(BangerNetlink *netlink, const BangerAddress *source, GError **error)
{
    g_autoptr(GPtrArray) tuples = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GArray) zones = g_array_new(FALSE, FALSE, sizeof(uint16_t));
    Flows flows = {.source = source, .tuples = tuples, .zones = zones};
    int errnum = EINTR;

    for (int attempt = 0; errnum == EINTR && attempt < ATTEMPTS; attempt++) {
        g_autoptr(BangerNetlinkMessage) message = new_dump(source);

        g_ptr_array_set_size(tuples, 0);
        g_array_set_size(zones, 0);
        errnum = banger_netlink_run(netlink, message, collect_flow, &flows);
    }
    /* EINVAL: no such subsystem. */
    if (errnum == EINVAL || errnum == EOPNOTSUPP || errnum == EAFNOSUPPORT)
        return true;
    for (guint i = 0; errnum == 0 && i < tuples->len; i++) {
        errnum = delete_flow(netlink, source->family, g_ptr_array_index(tuples, i),
                             g_array_index(zones, uint16_t, i));
        if (errnum == ENOENT)
            errnum = 0; /* over by itself */
    }
    return errnum == 0 || banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                           "cannot cut the translated connections: %s",
                                           banger_netlink_words(netlink));
}
