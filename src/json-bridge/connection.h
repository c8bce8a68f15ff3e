/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "bridge/bus.h"
#include "bridge/hold.h"

/* What all connections share. */
typedef struct {
    sd_event *event;
    BangerBus *bus;
    BangerBudget budget;
    unsigned int peer_timeout_sec;
} BangerContext;

/*
 * One connection of an authorised peer. Requests of the older protocol are made one after the
 * other: nothing is begun before everything that came earlier on the connection has been answered,
 * and nothing behind them before they have. Requests of JSON-RPC run side by side and are answered
 * as they finish, the members of a batch together. A connection that has as much in flight or
 * unread as it may is not read until there is room again.
 */
typedef struct BangerConnection BangerConnection;

/* Told once, when the connection is closed; @connection is not to be touched any more. */
typedef void (*BangerConnectionClosed)(BangerConnection *connection, gpointer data);

/*
 * Serves @fd, a non-blocking stream socket which it takes, until the peer is done or is refused.
 * @context must outlive every call in flight (banger_bus_n_calls()).
 */
BangerConnection *banger_connection_new(BangerContext *context, int fd, const struct ucred *peer,
                                        BangerConnectionClosed closed, gpointer data);

/* Begins no further request, nor member of a batch; closes once those in flight have been answered,
 * which may be at once. */
void banger_connection_stop(BangerConnection *connection);
