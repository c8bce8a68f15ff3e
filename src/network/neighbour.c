/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include "util/error.h"

bool
banger_neighbour_delete(BangerNetlink *route, int index, const BangerAddress *address,
                        GError **error)
{
    const struct ndmsg info = {.ndm_family = (uint8_t)address->family, .ndm_ifindex = index};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_DELNEIGH, 0, &info, sizeof info);
    int errnum;

    (void)nla_put(message, NDA_DST, (int)banger_address_length(address), address->bytes);
    errnum = banger_netlink_run(route, message, NULL, NULL);
    return errnum == 0 || errnum == ENOENT || errnum == ENODEV ||
           banger_set_error(error, banger_netlink_code(errnum),
                            "cannot forget the MAC address of a guest: %s",
                            banger_netlink_words(route));
}
