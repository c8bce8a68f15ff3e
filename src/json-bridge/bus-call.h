/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "json-bridge/bus.h"
#include "json-bridge/envelope.h"
#include "json-bridge/turns.h"

/*
 * Takes the answer of a call, without a line end; NULL if the caller wants none. Returns false,
 * with @answer still the call's, if there is no room for it: then it comes again with an error
 * instead, and, if there is no room for that either, with NULL, which has to be taken.
 */
typedef bool (*BangerDeliver)(GString *answer, void *user_data);

/* What the call that @envelope asks for, which has no fault, needs. */
BangerNeeds banger_call_needs(const BangerEnvelope *envelope);

/*
 * Makes the call that @envelope (which it takes) asks for and that has @needs, or refuses it for
 * the envelope's fault, delivers the one answer, and then writes the one journal record of it for
 * @peer. An answer that does not take the helper is delivered before this returns, others from the
 * event loop.
 */
void banger_call_start(BangerBus *bus, const struct ucred *peer, BangerEnvelope *envelope,
                       const BangerNeeds *needs, BangerDeliver deliver, void *user_data);
