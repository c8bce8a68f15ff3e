/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "rig/rig-client.h"

/*
 * Many calls, and who does not wait for them: what the tests of floods and of stuck connections
 * share.
 */

/* What came back on a connection. */
typedef struct {
    unsigned int n_replies, n_refusals; /* all; those that say that further calls are dropped */
    size_t n_bytes;                     /* of strings in them */
} CallAnswers;

/* Counts what comes back on @bus in @answers from now on, but for the bus's own replies. */
void load_count_answers(sd_bus *bus, CallAnswers *answers);

/* Handles all that came back on @bus until now. */
void load_handle_answers(sd_bus *bus);

/* Sends @message, which it takes over; a reply is wanted, and not waited for. */
void load_send(sd_bus *bus, sd_bus_message *message);

/* A call of @member of an @interface that sd-bus answers itself. */
sd_bus_message *load_built_in_call(sd_bus *bus, const char *interface, const char *member);

/* Whether the helper answers a Ping within a second. */
bool load_is_answering(sd_bus *bus);

/* Root and the owner are served. */
void load_check_served(void);
