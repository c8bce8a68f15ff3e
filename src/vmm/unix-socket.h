/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "util/job.h"
#include "util/settings.h"
#include "vmm/process.h"

/*
 * Unix sockets in the runtime directory, referred to by an O_PATH descriptor of
 * banger_path_open_socket(): what is connected to is what was checked, whatever the name leads to
 * by then.
 */

/*
 * Connects to the socket that the O_PATH descriptor @path_fd is open on, without waiting for room
 * in the listener's queue. *@ret_peer, which may be NULL, is the pid of the process that listens
 * (SO_PEERCRED, unix(7)). Returns a blocking descriptor, or -1 with errno set: ECONNREFUSED if
 * no process listens, EAGAIN if one does but the queue is full.
 */
int banger_unix_socket_connect(int path_fd, pid_t *ret_peer);

/*
 * Removes the socket @path if no process listens there. Absent → success. Errors: AlreadyExists if
 * one does; those of banger_path_open_socket() for anything that is no socket.
 */
bool banger_unix_socket_remove_stale(const BangerSettings *settings, const char *path,
                                     GError **error);

/* Whether banger_unix_socket_remove_stale() would be refused; nothing is changed. */
bool banger_unix_socket_check_stale(const BangerSettings *settings, const char *path,
                                    GError **error);

/*
 * Opens the socket @path of @uid, with at most @links_max hard links, as an O_PATH descriptor.
 * Errors: those of banger_path_open_parent(); NotFound; NotManaged if it is anything else.
 */
int banger_unix_socket_open(const BangerSettings *settings, const char *path, uid_t uid,
                            unsigned int links_max, GError **error);

/*
 * Waits until @process, of @uid, listens at @path, for at most @timeout_ms. Returns an O_PATH
 * descriptor of the socket, or -1. @job, which may be NULL, is the one for which it waits. Errors:
 * OperationFailed if @process ended; Timeout; NotManaged if another process listens there; those of
 * banger_job_check().
 */
int banger_unix_socket_wait(const BangerSettings *settings, const char *path,
                            const BangerProcess *process, uid_t uid, int timeout_ms, BangerJob *job,
                            GError **error);

/*
 * Makes the socket @path the owner's and the owner's group's, mode 0600. Errors: NotManaged for a
 * socket of root's where no VMM listens.
 */
bool banger_unix_socket_give(const BangerSettings *settings, const char *path, GError **error);
