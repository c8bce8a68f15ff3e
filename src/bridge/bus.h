/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

/* The bridge's one connection to the system bus, opened by the first call, and anew after a loss.
 */
typedef struct BangerBus BangerBus;

/* Calls will be made on @event's loop. */
BangerBus *banger_bus_new(sd_event *event);

/* No call may be in flight. */
void banger_bus_free(BangerBus *bus);

/*
 * The open connection; it belongs to @bus. A connection just opened carries messages at once:
 * sd-bus keeps them until the bus has said hello.
 *
 * Errors: OperationFailed if the bus cannot be reached (sd_bus_open_system(3)).
 */
sd_bus *banger_bus_get(BangerBus *bus, GError **error);

/*
 * Counts a call that was sent and one whose callback has run: a connection that was lost is not
 * given up before each of its calls has been told.
 */
void banger_bus_call_begun(BangerBus *bus);
void banger_bus_call_ended(BangerBus *bus);

/* How many calls are in flight. */
unsigned int banger_bus_n_calls(const BangerBus *bus);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerBus, banger_bus_free)
