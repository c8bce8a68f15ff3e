/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "model/settings.h"
#include "sys/process.h"

/*
 * Unix sockets in the runtime directory, held by an O_PATH descriptor of banger_path_open_socket():
 * what is connected to is what was checked, whatever the name leads to by then.
 */

/*
 * Connects to the socket that the O_PATH descriptor @path_fd is open on, without waiting for room
 * in the listener's queue. *@ret_peer, which may be NULL, is the pid of the process that listens
 * (SO_PEERCRED, unix(7)). Returns a blocking descriptor, or -1 with errno set: ECONNREFUSED if
 * nobody listens, EAGAIN if somebody does but the queue is full.
 */
int banger_unix_socket_connect(int path_fd, pid_t *ret_peer);

/*
 * Removes the socket @path if nobody listens there. Absent → success. Errors: AlreadyExists if
 * somebody does; those of banger_path_open_socket() for anything that is no socket.
 */
bool banger_unix_socket_remove_stale(const BangerSettings *settings, const char *path,
                                     GError **error);

/*
 * Waits until @process listens at @path, for at most @timeout_ms. Returns an O_PATH descriptor of
 * the socket, or -1. Errors: OperationFailed if @process ended; Timeout; NotManaged if somebody
 * else listens there.
 */
int banger_unix_socket_wait(const BangerSettings *settings, const char *path,
                            const BangerProcess *process, int timeout_ms, GError **error);

/* Gives the socket @path to the owner and the owner's group, mode 0600. */
bool banger_unix_socket_give(const BangerSettings *settings, const char *path, GError **error);
