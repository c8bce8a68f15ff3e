/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queues that serve users in turn, and budgets that come back with time. */
#include <string.h>

#include "lib/harness.h"
#include "util/budget.h"
#include "util/user-queue.h"

/* Pops all, as one text. */
static char *
pop_all(BangerUserQueue *turns)
{
    GString *order = g_string_new("");
    const char *item;

    while ((item = banger_user_queue_pop(turns)) != NULL)
        g_string_append_printf(order, "%s ", item);
    return g_string_free(order, FALSE);
}

static void
push(BangerUserQueue *turns, uid_t uid, bool last, const char *item)
{
    banger_user_queue_push(turns, uid, last, (void *)item);
}

START_TEST(users_take_turns)
{
    g_autoptr(BangerUserQueue) turns = banger_user_queue_new();
    g_autofree char *order = NULL;

    push(turns, 1, false, "a1");
    push(turns, 1, false, "a2");
    push(turns, 1, false, "a3");
    push(turns, 2, false, "b1");
    push(turns, 0, false, "c1");
    push(turns, 2, false, "b2");
    order = pop_all(turns);
    ck_assert_str_eq(order, "a1 b1 c1 a2 b2 a3 ");
    ck_assert(banger_user_queue_is_empty(turns));
}
END_TEST

START_TEST(last_is_behind_all)
{
    g_autoptr(BangerUserQueue) turns = banger_user_queue_new();
    g_autofree char *order = NULL;

    push(turns, 1, true, "a1");
    push(turns, 1, true, "a2");
    push(turns, 2, true, "b1");
    push(turns, 2, false, "b2");
    push(turns, 3, false, "c1");
    order = pop_all(turns);
    ck_assert_str_eq(order, "b2 c1 a1 b1 a2 ");
}
END_TEST

START_TEST(items_are_removed)
{
    g_autoptr(BangerUserQueue) turns = banger_user_queue_new();
    g_autofree char *order = NULL;
    const char *gone = "a1", *alone = "b1", *late = "c1";

    push(turns, 1, false, gone);
    push(turns, 1, false, "a2");
    push(turns, 2, false, alone);
    push(turns, 3, true, late);
    ck_assert(banger_user_queue_remove(turns, 1, gone));
    ck_assert(!banger_user_queue_remove(turns, 1, gone));
    ck_assert(banger_user_queue_remove(turns, 2, alone));
    ck_assert(banger_user_queue_remove(turns, 3, late));
    ck_assert(!banger_user_queue_remove(turns, 3, late));
    ck_assert(!banger_user_queue_remove(turns, 4, late));
    push(turns, 2, false, "b2");
    order = pop_all(turns);
    ck_assert_str_eq(order, "a2 b2 ");
}
END_TEST

START_TEST(budget_comes_back)
{
    static const BangerBudgetRate rate = {.at_once = 3, .per_sec = 2};
    BangerBudget budget = {0};

    for (int i = 0; i < 3; i++)
        ck_assert(banger_budget_take(&budget, &rate, 1, 1000));
    ck_assert(!banger_budget_take(&budget, &rate, 1, 1000));
    ck_assert(!banger_budget_take(&budget, &rate, 1, 400000));
    ck_assert(banger_budget_take(&budget, &rate, 1, 502000));
    ck_assert(!banger_budget_take(&budget, &rate, 1, 502000));
    ck_assert(!banger_budget_is_full(&budget, &rate, 502000));
    ck_assert(banger_budget_is_full(&budget, &rate, 2100000));
    ck_assert(banger_budget_take(&budget, &rate, 3, 2100000));
    /* Neither a long time nor a clock that stands still or goes back adds more than there was. */
    ck_assert(!banger_budget_take(&budget, &rate, 4, INT64_MAX));
    ck_assert(banger_budget_take(&budget, &rate, 3, INT64_MAX));
    ck_assert(!banger_budget_take(&budget, &rate, 1, 0));
}
END_TEST

START_TEST(budget_is_overdrawn)
{
    static const BangerBudgetRate rate = {.at_once = 10, .per_sec = 10};
    BangerBudget budget = {0};

    banger_budget_charge(&budget, &rate, 30, 0);
    ck_assert(!banger_budget_take(&budget, &rate, 1, 2000000));
    ck_assert(banger_budget_take(&budget, &rate, 1, 2100000));
    banger_budget_charge(&budget, &rate, UINT32_MAX, 2100000);
    ck_assert(!banger_budget_take(&budget, &rate, 1, 100 * (int64_t)1000000));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("user-queue");
    TCase *tcase = tcase_create("user-queue");

    tcase_add_test(tcase, users_take_turns);
    tcase_add_test(tcase, last_is_behind_all);
    tcase_add_test(tcase, items_are_removed);
    tcase_add_test(tcase, budget_comes_back);
    tcase_add_test(tcase, budget_is_overdrawn);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/user-queue", suite);
}
