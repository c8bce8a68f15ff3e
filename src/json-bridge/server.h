/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct {
    int listener; /* a listening stream socket, which the server takes */
    /*
     * Where the program has bound it itself, else NULL: it is removed and closed as soon as nothing
     * more is accepted, so that no peer waits there.
     */
    const char *socket_path;
    uid_t owner; /* the one uid beside 0 that may connect */
    unsigned int peer_timeout_sec;
    unsigned int idle_timeout_sec; /* without a connection, then it ends; 0: never */
} BangerServerOptions;

/*
 * Keeps the signals that end the server for banger_server_run(): from before there is a socket, so
 * that none is left behind.
 */
void banger_server_block_signals(void);

/*
 * Serves the JSON socket until SIGTERM or SIGINT, after which what is in flight is still answered,
 * or until it has been idle for too long. Notifies the service manager (sd_notify(3)).
 * Errors: OperationFailed if the event loop cannot be set up.
 */
bool banger_server_run(const BangerServerOptions *options, GError **error);
