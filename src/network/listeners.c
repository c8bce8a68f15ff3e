/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/attr.h>
#include <string.h>

#include "model/address.h"
#include "network/netlink.h"
#include "util/error.h"

#define ATTEMPTS 10

typedef struct {
    int family; /* of the connections */
    uint16_t port;
    bool found;
} Search;

static void
look_at_socket(struct nlmsghdr *header, void *user_data)
{
    Search *search = user_data;
    const struct inet_diag_msg *socket = nlmsg_data(header);
    struct nlattr *attributes[INET_DIAG_MAX + 1] = {NULL};
    BangerAddress address = {.family = socket->idiag_family};

    if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        nlmsg_parse(header, sizeof *socket, attributes, INET_DIAG_MAX, NULL) < 0 ||
        ntohs(socket->id.idiag_sport) != search->port)
        return;
    memcpy(address.bytes, socket->id.idiag_src, banger_address_length(&address));
    if (banger_address_is_loopback(&address))
        return;
    /* An IPv6 socket hears IPv4 too, unless it says that it does not. */
    if (search->family == AF_INET && socket->idiag_family == AF_INET6 &&
        attributes[INET_DIAG_SKV6ONLY] != NULL && nla_get_u8(attributes[INET_DIAG_SKV6ONLY]) != 0)
        return;
    search->found = true;
}

static int
list_sockets(BangerNetlink *netlink, int family, uint8_t protocol, Search *search)
{
    const struct inet_diag_req_v2 request = {
        .sdiag_family = (uint8_t)family,
        .sdiag_protocol = protocol,
        /* A socket of UDP that is not connected counts as closed. */
        .idiag_states = protocol == IPPROTO_TCP ? 1u << TCP_LISTEN : 1u << TCP_CLOSE,
    };
    int errnum = EINTR;

    for (int attempt = 0; errnum == EINTR && attempt < ATTEMPTS; attempt++) {
        g_autoptr(BangerNetlinkMessage) message =
            banger_netlink_message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request);

        errnum = banger_netlink_run(netlink, message, look_at_socket, search);
    }
    return errnum;
}

bool
banger_listeners_find(int family, uint8_t protocol, uint16_t port, bool *ret_found, GError **error)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_SOCK_DIAG, error);
    Search search = {.family = family, .port = port};
    int errnum;

    if (netlink == NULL)
        return false;
    errnum = list_sockets(netlink, AF_INET6, protocol, &search);
    if ((errnum == 0 || errnum == ENOENT) && family == AF_INET)
        errnum = list_sockets(netlink, AF_INET, protocol, &search);
    if (errnum != 0 && errnum != ENOENT && errnum != EINVAL && errnum != EOPNOTSUPP)
        return banger_set_error(error, banger_netlink_code(errnum),
                                "cannot list the sockets of this host: %s",
                                banger_netlink_words(netlink));
    *ret_found = search.found;
    return true;
}
