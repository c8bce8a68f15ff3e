/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "network/netlink.h"

#define ATTEMPTS 20

int
banger_netlink_dump(BangerNetlink *netlink, struct nl_msg *message, BangerNetlinkRestart *restart,
                    BangerNetlinkReply *reply, void *user_data)
{
    int errnum = EINTR;

    for (int attempt = 0; errnum == EINTR && attempt < ATTEMPTS; attempt++) {
        nlmsg_hdr(message)->nlmsg_seq = NL_AUTO_SEQ;
        restart(user_data);
        errnum = banger_netlink_run(netlink, message, reply, user_data);
    }
    return errnum;
}
