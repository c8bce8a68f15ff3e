/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What threads hand to the main one: all of it runs there, in order. */
#include <string.h>

#include "lib/harness.h"
#include "util/main-queue.h"

#define N_THREADS 4u
#define N_ITEMS 2000u

typedef struct {
    BangerMainQueue *queue;
    GThread *main_thread;
    unsigned int n_pushed; /* of the thread that has it */
    unsigned int n_run;
    unsigned int *n_left; /* of all */
} Source;

static void
on_item(void *user_data)
{
    Source *source = user_data;

    ck_assert_ptr_eq(g_thread_self(), source->main_thread);
    source->n_run++;
    (*source->n_left)--;
}

static gpointer
push_items(void *user_data)
{
    Source *source = user_data;

    for (; source->n_pushed < N_ITEMS; source->n_pushed++)
        banger_main_queue_push(source->queue, on_item, source);
    return NULL;
}

START_TEST(all_of_it_runs_on_the_main_thread)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerMainQueue) queue = banger_main_queue_new(&error);
    GThread *threads[N_THREADS];
    Source sources[N_THREADS];
    unsigned int n_left = N_THREADS * N_ITEMS;

    ck_assert_ptr_nonnull(queue);
    for (unsigned int i = 0; i < N_THREADS; i++) {
        sources[i] = (Source){.queue = queue, .main_thread = g_thread_self(), .n_left = &n_left};
        threads[i] = g_thread_new("source", push_items, &sources[i]);
    }
    while (n_left > 0)
        g_main_context_iteration(NULL, TRUE);
    for (unsigned int i = 0; i < N_THREADS; i++) {
        g_thread_join(threads[i]);
        ck_assert_uint_eq(sources[i].n_run, N_ITEMS);
    }
}
END_TEST

typedef struct {
    BangerMainQueue *queue;
    GString *order;
} Order;

static void
on_third(void *user_data)
{
    Order *order = user_data;

    g_string_append(order->order, "3");
}

static void
on_first(void *user_data)
{
    Order *order = user_data;

    g_string_append(order->order, "1");
    banger_main_queue_push(order->queue, on_third, order);
    g_string_append(order->order, "-");
}

static void
on_second(void *user_data)
{
    Order *order = user_data;

    g_string_append(order->order, "2");
}

START_TEST(it_runs_in_order_and_not_within_a_push)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BangerMainQueue) queue = banger_main_queue_new(&error);
    g_autoptr(GString) text = g_string_new("");
    Order order = {queue, text};

    banger_main_queue_push(queue, on_first, &order);
    banger_main_queue_push(queue, on_second, &order);
    ck_assert_str_eq(text->str, "");
    while (text->len < strlen("1-23"))
        g_main_context_iteration(NULL, TRUE);
    ck_assert_str_eq(text->str, "1-23");
    ck_assert(!g_main_context_pending(NULL));
}
END_TEST

START_TEST(what_is_left_does_not_run)
{
    g_autoptr(GError) error = NULL;
    BangerMainQueue *queue = banger_main_queue_new(&error);
    g_autoptr(GString) text = g_string_new("");
    Order order = {queue, text};

    banger_main_queue_push(queue, on_second, &order);
    banger_main_queue_free(queue);
    while (g_main_context_pending(NULL))
        g_main_context_iteration(NULL, FALSE);
    ck_assert_str_eq(text->str, "");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("main-queue");
    TCase *tcase = tcase_create("main-queue");

    tcase_add_test(tcase, all_of_it_runs_on_the_main_thread);
    tcase_add_test(tcase, it_runs_in_order_and_not_within_a_push);
    tcase_add_test(tcase, what_is_left_does_not_run);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/main-queue", suite);
}
