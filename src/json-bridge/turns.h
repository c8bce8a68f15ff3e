/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/*
 * Whose turn it is, and how many calls are in flight.
 *
 * Connections that can go on take turns, and begin at most one call in each. A call needs a place.
 * There are fewer of them than calls that the helper and the bus let one user have, and one is kept
 * for each connection that has no call in flight: a connection that asks for much waits itself, and
 * is neither refused nor keeps another waiting. Few of the calls in flight may be fresh, which is
 * begun a moment ago: calls that are done in a moment would only queue at the helper, where a
 * request of another connection would come behind them all. The last of these places is kept while
 * there is a connection without a call in flight: one that asks for little begins at once. Of those
 * that wait for a place the one that had one longest ago comes first.
 */
typedef struct BangerTurns BangerTurns;

/* Has one turn. */
typedef void (*BangerTakeTurn)(void *user_data);

/* What a call takes of what all share. */
typedef struct {
    size_t n_bytes;      /* of its message */
    bool reply_is_large; /* or may be */
} BangerNeeds;

/* Whether the message of the call, or its reply, is large. */
bool banger_needs_are_large(const BangerNeeds *needs);

typedef enum {
    BANGER_TAKER_RESTING, /* in no queue */
    BANGER_TAKER_READY,   /* its turn comes */
    BANGER_TAKER_WAITING, /* for the place that it wants */
    BANGER_TAKER_LEFT,    /* no further turns */
} BangerTakerState;

/* One that takes turns: a part of a connection. */
typedef struct {
    BangerTurns *turns;
    BangerTakeTurn take_turn;
    void *user_data;
    BangerTakerState state;
    GList link;
    BangerNeeds needs;    /* of the place that it has or waits for */
    bool has_place;       /* and has not used it yet */
    unsigned int n_calls; /* in flight */
    uint64_t last_place;  /* the number of the last place it had */
} BangerTaker;

/* The place of a call in flight; it stays where it is until it is free. */
typedef struct {
    BangerTaker *taker; /* NULL: no place */
    BangerNeeds needs;
    uint64_t begun_usec; /* of CLOCK_MONOTONIC; 0 if it is not fresh any more */
    GList link;
} BangerPlace;

/* Turns are taken on @event's loop. */
BangerTurns *banger_turns_new(sd_event *event);

/* Nothing may be in flight. */
void banger_turns_free(BangerTurns *turns);

/* Makes @taker one that takes turns. */
void banger_taker_join(BangerTaker *taker, BangerTurns *turns, BangerTakeTurn take_turn,
                       void *user_data);

/* Ends that: no turn comes any more. Calls in flight keep their places until they end. */
void banger_taker_leave(BangerTaker *taker);

/* Asks for a turn, if none is coming already; one that waits for a place goes on waiting. */
void banger_taker_ask(BangerTaker *taker);

/*
 * Whether @taker has a place for a call with @needs, or there is one, which it has then. If not, it
 * waits: its turn comes when it has the place.
 */
bool banger_taker_reserve_place(BangerTaker *taker, const BangerNeeds *needs);

/* Makes the place that @taker has the one of a call that begins: @ret_place. */
void banger_taker_use_place(BangerTaker *taker, BangerPlace *ret_place);

/* Returns the place that @taker has and does not use, if it has one. */
void banger_taker_return_place(BangerTaker *taker);

/* The call that had @place, if it had one, has ended. */
void banger_place_free(BangerPlace *place);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerTurns, banger_turns_free)
