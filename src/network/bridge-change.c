/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/bridge-change.h"

bool
banger_bridge_change_has_addresses(const BangerBridgeChange *change)
{
    return change->added || (change->removed != NULL && change->removed->len > 0);
}

void
banger_bridge_change_clear(BangerBridgeChange *change)
{
    g_clear_pointer(&change->removed, g_array_unref);
    g_clear_pointer(&change->ports, g_array_unref);
    *change = (BangerBridgeChange){0};
}
