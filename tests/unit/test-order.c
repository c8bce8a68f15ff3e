/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls about one object run one after the other, others side by side, and none deadlocks. */
#include <glib.h>

#include "bus/order.h"
#include "lib/harness.h"

typedef struct {
    GString *log; /* the letters of the calls that went, in order */
    char letter;
} Call;

static void
go(gpointer user_data)
{
    Call *call = user_data;

    g_string_append_c(call->log, call->letter);
}

static BangerTicket *
enter(BangerOrder *order, Call *call, const char *first_key, const char *second_key)
{
    const char *keys[] = {first_key, second_key, NULL};

    return banger_order_enter(order, keys, go, call);
}

START_TEST(same_object_one_after_the_other)
{
    g_autoptr(BangerOrder) order = banger_order_new();
    g_autoptr(GString) log = g_string_new(NULL);
    Call a = {log, 'a'}, b = {log, 'b'}, c = {log, 'c'};
    BangerTicket *ticket_a = enter(order, &a, "link:x", NULL);
    BangerTicket *ticket_b = enter(order, &b, "link:x", NULL);
    BangerTicket *ticket_c = enter(order, &c, "link:x", NULL);

    ck_assert_str_eq(log->str, "a");
    banger_order_leave(ticket_a);
    ck_assert_str_eq(log->str, "ab");
    banger_order_leave(ticket_b);
    ck_assert_str_eq(log->str, "abc");
    banger_order_leave(ticket_c);
}
END_TEST

START_TEST(different_objects_side_by_side)
{
    g_autoptr(BangerOrder) order = banger_order_new();
    g_autoptr(GString) log = g_string_new(NULL);
    Call a = {log, 'a'}, b = {log, 'b'}, c = {log, 'c'};
    BangerTicket *ticket_a = enter(order, &a, "link:x", NULL);
    BangerTicket *ticket_b = enter(order, &b, "link:y", NULL);
    BangerTicket *ticket_c = enter(order, &c, NULL, NULL);

    ck_assert_str_eq(log->str, "abc");
    banger_order_leave(ticket_c);
    banger_order_leave(ticket_a);
    banger_order_leave(ticket_b);
}
END_TEST

/* Who needs two objects waits for both, and keeps its place in both lines meanwhile. */
START_TEST(two_objects_at_once)
{
    g_autoptr(BangerOrder) order = banger_order_new();
    g_autoptr(GString) log = g_string_new(NULL);
    Call a = {log, 'a'}, b = {log, 'b'}, c = {log, 'c'}, d = {log, 'd'};
    BangerTicket *ticket_a = enter(order, &a, "link:x", NULL);
    BangerTicket *ticket_b = enter(order, &b, "link:y", NULL);
    BangerTicket *ticket_c = enter(order, &c, "link:y", "link:x");
    BangerTicket *ticket_d = enter(order, &d, "link:x", NULL);

    ck_assert_str_eq(log->str, "ab");
    banger_order_leave(ticket_a);
    ck_assert_str_eq(log->str, "ab");
    banger_order_leave(ticket_b);
    ck_assert_str_eq(log->str, "abc");
    banger_order_leave(ticket_c);
    ck_assert_str_eq(log->str, "abcd");
    banger_order_leave(ticket_d);
}
END_TEST

/* Crossed pairs, in every order of arrival, never wait for each other. */
START_TEST(crossed_pairs_do_not_deadlock)
{
    g_autoptr(BangerOrder) order = banger_order_new();
    g_autoptr(GString) log = g_string_new(NULL);
    Call a = {log, 'a'}, b = {log, 'b'};
    BangerTicket *ticket_a = enter(order, &a, "link:x", "link:y");
    BangerTicket *ticket_b = enter(order, &b, "link:y", "link:x");

    ck_assert_str_eq(log->str, "a");
    banger_order_leave(ticket_a);
    ck_assert_str_eq(log->str, "ab");
    banger_order_leave(ticket_b);
}
END_TEST

/* Who leaves before its turn does not go, delays none, and moves none up that must wait on. */
START_TEST(leaves_before_its_turn)
{
    g_autoptr(BangerOrder) order = banger_order_new();
    g_autoptr(GString) log = g_string_new(NULL);
    Call a = {log, 'a'}, b = {log, 'b'}, c = {log, 'c'}, d = {log, 'd'};
    BangerTicket *ticket_a = enter(order, &a, "link:x", NULL);
    BangerTicket *ticket_b = enter(order, &b, "link:x", "link:y");
    BangerTicket *ticket_c = enter(order, &c, "link:x", NULL);
    BangerTicket *ticket_d = enter(order, &d, "link:y", NULL);

    ck_assert_str_eq(log->str, "a");
    banger_order_leave(ticket_b); /* the first in one line, the second in the other */
    ck_assert_str_eq(log->str, "ad");
    banger_order_leave(ticket_a);
    ck_assert_str_eq(log->str, "adc");
    banger_order_leave(ticket_c);
    banger_order_leave(ticket_d);
}
END_TEST

/* Who only shares an object waits for who has it alone, and the other way round, in their order. */
START_TEST(shared_objects)
{
    g_autoptr(BangerOrder) order = banger_order_new();
    g_autoptr(GString) log = g_string_new(NULL);
    Call a = {log, 'a'}, b = {log, 'b'}, c = {log, 'c'}, d = {log, 'd'}, e = {log, 'e'};
    BangerTicket *ticket_a = enter(order, &a, "+link:x", NULL);
    BangerTicket *ticket_b = enter(order, &b, "+link:x", NULL);
    BangerTicket *ticket_c = enter(order, &c, "link:x", NULL);
    BangerTicket *ticket_d = enter(order, &d, "+link:x", NULL);
    BangerTicket *ticket_e = enter(order, &e, "+link:x", NULL);

    ck_assert_str_eq(log->str, "ab");
    banger_order_leave(ticket_b);
    ck_assert_str_eq(log->str, "ab");
    banger_order_leave(ticket_a);
    ck_assert_str_eq(log->str, "abc");
    banger_order_leave(ticket_c);
    ck_assert_str_eq(log->str, "abcde");
    banger_order_leave(ticket_d);
    banger_order_leave(ticket_e);
}
END_TEST

/* Who waits elsewhere does not bar those behind it that share. */
START_TEST(shared_object_of_who_waits)
{
    g_autoptr(BangerOrder) order = banger_order_new();
    g_autoptr(GString) log = g_string_new(NULL);
    Call a = {log, 'a'}, b = {log, 'b'}, c = {log, 'c'};
    BangerTicket *ticket_a = enter(order, &a, "link:y", NULL);
    BangerTicket *ticket_b = enter(order, &b, "+link:x", "link:y");
    BangerTicket *ticket_c = enter(order, &c, "+link:x", NULL);

    ck_assert_str_eq(log->str, "ac");
    banger_order_leave(ticket_c);
    banger_order_leave(ticket_a);
    ck_assert_str_eq(log->str, "acb");
    banger_order_leave(ticket_b);
}
END_TEST

/* Who tries has the object before those that wait, and not while a call has it that went. */
START_TEST(object_by_trying)
{
    g_autoptr(BangerOrder) order = banger_order_new();
    g_autoptr(GString) log = g_string_new(NULL);
    Call a = {log, 'a'}, b = {log, 'b'}, c = {log, 'c'};
    BangerTicket *ticket_a = enter(order, &a, "vm:x", NULL);
    BangerTicket *ticket_b = enter(order, &b, "link:x", "vm:x");
    BangerTicket *ticket_c = enter(order, &c, "link:x", NULL);
    BangerTicket *tried;

    ck_assert_ptr_null(banger_order_try(order, "vm:x"));
    tried = banger_order_try(order, "link:x");
    ck_assert_ptr_nonnull(tried);
    ck_assert_ptr_null(banger_order_try(order, "link:x"));
    banger_order_leave(ticket_a);
    ck_assert_str_eq(log->str, "a");
    banger_order_leave(tried);
    ck_assert_str_eq(log->str, "ab");
    banger_order_leave(ticket_b);
    ck_assert_str_eq(log->str, "abc");
    banger_order_leave(ticket_c);
    tried = banger_order_try(order, "link:x");
    ck_assert_ptr_nonnull(tried);
    banger_order_leave(tried);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("order");
    TCase *tcase = tcase_create("order");

    tcase_add_test(tcase, same_object_one_after_the_other);
    tcase_add_test(tcase, different_objects_side_by_side);
    tcase_add_test(tcase, two_objects_at_once);
    tcase_add_test(tcase, crossed_pairs_do_not_deadlock);
    tcase_add_test(tcase, leaves_before_its_turn);
    tcase_add_test(tcase, shared_objects);
    tcase_add_test(tcase, shared_object_of_who_waits);
    tcase_add_test(tcase, object_by_trying);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/order", suite);
}
