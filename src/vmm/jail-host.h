/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "util/settings.h"

/*
 * Appends to @warnings, an array of text that it frees, what this host's VMMs are not kept from:
 * that they have no jail, or cannot have one; that what they fill is the host's; and the sockets
 * and TAPs of others that they reach. Nothing is changed.
 */
void banger_jail_describe_host(const BangerSettings *settings, GPtrArray *warnings);

/*
 * The names of the sockets in the abstract name space that are listened at, by @text, which is
 * /proc/net/unix (proc(5)): at most 8 of them, printable, joined by ", ", and "…" if there are
 * more. NULL if there are none. Free with g_free().
 */
char *banger_jail_abstract_listeners(const char *text);

/*
 * The names of the TUN and TAP devices in @directory, "/sys/class/net", that have neither owner nor
 * group: the kernel lets everybody attach to them who may open /dev/net/tun. As above.
 */
char *banger_jail_open_taps(const char *directory);
