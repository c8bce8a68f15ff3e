/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "json-bridge/context.h"

/*
 * One connection of an authorized peer. Requests of the older protocol are made one after the
 * other: nothing is begun before everything that came earlier on the connection has been answered,
 * and nothing behind them before they have. Requests of JSON-RPC run side by side and are answered
 * as they finish, the members of a batch together. A connection that has as much in flight or
 * unread as it may is not read until there is room again, and neither is one whose next call has to
 * wait for its place (json-bridge/turns.h).
 */
typedef struct BangerConnection BangerConnection;

/* Called once, when the connection is closed; @connection is not to be used any more. */
typedef void (*BangerConnectionClosed)(BangerConnection *connection, void *user_data);

/*
 * Serves @fd, a non-blocking stream socket which it takes, until the peer is done or is refused.
 * @context must outlive every call in flight (banger_bus_n_calls()).
 */
BangerConnection *banger_connection_new(BangerContext *context, int fd, const struct ucred *peer,
                                        BangerConnectionClosed closed, void *user_data);

/*
 * Whether the connection is idle: everything that came on it is answered, and its answers are sent.
 * @ret_since_usec is the monotonic time of the last answer; a peer that never sent anything counts
 * as idle when the time for a request is over.
 */
bool banger_connection_is_idle(const BangerConnection *connection, uint64_t *ret_since_usec);

/* Closes the connection, which is idle. */
void banger_connection_close(BangerConnection *connection);

/*
 * Begins no further request, nor member of a batch; closes once those in flight have been answered.
 * For when the context says that the bridge is stopping.
 */
void banger_connection_stop(BangerConnection *connection);
