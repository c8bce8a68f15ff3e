/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What connections of the JSON bridge may begin, and in which order: that one which asks for much
 * waits itself, that another's place is kept, and that nothing is lost on the way.
 */
#include <string.h>

#include "json-bridge/bridge-limits.h"
#include "json-bridge/turns.h"
#include "lib/harness.h"

#define N_TAKERS 8
#define FRESH_OF_ONE (BANGER_CALLS_FRESH_MAX - 1) /* one is kept for those with none in flight */

/* A connection that has @n_wanted calls to make, and makes one in each turn. */
typedef struct {
    BangerTaker taker;
    BangerNeeds needs;
    unsigned int n_wanted;
    unsigned int n_begun;
    BangerPlace *places[BANGER_CALLS_MAX];
} Peer;

static sd_event *event;
static BangerTurns *turns;
static Peer peers[N_TAKERS];
static GString *order; /* the number of each peer that begins a call */

static void
on_turn(void *user_data)
{
    Peer *peer = user_data;

    if (peer->n_wanted == 0 || !banger_taker_reserve_place(&peer->taker, &peer->needs))
        return;
    peer->n_wanted--;
    peer->places[peer->n_begun] = g_new0(BangerPlace, 1);
    banger_taker_use_place(&peer->taker, peer->places[peer->n_begun++]);
    g_string_append_printf(order, "%td", peer - peers);
    banger_taker_ask(&peer->taker);
}

static void
set_up(void)
{
    ck_assert_int_ge(sd_event_new(&event), 0);
    turns = banger_turns_new(event);
    order = g_string_new(NULL);
    memset(peers, 0, sizeof peers);
    for (size_t i = 0; i < N_TAKERS; i++)
        banger_taker_join(&peers[i].taker, turns, on_turn, &peers[i]);
}

static void
end_call(Peer *peer)
{
    BangerPlace *place = peer->places[--peer->n_begun];

    banger_place_free(place);
    g_free(place);
}

static void
tear_down(void)
{
    for (size_t i = 0; i < N_TAKERS; i++) {
        if (peers[i].taker.state != BANGER_TAKER_LEFT)
            banger_taker_leave(&peers[i].taker);
        while (peers[i].n_begun > 0)
            end_call(&peers[i]);
    }
    banger_turns_free(turns);
    sd_event_unref(event);
    g_string_free(order, TRUE);
}

static void
ask(size_t i, unsigned int n_wanted)
{
    peers[i].n_wanted = n_wanted;
    banger_taker_ask(&peers[i].taker);
}

/* Runs the loop until there is nothing to do at once. */
static void
run(void)
{
    while (sd_event_run(event, 0) > 0)
        ;
}

/* Runs the loop until nothing is fresh any more. */
static void
run_until_stale(void)
{
    while (sd_event_run(event, 2000 * (uint64_t)BANGER_CALL_FRESH_MS) > 0)
        ;
}

/* Runs the loop until @peer has begun @n calls, which takes as long as calls are fresh. */
static void
run_until(const Peer *peer, unsigned int n)
{
    while (peer->n_begun < n)
        ck_assert_int_gt(sd_event_run(event, 10 * (uint64_t)G_USEC_PER_SEC), 0);
    run();
}

/* Few calls are begun at once; when those are not fresh any more or have ended, the next. */
START_TEST(fresh_calls)
{
    ask(0, 3 * FRESH_OF_ONE);
    run();
    ck_assert_uint_eq(peers[0].n_begun, FRESH_OF_ONE);
    end_call(&peers[0]);
    run();
    ck_assert_uint_eq(peers[0].n_begun, FRESH_OF_ONE);
    ck_assert_uint_eq(peers[0].n_wanted, 2 * FRESH_OF_ONE - 1);
    run_until(&peers[0], 2 * FRESH_OF_ONE);
    run_until(&peers[0], 3 * FRESH_OF_ONE - 1);
    ck_assert_uint_eq(peers[0].n_wanted, 0);
}
END_TEST

/* One that has none in flight begins at once, whatever others ask for; two need not. */
START_TEST(a_fresh_place_is_kept)
{
    ask(0, 10);
    run();
    ask(1, 10);
    run();
    ck_assert_uint_eq(peers[1].n_begun, 1);
    ask(2, 1);
    run();
    ck_assert_uint_eq(peers[0].n_begun + peers[1].n_begun, BANGER_CALLS_FRESH_MAX);
    ck_assert_uint_eq(peers[2].n_begun, 0);
    end_call(&peers[0]);
    run();
    ck_assert_uint_eq(peers[2].n_begun, 1);
}
END_TEST

/* Of those that wait the one is served that was served longest ago, whoever asks for more. */
START_TEST(in_turn)
{
    static const size_t ends[] = {0, 0, 3, 2};

    ask(0, 10);
    run();
    ask(3, 1);
    run();
    ask(1, 10);
    ask(2, 1);
    run();
    ck_assert_uint_eq(peers[1].n_begun + peers[2].n_begun, 0);
    g_string_truncate(order, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
        end_call(&peers[ends[i]]);
        run();
    }
    /* The last place is kept: both that wait have a call in flight. */
    ck_assert_str_eq(order->str, "120");
    end_call(&peers[0]);
    run();
    ck_assert_str_eq(order->str, "12010");
}
END_TEST

/* One that has calls in flight leaves a place for each that has none. */
START_TEST(a_place_is_kept)
{
    ask(0, BANGER_CALLS_MAX);
    run_until(&peers[0], BANGER_CALLS_MAX - (N_TAKERS - 1));
    run_until_stale();
    ck_assert_uint_eq(peers[0].n_begun, BANGER_CALLS_MAX - (N_TAKERS - 1));
    for (size_t i = 1; i < N_TAKERS; i++) {
        ask(i, 2);
        run_until(&peers[i], 1);
    }
    run_until_stale();
    for (size_t i = 1; i < N_TAKERS; i++)
        ck_assert_uint_eq(peers[i].n_begun, 1);
    /* All are in flight: the next place is for whoever waited longest. */
    end_call(&peers[0]);
    run();
    ck_assert_uint_eq(peers[0].n_begun, BANGER_CALLS_MAX - (N_TAKERS - 1));
}
END_TEST

/* One that leaves frees what it kept from others: its place in the row, and the place it had. */
START_TEST(one_leaves)
{
    ask(0, BANGER_CALLS_FRESH_MAX);
    run();
    ask(4, 1);
    run();
    ask(1, 1);
    ask(2, 1);
    run();
    banger_taker_leave(&peers[1].taker);
    end_call(&peers[0]);
    /* The place is the third's now, which leaves before its turn comes. */
    banger_taker_leave(&peers[2].taker);
    ask(3, 1);
    run();
    ck_assert_uint_eq(peers[1].n_begun + peers[2].n_begun, 0);
    ck_assert_uint_eq(peers[3].n_begun, 1);
}
END_TEST

/*
 * Large messages go one after the other when there is no room for both; small ones pass them, and
 * no large one passes another.
 */
START_TEST(large_messages)
{
    peers[0].needs.n_bytes = BANGER_CALL_BYTES_MAX - BANGER_SMALL_REQUEST_MAX;
    peers[1].needs.n_bytes = BANGER_SMALL_REQUEST_MAX + 1;
    peers[2].needs.n_bytes = BANGER_SMALL_REQUEST_MAX + 1;
    peers[3].needs.n_bytes = BANGER_SMALL_REQUEST_MAX;
    ask(2, 1);
    run();
    ask(0, 1);
    ask(1, 1);
    ask(3, 1);
    run();
    ck_assert_str_eq(order->str, "23");
    end_call(&peers[2]);
    run();
    ck_assert_str_eq(order->str, "230");
    end_call(&peers[0]);
    run();
    ck_assert_str_eq(order->str, "2301");
}
END_TEST

/* One larger than all the room there is goes alone. */
START_TEST(the_largest_message)
{
    peers[0].needs.n_bytes = 2 * (size_t)BANGER_CALL_BYTES_MAX;
    ask(0, 2);
    run();
    ck_assert_uint_eq(peers[0].n_begun, 1);
    end_call(&peers[0]);
    run();
    ck_assert_uint_eq(peers[0].n_begun, 1);
    ck_assert_uint_eq(peers[0].n_wanted, 0);
}
END_TEST

START_TEST(large_replies)
{
    peers[0].needs.reply_is_large = true;
    ask(0, BANGER_LARGE_REPLIES_MAX + 1);
    run_until(&peers[0], BANGER_LARGE_REPLIES_MAX);
    ask(1, 1);
    run_until(&peers[1], 1);
    ck_assert_uint_eq(peers[0].n_wanted, 1);
    end_call(&peers[0]);
    run_until(&peers[0], BANGER_LARGE_REPLIES_MAX);
    ck_assert_uint_eq(peers[0].n_wanted, 0);
}
END_TEST

/* A place that is not used goes to the next one that waits. */
START_TEST(returned)
{
    BangerNeeds needs = {0};

    ask(1, BANGER_CALLS_FRESH_MAX - 1);
    run();
    ck_assert(banger_taker_reserve_place(&peers[0].taker, &needs));
    ask(2, 1);
    run();
    ck_assert_uint_eq(peers[2].n_begun, 0);
    banger_taker_return_place(&peers[0].taker);
    banger_taker_return_place(&peers[0].taker);
    run();
    ck_assert_uint_eq(peers[2].n_begun, 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bridge-turns");
    TCase *tcase = tcase_create("turns");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, fresh_calls);
    tcase_add_test(tcase, a_fresh_place_is_kept);
    tcase_add_test(tcase, in_turn);
    tcase_add_test(tcase, a_place_is_kept);
    tcase_add_test(tcase, one_leaves);
    tcase_add_test(tcase, large_messages);
    tcase_add_test(tcase, the_largest_message);
    tcase_add_test(tcase, large_replies);
    tcase_add_test(tcase, returned);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/bridge-turns", suite);
}
