/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The accounts of what the bridge keeps in memory for its connections. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "json-bridge/batch.h"
#include "json-bridge/bridge-limits.h"
#include "json-bridge/hold.h"
#include "json-bridge/outbox.h"
#include "lib/harness.h"

#define MIB (1u << 20)

/* What is small is always there, whatever others have. */
START_TEST(small_accounts)
{
    BangerHoldBudget budget = {BANGER_HELD_MAX};
    BangerHold hold = {.budget = &budget};

    ck_assert(banger_hold_grow(&hold, BANGER_HELD_FREE));
    ck_assert_uint_eq(budget.used, BANGER_HELD_MAX);
    ck_assert(!banger_hold_grow(&hold, BANGER_HELD_ALWAYS + 1));
    ck_assert_uint_eq(hold.held, BANGER_HELD_FREE);
    ck_assert(banger_hold_grow(&hold, BANGER_HELD_ALWAYS));
    banger_hold_shrink(&hold, hold.held);
    ck_assert_uint_eq(budget.used, BANGER_HELD_MAX);
}
END_TEST

START_TEST(one_account)
{
    BangerHoldBudget budget = {0};
    BangerHold hold = {.budget = &budget};

    ck_assert(banger_hold_grow(&hold, BANGER_HELD_PER_CONNECTION_MAX));
    ck_assert_uint_eq(budget.used, BANGER_HELD_PER_CONNECTION_MAX - BANGER_HELD_FREE);
    ck_assert(!banger_hold_grow(&hold, MIB));
    banger_hold_shrink(&hold, MIB);
    ck_assert(banger_hold_grow(&hold, MIB));
    banger_hold_shrink(&hold, hold.held);
    ck_assert_uint_eq(budget.used, 0);
}
END_TEST

/* Of many of a connection none has a part of its own; what is small enough is always there. */
START_TEST(one_of_many)
{
    BangerHoldBudget budget = {BANGER_HELD_MAX};
    BangerHold hold = {.budget = &budget, .is_one_of_many = true};

    ck_assert(!banger_hold_grow(&hold, BANGER_HELD_ALWAYS + 1));
    ck_assert(banger_hold_grow(&hold, BANGER_HELD_ALWAYS));
    ck_assert_uint_eq(budget.used, BANGER_HELD_MAX + BANGER_HELD_ALWAYS);
    banger_hold_shrink(&hold, hold.held);
    ck_assert_uint_eq(budget.used, BANGER_HELD_MAX);
}
END_TEST

START_TEST(all_accounts)
{
    BangerHoldBudget budget = {0};
    BangerHold holds[64];
    size_t total = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(holds); i++) {
        holds[i] = (BangerHold){.budget = &budget};
        while (banger_hold_grow(&holds[i], MIB))
            total += MIB;
    }
    ck_assert_uint_eq(budget.used, BANGER_HELD_MAX);
    ck_assert_uint_eq(total, BANGER_HELD_MAX + 64 * (size_t)BANGER_HELD_FREE);
    for (size_t i = 0; i < G_N_ELEMENTS(holds); i++)
        banger_hold_shrink(&holds[i], holds[i].held);
    ck_assert_uint_eq(budget.used, 0);
}
END_TEST

START_TEST(outbox)
{
    BangerHoldBudget budget = {0};
    BangerOutbox box;
    g_autofree char *large = g_strnfill(4 * MIB, 'x');
    static char piece[65536];
    size_t received = 0;
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    banger_outbox_init(&box, &budget);
    ck_assert_int_eq(banger_outbox_flush(&box, fds[0]), 0);
    ck_assert(banger_outbox_push(&box, g_string_new("first\n")));
    ck_assert(banger_outbox_push(&box, g_string_new(large)));
    ck_assert_uint_eq(banger_outbox_pending(&box), 4 * MIB + 6);
    while (received < 4 * MIB + 6) {
        ssize_t n;

        ck_assert_int_ge(banger_outbox_flush(&box, fds[0]), 0);
        n = read(fds[1], piece, sizeof piece);
        ck_assert_int_gt(n, 0);
        if (received == 0)
            ck_assert_mem_eq(piece, "first\nx", 7);
        received += (size_t)n;
    }
    ck_assert_uint_eq(banger_outbox_pending(&box), 0);
    ck_assert(banger_outbox_push(&box, g_string_new(large)));
    (void)close(fds[1]);
    ck_assert_int_lt(banger_outbox_flush(&box, fds[0]), 0);
    ck_assert_uint_eq(banger_outbox_pending(&box), 0);
    ck_assert_uint_eq(budget.used, 0);
    (void)close(fds[0]);
}
END_TEST

/* A member is its begin's alone: nothing of it is kept while it is in flight. */
static void
check_member(struct json_object *member, int expected)
{
    ck_assert_int_eq(json_object_get_int(member), expected);
    ck_assert_int_eq(json_object_put(member), 1);
}

START_TEST(batch_in_any_order)
{
    BangerHoldBudget budget = {0};
    struct json_object *array = json_tokener_parse("[1,null,3]");
    BangerBatch *batch = banger_batch_new(array, &budget);
    GString *answer = NULL;

    json_object_put(array);
    check_member(banger_batch_begin(batch), 1);
    ck_assert(banger_batch_end(batch, g_string_new("a")));
    ck_assert(!banger_batch_finish(batch, &answer));
    ck_assert_ptr_null(banger_batch_begin(batch));
    check_member(banger_batch_begin(batch), 3);
    ck_assert(banger_batch_all_begun(batch));
    ck_assert(banger_batch_end(batch, NULL));
    ck_assert(!banger_batch_finish(batch, &answer));
    ck_assert(banger_batch_end(batch, g_string_new("c")));
    ck_assert(banger_batch_finish(batch, &answer));
    ck_assert_str_eq(answer->str, "[a,c]");
    g_string_free(answer, TRUE);
}
END_TEST

/* Nothing is answered to a batch of notifications; an abandoned one ends with what was begun. */
START_TEST(batch_without_answer)
{
    BangerHoldBudget budget = {0};
    struct json_object *array = json_tokener_parse("[1,2]");
    BangerBatch *batch = banger_batch_new(array, &budget);
    GString *answer = NULL;

    json_object_put(banger_batch_begin(batch));
    json_object_put(banger_batch_begin(batch));
    ck_assert(banger_batch_end(batch, NULL) && banger_batch_end(batch, NULL));
    ck_assert(banger_batch_finish(batch, &answer));
    ck_assert_ptr_null(answer);

    batch = banger_batch_new(array, &budget);
    json_object_put(banger_batch_begin(batch));
    banger_batch_abandon(batch);
    ck_assert(banger_batch_all_begun(batch));
    ck_assert(banger_batch_end(batch, NULL));
    ck_assert(banger_batch_finish(batch, &answer));

    banger_batch_abandon(banger_batch_new(array, &budget));
    json_object_put(array);
}
END_TEST

START_TEST(batch_too_large)
{
    BangerHoldBudget budget = {BANGER_HELD_MAX};
    struct json_object *array = json_tokener_parse("[1]");
    BangerBatch *batch = banger_batch_new(array, &budget);
    g_autofree char *large = g_strnfill(BANGER_HELD_ALWAYS + 1, 'x');
    GString *text = g_string_new(large);
    GString *answer = NULL;

    json_object_put(banger_batch_begin(batch));
    ck_assert(!banger_batch_end(batch, text));
    ck_assert(!banger_batch_finish(batch, &answer));
    g_string_assign(text, "sorry");
    ck_assert(banger_batch_end(batch, text));
    ck_assert(banger_batch_finish(batch, &answer));
    ck_assert_str_eq(answer->str, "[sorry]");
    ck_assert_uint_eq(budget.used, BANGER_HELD_MAX);
    g_string_free(answer, TRUE);
    json_object_put(array);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bridge-hold");
    TCase *tcase = tcase_create("hold");

    tcase_add_test(tcase, small_accounts);
    tcase_add_test(tcase, one_account);
    tcase_add_test(tcase, one_of_many);
    tcase_add_test(tcase, all_accounts);
    tcase_add_test(tcase, outbox);
    tcase_add_test(tcase, batch_in_any_order);
    tcase_add_test(tcase, batch_without_answer);
    tcase_add_test(tcase, batch_too_large);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/bridge-hold", suite);
}
