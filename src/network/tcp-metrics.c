/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/tcp-metrics.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/tcp_metrics.h>
#include <netlink/attr.h>
#include <sys/socket.h>

#include "network/netlink.h"
#include "util/error.h"

static void
take_family(struct nlmsghdr *header, void *user_data)
{
    struct nlattr *attributes[CTRL_ATTR_MAX + 1] = {NULL};

    if (nlmsg_parse(header, GENL_HDRLEN, attributes, CTRL_ATTR_MAX, NULL) >= 0 &&
        attributes[CTRL_ATTR_FAMILY_ID] != NULL)
        *(uint16_t *)user_data = nla_get_u16(attributes[CTRL_ATTR_FAMILY_ID]);
}

/* The number that the kernel has given to this part of it; 0 if there is none, or on failure. */
static int
find_family(BangerNetlink *netlink, uint16_t *ret_family)
{
    static gint known; /* it stays as long as the kernel runs */
    const struct genlmsghdr header = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
    g_autoptr(BangerNetlinkMessage) message = NULL;
    uint16_t family = (uint16_t)g_atomic_int_get(&known);
    int errnum = 0;

    if (family == 0) {
        message = banger_netlink_message(GENL_ID_CTRL, 0, &header, sizeof header);
        (void)nla_put_string(message, CTRL_ATTR_FAMILY_NAME, TCP_METRICS_GENL_NAME);
        errnum = banger_netlink_run(netlink, message, take_family, &family);
        g_atomic_int_set(&known, family);
    }
    *ret_family = family;
    return errnum == ENOENT ? 0 : errnum;
}

bool
banger_tcp_metrics_forget(const BangerAddress *address, GError **error)
{
    const struct genlmsghdr header = {.cmd = TCP_METRICS_CMD_DEL,
                                      .version = TCP_METRICS_GENL_VERSION};
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_GENERIC, error);
    g_autoptr(BangerNetlinkMessage) message = NULL;
    uint16_t family = 0;
    int errnum;

    if (netlink == NULL)
        return false;
    errnum = find_family(netlink, &family);
    if (family != 0) {
        message = banger_netlink_message(family, 0, &header, sizeof header);
        (void)nla_put(message,
                      address->family == AF_INET ? TCP_METRICS_ATTR_ADDR_IPV4
                                                 : TCP_METRICS_ATTR_ADDR_IPV6,
                      (int)banger_address_length(address), address->bytes);
        errnum = banger_netlink_run(netlink, message, NULL, NULL);
    }
    return errnum == 0 || errnum == ESRCH || errnum == ENOENT ||
           banger_set_error(error, banger_netlink_code(errnum),
                            "cannot forget what TCP knows of a guest: %s",
                            banger_netlink_words(netlink));
}
