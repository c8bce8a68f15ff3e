/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The name servers that systemd-resolved asks, by link (the property DNSEx of
 * org.freedesktop.resolve1(5)): link index to the first server of it, as "172.16.0.1:53" or
 * "[fd00::1]:53". resolved is not started for it and has half a second; without an answer the table
 * is empty. Never NULL; free with g_hash_table_unref().
 */
GHashTable *banger_resolve1_list(void);

/* Whether systemd-resolved is on the bus, or would be started when asked. It is not started. */
bool banger_resolve1_is_there(void);
