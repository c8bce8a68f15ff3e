/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/turns.h"

#include <time.h>

#include "json-bridge/bridge-limits.h"

#define FRESH_USEC (BANGER_CALL_FRESH_MS * (uint64_t)1000)

struct BangerTurns {
    sd_event_source *source;
    sd_event_source *timer; /* for the oldest fresh call to be fresh no more */
    GQueue ready;
    GQueue waiting;
    GQueue fresh;        /* places of fresh calls, the oldest first */
    uint64_t last_place; /* how many were taken so far */
    unsigned int n_places;
    unsigned int n_fresh;
    unsigned int n_quiet; /* takers without a place */
    unsigned int n_large_replies;
    size_t n_bytes; /* of large messages */
};

static void serve_waiting(BangerTurns *turns);

static void
check_result(int r)
{
    if (r < 0)
        g_error("cannot schedule a turn: %s", g_strerror(-r));
}

/* One turn, so that what else happens on the loop comes in between. */
static int
on_turn(sd_event_source *source, void *user_data)
{
    BangerTurns *turns = user_data;
    GList *link = g_queue_pop_head_link(&turns->ready);
    BangerTaker *taker;

    if (link == NULL)
        return 0;
    if (!g_queue_is_empty(&turns->ready))
        check_result(sd_event_source_set_enabled(source, SD_EVENT_ONESHOT));
    taker = link->data;
    taker->state = BANGER_TAKER_RESTING;
    taker->take_turn(taker->user_data);
    return 0;
}

static void
end_freshness(BangerTurns *turns, BangerPlace *place)
{
    g_queue_unlink(&turns->fresh, &place->link);
    place->begun_usec = 0;
    turns->n_fresh--;
}

static int
on_timer(sd_event_source *source, uint64_t usec, void *user_data)
{
    BangerTurns *turns = user_data;
    uint64_t now_usec = (uint64_t)g_get_monotonic_time();
    GList *link;

    (void)source;
    (void)usec;
    while ((link = g_queue_peek_head_link(&turns->fresh)) != NULL &&
           ((BangerPlace *)link->data)->begun_usec + FRESH_USEC <= now_usec)
        end_freshness(turns, link->data);
    serve_waiting(turns);
    return 0;
}

BangerTurns *
banger_turns_new(sd_event *event)
{
    BangerTurns *turns = g_new0(BangerTurns, 1);

    check_result(sd_event_add_defer(event, &turns->source, on_turn, turns));
    check_result(sd_event_source_set_enabled(turns->source, SD_EVENT_OFF));
    check_result(sd_event_add_time(event, &turns->timer, CLOCK_MONOTONIC, 0, 0, on_timer, turns));
    check_result(sd_event_source_set_enabled(turns->timer, SD_EVENT_OFF));
    return turns;
}

void
banger_turns_free(BangerTurns *turns)
{
    (void)sd_event_source_disable_unref(turns->source);
    (void)sd_event_source_disable_unref(turns->timer);
    g_free(turns);
}

static bool
message_is_large(const BangerNeeds *needs)
{
    return needs->n_bytes > BANGER_SMALL_REQUEST_MAX;
}

bool
banger_needs_are_large(const BangerNeeds *needs)
{
    return message_is_large(needs) || needs->reply_is_large;
}

/* Whether there is room for a call of @taker, which has no place for it yet. */
static bool
has_room(const BangerTaker *taker, const BangerNeeds *needs)
{
    const BangerTurns *turns = taker->turns;
    unsigned int n_kept = taker->n_calls == 0 ? 0 : turns->n_quiet;

    /*
     * Whoever has none in flight finds one of the fresh calls' places free, too, if he comes alone.
     */
    if (turns->n_places + n_kept >= BANGER_CALLS_MAX ||
        turns->n_fresh + MIN(n_kept, 1) >= BANGER_CALLS_FRESH_MAX)
        return false;
    if (needs->reply_is_large && turns->n_large_replies >= BANGER_LARGE_REPLIES_MAX)
        return false;
    return !message_is_large(needs) || turns->n_bytes == 0 ||
           turns->n_bytes + needs->n_bytes <= BANGER_CALL_BYTES_MAX;
}

static bool
is_quiet(const BangerTaker *taker)
{
    return taker->n_calls == 0 && !taker->has_place && taker->state != BANGER_TAKER_LEFT;
}

static void
occupy_places(BangerTaker *taker, const BangerNeeds *needs)
{
    BangerTurns *turns = taker->turns;

    turns->n_quiet -= is_quiet(taker) ? 1 : 0;
    turns->n_places++;
    turns->n_fresh++;
    turns->n_large_replies += needs->reply_is_large ? 1 : 0;
    turns->n_bytes += message_is_large(needs) ? needs->n_bytes : 0;
    taker->last_place = ++turns->last_place;
    taker->needs = *needs;
    taker->has_place = true;
}

/* What @needs took is free again; the taker's own count has been set already. */
static void
vacate_places(const BangerTaker *taker, const BangerNeeds *needs)
{
    BangerTurns *turns = taker->turns;

    turns->n_quiet += is_quiet(taker) ? 1 : 0;
    turns->n_places--;
    turns->n_large_replies -= needs->reply_is_large ? 1 : 0;
    turns->n_bytes -= message_is_large(needs) ? needs->n_bytes : 0;
    serve_waiting(turns);
}

static void
make_ready(BangerTaker *taker)
{
    taker->state = BANGER_TAKER_READY;
    g_queue_push_tail_link(&taker->turns->ready, &taker->link);
    check_result(sd_event_source_set_enabled(taker->turns->source, SD_EVENT_ONESHOT));
}

/*
 * Whether @needs have to wait behind @ahead, which came before and has no room: a large message
 * would never go if smaller ones took its room again and again.
 */
static bool
is_behind(const BangerNeeds *needs, const BangerNeeds *ahead)
{
    return (message_is_large(needs) && message_is_large(ahead)) ||
           (needs->reply_is_large && ahead->reply_is_large);
}

static void
watch_freshness(BangerTurns *turns)
{
    const GList *oldest = g_queue_peek_head_link(&turns->fresh);
    const BangerPlace *place;

    if (oldest == NULL || g_queue_is_empty(&turns->waiting)) {
        check_result(sd_event_source_set_enabled(turns->timer, SD_EVENT_OFF));
        return;
    }
    place = oldest->data;
    check_result(sd_event_source_set_time(turns->timer, place->begun_usec + FRESH_USEC));
    check_result(sd_event_source_set_enabled(turns->timer, SD_EVENT_ONESHOT));
}

/* Hands out the places that there are to those who wait for them. */
static void
serve_waiting(BangerTurns *turns)
{
    BangerNeeds ahead = {0};
    GList *next;

    for (GList *link = turns->waiting.head; link != NULL; link = next) {
        BangerTaker *taker = link->data;

        next = link->next;
        if (is_behind(&taker->needs, &ahead) || !has_room(taker, &taker->needs)) {
            ahead.n_bytes = MAX(ahead.n_bytes, taker->needs.n_bytes);
            ahead.reply_is_large = ahead.reply_is_large || taker->needs.reply_is_large;
            continue;
        }
        g_queue_unlink(&turns->waiting, link);
        occupy_places(taker, &taker->needs);
        make_ready(taker);
    }
    watch_freshness(turns);
}

void
banger_taker_join(BangerTaker *taker, BangerTurns *turns, BangerTakeTurn take_turn, void *user_data)
{
    *taker = (BangerTaker){.turns = turns,
                           .take_turn = take_turn,
                           .user_data = user_data,
                           .last_place = turns->last_place};
    taker->link.data = taker;
    turns->n_quiet++;
}

void
banger_taker_leave(BangerTaker *taker)
{
    BangerTurns *turns = taker->turns;

    if (taker->state == BANGER_TAKER_READY)
        g_queue_unlink(&turns->ready, &taker->link);
    else if (taker->state == BANGER_TAKER_WAITING)
        g_queue_unlink(&turns->waiting, &taker->link);
    banger_taker_return_place(taker);
    turns->n_quiet -= is_quiet(taker) ? 1 : 0;
    taker->state = BANGER_TAKER_LEFT;
    serve_waiting(turns);
}

void
banger_taker_ask(BangerTaker *taker)
{
    if (taker->state == BANGER_TAKER_RESTING)
        make_ready(taker);
}

/* Whether one that waits already must not be overtaken by @needs. */
static bool
must_queue(const BangerTurns *turns, const BangerNeeds *needs)
{
    for (const GList *link = turns->waiting.head; link != NULL; link = link->next) {
        const BangerTaker *other = link->data;

        if (is_behind(needs, &other->needs))
            return true;
    }
    return false;
}

/* Behind those who had their last place earlier. */
static void
begin_waiting(BangerTaker *taker)
{
    GQueue *waiting = &taker->turns->waiting;
    GList *behind = waiting->tail;

    while (behind != NULL && ((BangerTaker *)behind->data)->last_place > taker->last_place)
        behind = behind->prev;
    taker->state = BANGER_TAKER_WAITING;
    g_queue_insert_after_link(waiting, behind, &taker->link);
}

bool
banger_taker_reserve_place(BangerTaker *taker, const BangerNeeds *needs)
{
    BangerTurns *turns = taker->turns;

    if (taker->has_place)
        return true;
    if (!must_queue(turns, needs) && has_room(taker, needs)) {
        occupy_places(taker, needs);
        return true;
    }
    if (taker->state == BANGER_TAKER_READY)
        g_queue_unlink(&turns->ready, &taker->link);
    taker->needs = *needs;
    begin_waiting(taker);
    watch_freshness(turns);
    return false;
}

void
banger_taker_use_place(BangerTaker *taker, BangerPlace *ret_place)
{
    g_assert(taker->has_place);
    taker->has_place = false;
    taker->n_calls++;
    *ret_place = (BangerPlace){
        .taker = taker,
        .needs = taker->needs,
        .begun_usec = (uint64_t)g_get_monotonic_time(),
    };
    ret_place->link.data = ret_place;
    g_queue_push_tail_link(&taker->turns->fresh, &ret_place->link);
}

void
banger_taker_return_place(BangerTaker *taker)
{
    if (!taker->has_place)
        return;
    taker->has_place = false;
    taker->turns->n_fresh--;
    vacate_places(taker, &taker->needs);
}

void
banger_place_free(BangerPlace *place)
{
    BangerTaker *taker = place->taker;

    if (taker == NULL)
        return;
    if (place->begun_usec != 0)
        end_freshness(taker->turns, place);
    taker->n_calls--;
    vacate_places(taker, &place->needs);
}
