/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rig/rig-client.h"

/* What the tests of the network methods share. What cannot be done fails the running test. */

/*
 * Runs the shell command and returns what it printed; it must exit with 0. The text is
 * there until network_forget(), which every test ends with.
 */
const char *network_run(const char *format, ...) G_GNUC_PRINTF(1, 2);
void network_forget(void);

/* As network_run(), for the effect. */
void network_do(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Whether the shell command exits with 0. */
bool network_true(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Fails unless @text contains @part, or contains it not. */
void network_assert_contains(const char *text, const char *part);
void network_assert_lacks(const char *text, const char *part);

/* Whether there is a link @name. */
bool network_link_exists(const char *name);

/*
 * Deletes every link but lo, with what is on file of it, every nftables table, every address set by
 * hand: the network of a new machine. Every test begins with it.
 */
void network_clear_network(void);

/* What a test begins and ends with: the network of a new machine, and a connection of root's. */
sd_bus *network_set_up(void);
void network_tear_down(sd_bus *bus);

/* All there is to see of the link @name, but what changes by itself. */
const char *network_look(const char *name);

/*
 * Starts the helper anew with @lines ("\\n" between) in [Network] of helper.conf, or without them
 * again.
 */
void network_configure(const char *lines);
void network_unconfigure(void);

/* Has bridged packets go through the rules of both families, or not; if the kernel can do that. */
void network_set_bridge_netfilter(bool on);

/*
 * EnsureNAT of @guest; the WARNING of its record, "" if it has none. There until network_forget().
 */
const char *network_nat_warning(sd_bus *bus, const char *guest, const char *tap);

/* The property Warnings, as busctl(1) prints it. */
const char *network_warnings(void);

/* EnsureBridge br-fc 172.16.0.1/24 and CreateTap of @tap there, as root. */
void network_bridge_and_tap(sd_bus *bus, const char *tap);

/*
 * What the kernel announces to everyone about links, addresses, forwarding and nftables.
 * network_monitor_assert_quiet() fails the test if it announced anything since the monitor was
 * opened; network_monitor_has_heard() is whether it did, of links and addresses.
 * network_monitor_settle() forgets it, and waits until there is no more: the kernel reports the
 * carrier of a link up to a second after it changed.
 */
typedef struct {
    int route;
    int netfilter;
} NetworkMonitor;

NetworkMonitor network_monitor_open(void);
bool network_monitor_has_heard(const NetworkMonitor *monitor);
void network_monitor_settle(NetworkMonitor *monitor);
void network_monitor_assert_quiet(NetworkMonitor *monitor);
void network_monitor_close(NetworkMonitor *monitor);

/*
 * Starts @n calls of @member at once, each on a connection of its own by root; message @i is filled
 * in by @fill. All must succeed.
 */
void network_call_at_once(guint n, const char *member,
                          void (*fill)(sd_bus_message *message, guint i));
