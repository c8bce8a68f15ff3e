/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "json-bridge/bus.h"
#include "json-bridge/hold.h"
#include "json-bridge/turns.h"

/* What all connections share. */
typedef struct {
    sd_event *event;
    BangerBus *bus;
    BangerTurns *turns;
    BangerHoldBudget budget; /* of answers */
    /* Large requests that are being received, and the readers of those that wait for it. */
    unsigned int n_large_requests;
    GQueue large_waiting;
    unsigned int peer_timeout_sec;
    bool is_stopping; /* no new requests, and no more patience with those who do not read */
} BangerContext;
