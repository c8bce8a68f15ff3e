/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/*
 * Connects to the unix socket @path without waiting for room in the listener's queue. Returns a
 * non-blocking descriptor, or -1 with errno set: ECONNREFUSED if nothing listens there, EAGAIN if
 * something does but the queue is full.
 */
int banger_socket_connect(const char *path);

/*
 * Whether the unix socket @path was left behind: nothing listens there (connect(2) says
 * ECONNREFUSED). Any other answer, an error too, means that it may be in use.
 */
bool banger_socket_is_stale(const char *path);
