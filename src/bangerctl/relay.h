/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/*
 * The end of standard input or output that the helper gets: itself where that is a regular file or
 * a pipe, and else (a terminal, a socket) a pipe that a thread copies from or to it.
 */
typedef struct Relay Relay;

/* For standard input (@is_input) or output. NULL, with errno set, without descriptors. */
Relay *relay_new(bool is_input);

/* The descriptor for the message. */
int relay_fd(const Relay *relay);

/*
 * Closes the descriptor and, where the helper was the writer and @wait, waits until all that it
 * wrote is copied. Returns false, with errno set, if copying failed.
 */
bool relay_finish(Relay *relay, bool wait);
