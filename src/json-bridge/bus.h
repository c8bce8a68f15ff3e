/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

/*
 * The bridge's connections to the system bus, each opened by the first call on it, and anew after a
 * loss. There are two, because messages on one come one behind the other: what is large must not
 * keep what is small waiting.
 */
typedef struct BangerBus BangerBus;

typedef enum {
    BANGER_BUS_SMALL,
    BANGER_BUS_LARGE, /* for calls whose message is large, or whose reply may be */
    BANGER_BUS_N_LANES,
} BangerBusLane;

/* Calls will be made on @event's loop. */
BangerBus *banger_bus_new(sd_event *event);

/* No call may be in flight. */
void banger_bus_free(BangerBus *bus);

/*
 * The open connection of @lane; it belongs to @bus. A connection just opened carries messages at
 * once: sd-bus keeps them until the bus has said hello.
 *
 * Errors: OperationFailed if the bus cannot be reached (sd_bus_open_system(3)).
 */
sd_bus *banger_bus_get(BangerBus *bus, BangerBusLane lane, GError **error);

/*
 * Counts a call that was sent and one whose callback has run: a connection that was lost is not
 * given up before each of its calls has been notified.
 */
void banger_bus_call_begun(BangerBus *bus, BangerBusLane lane);
void banger_bus_call_ended(BangerBus *bus, BangerBusLane lane);

/* How many calls are in flight, on both. */
unsigned int banger_bus_n_calls(const BangerBus *bus);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerBus, banger_bus_free)
