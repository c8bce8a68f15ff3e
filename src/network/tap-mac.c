/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/tap-mac.h"

#include <linux/netlink.h>

#include "network/guests.h"
#include "util/error.h"

static bool
enter_mac(const BangerSettings *settings, const char *tap, const char *before, const char *mac,
          GError **error)
{
    g_autoptr(GArray) add = banger_elements_new();
    g_autoptr(GArray) remove = banger_elements_new();
    const BangerFilterChange change = {.add = add, .remove = remove};

    if (before[0] != '\0')
        banger_elements_add_mac(remove, tap, before);
    if (mac[0] != '\0')
        banger_elements_add_mac(add, tap, mac);
    return banger_filter_change(settings, &change, error);
}

bool
banger_tap_set_mac(const BangerSettings *settings, const char *tap, const char *mac,
                   char **ret_before, GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(banger_guest_lock());
    g_autofree char *before = NULL;
    BangerLabel label;
    BangerLink link;
    bool found;

    (void)locker;
    if (route == NULL || !banger_link_find(route, tap, &link, &found, error))
        return false;
    banger_label_parse(found ? link.alias : "", &label);
    before = g_strdup(label.mac);
    if (found && link.type == BANGER_LINK_TAP && link.marked && !link.carrier &&
        !g_str_equal(before, mac)) {
        (void)g_strlcpy(label.mac, mac, sizeof label.mac);
        if (!banger_guest_write_label(route, &link, &label, error) ||
            !enter_mac(settings, tap, before, mac, error))
            return false;
    }
    if (ret_before != NULL)
        *ret_before = g_steal_pointer(&before);
    return true;
}
