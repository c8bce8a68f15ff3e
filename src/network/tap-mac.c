/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/tap-mac.h"

#include <linux/netlink.h>

#include "network/guests.h"
#include "util/error.h"

/* Enters @mac in the tables, where it need not be though the label has it: that comes first. */
static bool
enter_mac(const BangerSettings *settings, const char *tap, const char *before, const char *mac,
          GError **error)
{
    g_autoptr(GArray) add = banger_elements_new();
    g_autoptr(GArray) remove = banger_elements_new();
    const BangerFilterChange change = {.add = add, .remove = remove};

    if (before[0] != '\0' && !g_str_equal(before, mac))
        banger_elements_add_mac(remove, tap, before);
    if (mac[0] != '\0')
        banger_elements_add_mac(add, tap, mac);
    return (add->len == 0 && remove->len == 0) || banger_filter_change(settings, &change, error);
}

/* Label first, tables after; the label is as it was if it fails. */
static bool
change_mac(const BangerSettings *settings, BangerNetlink *route, const BangerLink *tap,
           const BangerLabel *before, const char *mac, GError **error)
{
    BangerLabel label = *before;

    (void)g_strlcpy(label.mac, mac, sizeof label.mac);
    if (!banger_guest_write_label(route, tap, &label, error))
        return false;
    if (enter_mac(settings, tap->name, before->mac, mac, error))
        return true;
    (void)banger_link_change(route, tap, &(BangerLinkChange){.alias = tap->alias}, NULL);
    return false;
}

bool
banger_tap_set_mac(const BangerSettings *settings, const char *tap, const char *mac,
                   char **ret_before, GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(banger_guest_lock());
    BangerLabel before;
    BangerLink link;
    bool found;

    (void)locker;
    if (route == NULL || !banger_link_find(route, tap, &link, &found, error))
        return false;
    banger_label_parse(found ? link.alias : "", &before);
    if (found && link.type == BANGER_LINK_TAP && link.marked && !link.carrier &&
        !change_mac(settings, route, &link, &before, mac, error))
        return false;
    if (ret_before != NULL)
        *ret_before = g_strdup(before.mac);
    return true;
}
