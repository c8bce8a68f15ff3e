/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "util/settings.h"

/*
 * What this host can do for guests' networks. Appends to @features "nat-ipv4" and "nat-ipv6" where
 * the kernel filters packets of the family, and "resolved" where systemd-resolved is on the bus or
 * would be started; to @warnings a text for each thing that keeps packets of guests from passing,
 * for each network of a bridge of ours that collides with what came later (a DHCP lease, a VPN),
 * and for each link that ignores its routers because we switched IPv6 forwarding on. Nothing is
 * changed or started. Both are arrays of text that they free.
 */
void banger_network_describe_host(const BangerSettings *settings, GPtrArray *features,
                                  GPtrArray *warnings);
