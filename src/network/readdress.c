/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/readdress.h"

bool
banger_readdress_is_empty(const BangerReaddress *readdress)
{
    return !readdress->added && (readdress->removed == NULL || readdress->removed->len == 0);
}

void
banger_readdress_clear(BangerReaddress *readdress)
{
    readdress->added = false;
    g_clear_pointer(&readdress->removed, g_array_unref);
}
