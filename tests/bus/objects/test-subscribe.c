/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Subscriptions and the signals of links; those of machines are in test-machine-objects. The time
 * limit of this rig's helper.conf is one second.
 */
#include <signal.h>
#include <string.h>

#include "bus/network/network-fixture.h"
#include "bus/objects/objects-client.h"
#include "util/settings.h"

#define BRIDGE BANGER_OBJECT_PATH "/bridges/br_2dfc"
#define TAP BANGER_OBJECT_PATH "/taps/tap_2dfc_2d1"
#define LIMITS "org.freedesktop.DBus.Error.LimitsExceeded"

static sd_bus *bus;      /* of root */
static sd_bus *listener; /* of a stranger: signals are open to everybody */
static ObjectSignals *signals;

static void
set_up(void)
{
    bus = network_set_up();
    listener = rig_bus_open(RIG_UID_STRANGER);
    signals = objects_signals_new(listener);
}

static void
tear_down(void)
{
    objects_signals_free(signals);
    sd_bus_flush_close_unref(listener);
    network_tear_down(bus);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
}

START_TEST(links_come_and_go)
{
    objects_subscribe(listener);
    network_bridge_and_tap(bus, "tap-fc-1");
    objects_signals_wait(signals, "InterfacesAdded " BRIDGE " " OBJECT_BRIDGE);
    objects_signals_wait(signals, "InterfacesAdded " TAP " " OBJECT_TAP);
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    objects_signals_wait(signals, "InterfacesRemoved " TAP " " OBJECT_TAP);
    network_do("ip link delete br-fc");
    objects_signals_wait(signals, "InterfacesRemoved " BRIDGE " " OBJECT_BRIDGE);
    ck_assert_uint_eq(objects_signals_count(signals, "InterfacesAdded"), 2);
    ck_assert_uint_eq(objects_signals_count(signals, "InterfacesRemoved"), 2);
}
END_TEST

/* What was there before is known by GetManagedObjects, and not said again. */
START_TEST(what_was_there_is_not_said)
{
    network_bridge_and_tap(bus, "tap-fc-1");
    objects_subscribe(listener);
    network_bridge_and_tap(bus, "tap-fc-2");
    objects_signals_wait(signals,
                         "InterfacesAdded " BANGER_OBJECT_PATH "/taps/tap_2dfc_2d2 " OBJECT_TAP);
    ck_assert_uint_eq(objects_signals_count(signals, "InterfacesAdded"), 1);
}
END_TEST

/* Links of others, and one that is renamed. */
START_TEST(what_others_do_to_links)
{
    objects_subscribe(listener);
    network_bridge_and_tap(bus, "tap-fc-1");
    objects_signals_wait(signals, "InterfacesAdded " TAP " " OBJECT_TAP);
    network_do("ip tuntap add tap-fc-9 mode tap");
    network_do("ip link add br-other type bridge");
    network_do("ip link set tap-fc-1 down");
    network_do("ip link set tap-fc-1 name tap-fc-2");
    objects_signals_wait(signals, "InterfacesRemoved " TAP " " OBJECT_TAP);
    objects_signals_wait(signals,
                         "InterfacesAdded " BANGER_OBJECT_PATH "/taps/tap_2dfc_2d2 " OBJECT_TAP);
    ck_assert_uint_eq(objects_signals_count(signals, "tap_2dfc_2d9"), 0);
    ck_assert_uint_eq(objects_signals_count(signals, "br_2dother"), 0);
}
END_TEST

/*
 * Hundreds of links in a moment: each is said once, and in the end all are gone. They are set up as
 * the helper does it: the kernel announces an alias only of a link that is up.
 */
START_TEST(many_links)
{
    objects_subscribe(listener);
    network_bridge_and_tap(bus, "tap-fc-1");
    network_do("for i in $(seq 2 200); do echo tuntap add tap-fc-$i mode tap user 64001; "
               "echo link set tap-fc-$i alias org.banger.Helper1; "
               "echo link set tap-fc-$i up; done | ip -batch -");
    for (int i = 1; i <= 200; i++) {
        g_autofree char *line = g_strdup_printf(
            "InterfacesAdded " BANGER_OBJECT_PATH "/taps/tap_2dfc_2d%d " OBJECT_TAP, i);

        objects_signals_wait(signals, line);
    }
    network_do("for i in $(seq 1 200); do echo link delete tap-fc-$i; done | ip -batch -");
    for (int i = 1; i <= 200; i++) {
        g_autofree char *line = g_strdup_printf(
            "InterfacesRemoved " BANGER_OBJECT_PATH "/taps/tap_2dfc_2d%d " OBJECT_TAP, i);

        objects_signals_wait(signals, line);
    }
    ck_assert_uint_eq(objects_signals_count(signals, "InterfacesAdded"), 201);
    ck_assert_uint_eq(objects_signals_count(signals, "InterfacesRemoved"), 200);
}
END_TEST

START_TEST(no_signals_without_a_subscription)
{
    objects_subscribe(listener);
    objects_unsubscribe(listener);
    objects_unsubscribe(listener); /* again: it is no error */
    network_bridge_and_tap(bus, "tap-fc-1");
    objects_assert(bus, TAP, OBJECT_TAP, "Name", "tap-fc-1");
    rig_bus_handle(listener);
    ck_assert_uint_eq(objects_signals_count(signals, ""), 0);
}
END_TEST

static char *
try_subscribe(sd_bus *connection)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    char *name = NULL;

    if (sd_bus_call_method(connection, BANGER_BUS_NAME, BANGER_OBJECT_PATH, BANGER_INTERFACE,
                           "Subscribe", &error, NULL, "") < 0)
        name = g_strdup(error.name);
    sd_bus_error_free(&error);
    return name;
}

static bool
has_place(void *data)
{
    g_autofree char *refusal = try_subscribe(data);

    return refusal == NULL;
}

/* Eight of one user, each connection once, and a place that is free again with its connection. */
START_TEST(bounds)
{
    sd_bus *connections[9];
    g_autofree char *refusal = NULL;
    sd_bus *other = rig_bus_open(RIG_UID_OWNER);

    for (size_t i = 0; i < G_N_ELEMENTS(connections); i++)
        connections[i] = rig_bus_open(RIG_UID_STRANGER);
    for (size_t i = 0; i < 8; i++) {
        objects_subscribe(connections[i]);
        objects_subscribe(connections[i]);
    }
    refusal = try_subscribe(connections[8]);
    ck_assert_str_eq(refusal, LIMITS);
    objects_subscribe(other);
    sd_bus_flush_close_unref(connections[0]);
    rig_wait_for(has_place, connections[8], "a place that is free again");
    objects_unsubscribe(connections[1]);
    objects_subscribe(listener);
    for (size_t i = 1; i < G_N_ELEMENTS(connections); i++)
        sd_bus_flush_close_unref(connections[i]);
    sd_bus_flush_close_unref(other);
}
END_TEST

/* While a connection is subscribed the helper stays; then its time limit counts again. */
START_TEST(idle_exit_after_the_last)
{
    sd_bus *second = rig_bus_open(RIG_UID_OWNER);
    pid_t helper;

    objects_subscribe(listener);
    objects_subscribe(second);
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    g_usleep(3 * G_USEC_PER_SEC); /* three times the limit */
    ck_assert_int_eq(rig_pid_of(BANGER_BUS_NAME), helper);
    sd_bus_flush_close_unref(second);
    objects_unsubscribe(listener);
    rig_wait_pid_gone(helper);
}
END_TEST

/* A caller that leaves without waiting for the answer delays nothing. */
START_TEST(callers_that_leave)
{
    pid_t helper;

    objects_assert(bus, TAP, OBJECT_TAP, "Name", NULL);
    helper = rig_pid_of(BANGER_BUS_NAME);
    for (int i = 0; i < 20; i++) {
        sd_bus *hasty = rig_bus_open(RIG_UID_STRANGER);

        ck_assert_int_ge(sd_bus_call_method_async(hasty, NULL, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                                  BANGER_INTERFACE, "Subscribe", NULL, NULL, ""),
                         0);
        sd_bus_flush_close_unref(hasty);
    }
    rig_wait_pid_gone(helper);
}
END_TEST

START_TEST(sigterm_ends_subscriptions)
{
    pid_t helper;

    objects_subscribe(listener);
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_eq(kill(helper, SIGTERM), 0);
    rig_wait_pid_gone(helper);
    objects_subscribe(listener); /* with the new one */
    network_bridge_and_tap(bus, "tap-fc-1");
    objects_signals_wait(signals, "InterfacesAdded " TAP " " OBJECT_TAP);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/subscribe", argv,
              (const char *const[]){"--config", SOURCE_DIR "/tests/bus/calls/idle.conf", NULL});
    suite = suite_create("subscribe");
    tcase = tcase_create("subscribe");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, links_come_and_go);
    tcase_add_test(tcase, what_was_there_is_not_said);
    tcase_add_test(tcase, what_others_do_to_links);
    tcase_add_test(tcase, many_links);
    tcase_add_test(tcase, no_signals_without_a_subscription);
    tcase_add_test(tcase, bounds);
    tcase_add_test(tcase, idle_exit_after_the_last);
    tcase_add_test(tcase, callers_that_leave);
    tcase_add_test(tcase, sigterm_ends_subscriptions);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/subscribe", suite);
}
