/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "bus/objects.h"
#include "bus/service.h"
#include "bus/subscribe.h"

/*
 * The connections that the object is on. One has the name, and calls come in by it:
 *
 *                    the name is had          it is stuck, and another one has the name
 *    STARTING ------------------------> NAMED -----------------------------------------> FORMER
 *       | no answer in 5 s                | the name is given up                            |
 *       v                                 v                                                 |
 *    (closed)                          (closed, when its calls have ended) <----------------+
 *
 * A connection is stuck when the bus takes nothing more from it: a caller that never reads fills
 * the bus's queue with replies to it, and they are all counted as the sender's
 * (max_incoming_bytes in dbus-daemon(1)). Then another connection, its objects ready, takes over
 * the name without a moment in which it has no owner. The former one keeps its calls, and takes
 * those that the bus has put into its queue before; if the bus does not take their replies within
 * 30 s it is closed, and their callers hear of it from the bus.
 */
typedef enum {
    BANGER_FRONT_STARTING,
    BANGER_FRONT_NAMED,
    BANGER_FRONT_FORMER,
} BangerFrontState;

typedef struct {
    BangerService *service;
    BangerFrontState state;
    sd_bus *bus;
    GPtrArray *slots; /* of what was put on the bus */
    sd_event_source *drain;
    unsigned int n_dropped;  /* messages, since the drain took all that had come … */
    int64_t drained_at_usec; /* … which was then; monotonic */
    BangerObjects *objects;
    BangerSubscribe *subscribe;
    GHashTable *in_line;    /* of messages: delayed by the intake, and with sd-bus again */
    unsigned int in_flight; /* calls that came by it, not answered yet */
    bool name_lost;         /* the bus has said so: no call comes by it any more */
    unsigned int watch;     /* the timer, while the bus has not taken everything */
    unsigned int n_stuck;   /* how often in a row the timer found that the bus took nothing */
    uint64_t n_unsent;      /* what it found that the bus has not taken */
    int64_t since_usec;     /* monotonic: when it began to be STARTING or FORMER */
} BangerFront;

/*
 * Connects to the system bus and puts the object on it. It is NAMED when @wait is set and this
 * succeeds; otherwise the name is asked for, and taken from whoever has it, later. Errors:
 * OperationFailed.
 */
BangerFront *banger_front_new(BangerService *service, bool wait, GError **error);

/*
 * Closes it; what was answered is sent before, unless the bus does not take it within 2 s. No call
 * of it may be in flight.
 */
void banger_front_free(BangerFront *front);

/* How many calls of it are not answered yet, and messages that are delayed. */
unsigned int banger_front_in_flight(const BangerFront *front);

/* A call has come by @front, or has ended. */
void banger_front_enter(BangerFront *front);
void banger_front_leave(BangerFront *front);

/* Whether the bus has not taken all that was sent. */
bool banger_front_has_unsent(const BangerFront *front);

/* Something may have been sent: sees to it that a stuck bus is noticed. */
void banger_front_watch(BangerFront *front);
