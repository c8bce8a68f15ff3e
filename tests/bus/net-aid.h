/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus/rig-client.h"

/* What the tests of the network methods share. What cannot be done fails the running test. */

#define AID_ERROR(name) "org.banger.Helper1.Error." name

/* Runs the shell command and returns what it printed; it must exit with 0. The text is
 * there until aid_forget(), which every test ends with. */
const char *aid_run(const char *format, ...) G_GNUC_PRINTF(1, 2);
void aid_forget(void);

/* As aid_run(), for the effect. */
void aid_do(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Whether the shell command exits with 0. */
bool aid_true(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Fails unless @text contains @part, or contains it not. */
void aid_assert_contains(const char *text, const char *part);
void aid_assert_lacks(const char *text, const char *part);

/* Whether there is a link @name. */
bool aid_link_exists(const char *name);

/* Deletes every link but lo, every nftables table, every address set by hand: the network of a new
 * machine. Every test begins with it. */
void aid_clear_network(void);

/* EnsureBridge br-fc 172.16.0.1/24 and CreateTap of @tap there, as root. */
void aid_bridge_and_tap(sd_bus *bus, const char *tap);

/*
 * What the kernel tells everyone about links, addresses, forwarding and nftables.
 * aid_monitor_assert_quiet() fails the test if it told anything since the monitor was opened.
 * aid_monitor_settle() forgets it, and waits until there is no more: the kernel reports the carrier
 * of a link up to a second after it changed.
 */
typedef struct {
    int route;
    int netfilter;
} AidMonitor;

AidMonitor aid_monitor_open(void);
void aid_monitor_settle(AidMonitor *monitor);
void aid_monitor_assert_quiet(AidMonitor *monitor);
void aid_monitor_close(AidMonitor *monitor);

/* Starts @n calls of @member at once, each on a connection of its own by root; message @i is filled
 * in by @fill. All must succeed. */
void aid_call_at_once(guint n, const char *member, void (*fill)(sd_bus_message *message, guint i));
