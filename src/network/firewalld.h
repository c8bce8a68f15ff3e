/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * firewalld over D-Bus (firewalld.dbus(5)). The zone BANGER_FIREWALLD_ZONE and two policies, which
 * are installed beside the helper, leave what guests send and get to our own tables. firewalld
 * forgets at each restart and reload which of our bridges are in it. Each function has a connection
 * of its own to the system bus, because it runs on a worker thread, and is bounded: 3 s a call.
 * firewalld is not started for it.
 */

#define BANGER_FIREWALLD_TABLE "firewalld" /* of nftables, family inet */
#define BANGER_FIREWALLD_ZONE "banger"

/*
 * Which of @bridges, names, are in our zone: their names are appended to @zoned. With @enter those
 * that are in no zone are put into it; one that an administrator put into another stays there.
 * Appends to @warnings a line for each that is not in ours then. Returns whether firewalld is on
 * the bus and answers.
 */
bool banger_firewalld_look(const GPtrArray *bridges, bool enter, GPtrArray *zoned,
                           GString *warnings);

/* Takes the bridge @name out of our zone, if it is in it. */
void banger_firewalld_leave(const char *name);
