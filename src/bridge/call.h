/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "bridge/bus.h"
#include "bridge/envelope.h"
#include "bridge/hold.h"

/*
 * Takes the answer of a call, without a line end; NULL if the caller wants none. Returns false,
 * with
 * @answer still the call's, if there is no room for it: then it comes again with an error instead,
 * and, if there is no room for that either, with NULL, which has to be taken.
 */
typedef bool (*BangerDeliver)(GString *answer, gpointer data);

/*
 * Makes the call that @envelope (which it takes) asks for, or refuses it for the envelope's fault,
 * delivers the one answer, and then writes the one journal record of it for @peer. An answer that
 * does not take the helper is delivered before this returns, others from the event loop. The
 * message of the call, which may wait for the bus to take it, is accounted in @budget until the
 * answer.
 */
void banger_call_start(BangerBus *bus, BangerBudget *budget, const struct ucred *peer,
                       BangerEnvelope *envelope, BangerDeliver deliver, gpointer data);
