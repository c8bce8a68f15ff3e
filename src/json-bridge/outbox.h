/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "json-bridge/hold.h"

/* Answers on their way to a peer that may not read them. */
typedef struct {
    GQueue answers; /* of GString */
    size_t sent;    /* bytes of the first one */
    bool is_closed; /* the peer reads nothing any more */
    BangerHold hold;
} BangerOutbox;

void banger_outbox_init(BangerOutbox *outbox, BangerHoldBudget *budget);

/* Forgets what was not sent, and everything that is still put in. */
void banger_outbox_close(BangerOutbox *outbox);

/*
 * Takes @answer; false if there is no room for it, and then @answer stays the caller's. A closed
 * outbox has room for all.
 */
bool banger_outbox_push(BangerOutbox *outbox, GString *answer);

/*
 * Sends what @fd, a non-blocking socket, takes. Returns how many bytes that were, or -errno if the
 * peer is gone; then the outbox is closed.
 */
ssize_t banger_outbox_flush(BangerOutbox *outbox, int fd);

/* Bytes that are not sent yet. */
static inline size_t
banger_outbox_pending(const BangerOutbox *outbox)
{
    return outbox->hold.held;
}
