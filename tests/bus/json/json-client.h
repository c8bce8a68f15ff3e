/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <sys/types.h>

#include "rig/rig-client.h"

/*
 * The JSON socket's side of the bus tier: the built bridge, run as its users start it, and a client
 * that does only what it is asked to. What cannot do its work fails the running test.
 */

#define BRIDGE_SOCKET "/run/banger-root/bangerd-root.sock"

/* Whether there is a bridge, whosever it is. */
bool client_listens(void);

/*
 * Starts the bridge with `--socket BRIDGE_SOCKET` and @arguments (NULL, or ending in NULL), as the
 * owner, and waits until it listens.
 */
pid_t client_start(const char *const *arguments);

/* Sends SIGTERM and requires that the bridge ends in time and with status 0. */
void client_stop(pid_t pid);

/* Runs the bridge with @arguments and requires that it ends with status 1 and this text. */
void client_check_refuses(const char *const *arguments, const char *words);

/* A connection to the socket by @uid. */
int client_connect(uid_t uid);

/* Sends all of @text; false if the bridge hung up. */
bool client_try_send(int fd, const char *text, size_t length);
void client_send(int fd, const char *text);

/* The next line, without its end; NULL if the bridge hung up instead. */
char *client_read_line(int fd);

/*
 * Requires that the next line is @expected, or has @words in it. The data of errors of JSON-RPC is
 * compared only where @expected has any.
 */
void client_expect_line(int fd, const char *expected);
void client_expect_words(int fd, const char *words);

/* Requires that the bridge closes without another byte. */
void client_expect_end(int fd);

/*
 * A request of exactly @size bytes, which deletes the TAP tap-fc-none: what is too much is a member
 * that no method knows. Free with g_free().
 */
char *client_padded_request(size_t size);

/* What one line is answered to @text, sent by root on a connection of its own. */
char *client_ask(const char *text);

/* As client_ask(), and requires that answer. */
void client_check(const char *text, const char *expected);

/*
 * The peak of @pid's memory (VmHWM), in bytes. Under a sanitizer, whose own memory is in it, it may
 * be CLIENT_MEMORY_FACTOR times as much.
 */
#ifdef __SANITIZE_ADDRESS__
#define CLIENT_MEMORY_FACTOR 8u
#else
#define CLIENT_MEMORY_FACTOR 1u
#endif
size_t client_memory_peak(pid_t pid);
