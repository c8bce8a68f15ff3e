/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "json-bridge/context.h"
#include "json-bridge/outbox.h"

/*
 * The sending side of a connection: its answers on their way, and the time limit for a peer that
 * does not read them.
 */
typedef struct BangerSender BangerSender;

/* The peer has taken nothing for too long, or was given the time to read the last answer. */
typedef void (*BangerSenderExpired)(void *user_data);

/* Sends to the non-blocking socket @fd, which stays the caller's. */
BangerSender *banger_sender_new(BangerContext *context, int fd, BangerSenderExpired expired,
                                void *user_data);
void banger_sender_free(BangerSender *sender);

/*
 * Takes one answer and sends as a line as much of it as the socket takes; false if there is no room
 * for it, and then @answer stays the caller's. NULL is a sender that is closed.
 */
bool banger_sender_send(BangerSender *sender, GString *answer);

/* Sends on what is waiting. */
void banger_sender_flush(BangerSender *sender);

/* Bytes that are not sent yet. */
size_t banger_sender_pending(const BangerSender *sender);

/* The peer is gone: forgets what is waiting, and everything that is still to come. */
void banger_sender_hang_up(BangerSender *sender);
bool banger_sender_has_hung_up(const BangerSender *sender);

/* Says that nothing more comes, and gives the peer time to read it; false if it is gone. */
bool banger_sender_finish(BangerSender *sender);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerSender, banger_sender_free)
