/* SPDX-License-Identifier: GPL-2.0-or-later */

/* EnsureNAT over the bus: the table, other people's rules, and a table in ruins. */
#include <string.h>
#include <unistd.h>

#include "bus/net-aid.h"
#include "bus/net-world.h"

static sd_bus *bus;

static void
setup(void)
{
    aid_clear_network();
    bus = rig_bus_open(0);
}

static void
teardown(void)
{
    sd_bus_flush_close_unref(bus);
    world_end();
    aid_forget();
}

START_TEST(rules_of_others_come_back_identical)
{
    const char *before;

    world_make_with_guest(bus);
    world_docker_chains("iptables");
    world_docker_chains("ip6tables");
    aid_do("nft add table inet theirs; nft 'add chain inet theirs nat { type nat hook postrouting "
           "priority 90; }'; nft 'add rule inet theirs nat ip saddr 10.99.0.0/16 masquerade'");
    before = aid_run("nft -sa list ruleset");
    world_nat(bus, WORLD_GUEST, "tap-fc-1", true);
    world_nat(bus, WORLD_GUEST6, "tap-fc-1", true);
    ck_assert_str_eq(world_foreign_rules(), before);
    world_nat(bus, WORLD_GUEST, "tap-fc-1", false);
    ck_assert_str_eq(world_foreign_rules(), before);
    world_nat(bus, WORLD_GUEST6, "tap-fc-1", false);
    ck_assert_str_eq(aid_run("nft -sa list ruleset"), before);
}
END_TEST

START_TEST(again_is_silent)
{
    AidMonitor monitor;

    aid_bridge_and_tap(bus, "tap-fc-1");
    world_docker_chains("iptables");
    world_nat(bus, "172.16.0.2", "tap-fc-1", true);
    monitor = aid_monitor_open();
    aid_monitor_settle(&monitor);
    world_nat(bus, "172.16.0.2", "tap-fc-1", true);
    world_nat(bus, "172.16.0.9", "tap-fc-1", false);
    world_nat(bus, "172.16.0.2", "tap-fc-9", false);
    aid_monitor_assert_quiet(&monitor);
    world_nat(bus, "172.16.0.2", "tap-fc-1", false);
    aid_monitor_settle(&monitor);
    world_nat(bus, "172.16.0.2", "tap-fc-1", false);
    aid_monitor_assert_quiet(&monitor);
    aid_monitor_close(&monitor);
}
END_TEST

START_TEST(forwarding_is_not_written_twice)
{
    aid_bridge_and_tap(bus, "tap-fc-1");
    /* It can only be read. */
    aid_do("echo 1 > /run/one; mount --bind /run/one /proc/sys/net/ipv4/ip_forward; "
           "mount -o remount,bind,ro /proc/sys/net/ipv4/ip_forward");
    world_nat(bus, "172.16.0.2", "tap-fc-1", true);
    aid_do("umount /proc/sys/net/ipv4/ip_forward");
}
END_TEST

START_TEST(tap_must_exist_and_be_one)
{
    rig_call_fails(bus, AID_ERROR("NotFound"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1", 1,
                   "");
    aid_do("ip link add tap-fc-1 type veth peer tap-peer");
    rig_call_fails(bus, AID_ERROR("NotManaged"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1", 1,
                   "");
    rig_call_fails(bus, AID_ERROR("BadParams"), "EnsureNAT", "ssbs", "172.16.0.2", "eth0", 1, "");
    rig_call_fails(bus, AID_ERROR("BadParams"), "EnsureNAT", "ssbs", "172.16.0", "tap-fc-1", 1, "");
    rig_call_fails(bus, AID_ERROR("BadParams"), "EnsureNAT", "ssbs", "", "tap-fc-1", 0, "");
    ck_assert_str_eq(aid_run("nft list ruleset"), "");
    ck_assert_str_eq(aid_run("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
    world_nat(bus, "172.16.0.2", "tap-fc-7", false);
}
END_TEST

START_TEST(forwarding_refused_leaves_nothing)
{
    aid_bridge_and_tap(bus, "tap-fc-1");
    aid_bridge_and_tap(bus, "tap-fc-2");
    world_docker_chains("iptables");
    aid_do("echo 0 > /run/zero; mount --bind /run/zero /proc/sys/net/ipv4/ip_forward; "
           "mount -o remount,bind,ro /proc/sys/net/ipv4/ip_forward");
    rig_call_fails(bus, AID_ERROR("OperationFailed"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1",
                   1, "");
    world_assert_no_rules();
    /* Only what the failed call did is undone. */
    world_nat(bus, "fd00:16::2", "tap-fc-1", true);
    rig_call_fails(bus, AID_ERROR("OperationFailed"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1",
                   1, "");
    aid_assert_contains(aid_run("nft list table inet banger"), "fd00:16::2 . \"br-fc\"");
    aid_assert_lacks(aid_run("nft list table inet banger"), "172.16.0.2");
    aid_do("umount /proc/sys/net/ipv4/ip_forward");
    /* And what it repaired is not the guest's entry, which was there before. */
    world_nat(bus, "172.16.0.2", "tap-fc-1", true);
    aid_do("nft flush chain inet banger unmark; "
           "mount --bind /run/zero /proc/sys/net/ipv4/ip_forward; "
           "mount -o remount,bind,ro /proc/sys/net/ipv4/ip_forward");
    rig_call_fails(bus, AID_ERROR("OperationFailed"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1",
                   1, "");
    aid_do("umount /proc/sys/net/ipv4/ip_forward");
    aid_assert_contains(aid_run("nft list table inet banger"), "172.16.0.2 . \"br-fc\"");
}
END_TEST

START_TEST(disabling_works_without_the_tap)
{
    aid_bridge_and_tap(bus, "tap-fc-1");
    world_nat(bus, "172.16.0.2", "tap-fc-1", true);
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    aid_do("ip link del br-fc");
    world_nat(bus, "172.16.0.2", "tap-fc-1", false);
    ck_assert_str_eq(aid_run("nft list ruleset"), "");
}
END_TEST

START_TEST(guests_may_share)
{
    const char *one;

    aid_bridge_and_tap(bus, "tap-fc-1");
    aid_bridge_and_tap(bus, "tap-fc-2");
    world_nat(bus, "172.16.0.2", "tap-fc-1", true);
    one = aid_run("nft list table inet banger");
    /* One address behind two TAPs, one TAP with two addresses. */
    world_nat(bus, "172.16.0.2", "tap-fc-2", true);
    world_nat(bus, "172.16.0.3", "tap-fc-1", true);
    world_nat(bus, "172.16.0.2", "tap-fc-2", false);
    world_nat(bus, "172.16.0.3", "tap-fc-1", false);
    ck_assert_str_eq(aid_run("nft list table inet banger"), one);
    world_nat(bus, "172.16.0.2", "tap-fc-1", false);
    ck_assert_str_eq(aid_run("nft list ruleset"), "");
}
END_TEST

START_TEST(moved_tap_is_followed)
{
    aid_bridge_and_tap(bus, "tap-fc-1");
    world_nat(bus, "172.16.0.2", "tap-fc-1", true);
    rig_call_ok(bus, "CreateTap", "sssss", "br-two", "172.18.0.1", "24", "tap-fc-1", "");
    world_nat(bus, "172.16.0.2", "tap-fc-1", true);
    aid_assert_lacks(aid_run("nft list table inet banger"), "br-fc");
    aid_assert_contains(aid_run("nft list table inet banger"), "172.16.0.2 . \"br-two\"");
    world_nat(bus, "172.16.0.2", "tap-fc-1", false);
    ck_assert_str_eq(aid_run("nft list ruleset"), "");
}
END_TEST

START_TEST(half_removed_table_is_repaired)
{
    static const char *const damages[] = {
        "nft delete table inet banger",
        "nft flush chain inet banger postrouting",
        "nft flush chain inet banger unmark; nft delete chain inet banger unmark",
        "nft flush table inet banger; nft delete set inet banger guests6",
        "nft delete set inet banger taps6",
        "nft flush set inet banger guests4",
        "nft 'delete element inet banger bridges { \"br-fc\" }'",
        "nft 'add element inet banger guests4 { 10.1.2.3 . \"lo\" }'",
        "nft flush chain inet banger forward",
        "iptables -F DOCKER-USER",
        "iptables -D DOCKER-USER 2",
        /* A rule of an older version, written by iptables. */
        "iptables -I DOCKER-USER -m comment --comment 'org.banger.Helper1/0 old' -j ACCEPT",
    };
    const char *whole;

    world_make_with_guest(bus);
    world_docker_chains("iptables");
    aid_bridge_and_tap(bus, "tap-fc-2");
    world_nat(bus, "172.16.0.9", "tap-fc-2", true);
    world_nat(bus, WORLD_GUEST, "tap-fc-1", true);
    whole = aid_run("nft -s list table inet banger");
    for (size_t i = 0; i < G_N_ELEMENTS(damages); i++) {
        aid_do("%s", damages[i]);
        world_nat(bus, WORLD_GUEST, "tap-fc-1", true);
        world_assert_answer("guest", WORLD_ADDRESS, WORLD_HOST);
        /* A table that is gone takes the others' records with it. */
        if (i == 0)
            world_nat(bus, "172.16.0.9", "tap-fc-2", true);
        ck_assert_msg(aid_true("iptables -S DOCKER-USER | grep -c org.banger | grep -qx 2"),
                      "after %s: %s", damages[i], aid_run("iptables -S DOCKER-USER"));
        ck_assert_msg(strlen(aid_run("nft -s list table inet banger")) == strlen(whole),
                      "after %s: %s", damages[i], aid_run("nft list table inet banger"));
    }
    world_nat(bus, WORLD_GUEST, "tap-fc-1", false);
    world_nat(bus, "172.16.0.9", "tap-fc-2", false);
    world_assert_no_rules();
}
END_TEST

START_TEST(table_in_ruins_is_removed)
{
    aid_bridge_and_tap(bus, "tap-fc-1");
    world_docker_chains("iptables");
    world_nat(bus, "172.16.0.2", "tap-fc-1", true);
    aid_do("nft flush table inet banger; nft flush set inet banger taps4");
    world_nat(bus, "172.16.0.2", "tap-fc-1", false);
    world_assert_no_rules();
    world_nat(bus, "172.16.0.2", "tap-fc-1", true);
    aid_do("nft delete table inet banger");
    world_nat(bus, "172.16.0.2", "tap-fc-1", false);
    world_assert_no_rules();
}
END_TEST

static void
fill_tap(sd_bus_message *message, guint i)
{
    g_autofree char *tap = g_strdup_printf("tap-fc-%u", i);

    ck_assert_int_ge(sd_bus_message_append(message, "sssss", "br-fc", "172.16.0.1", "24", tap, ""),
                     0);
}

static int filled_enable;

static void
fill_nat(sd_bus_message *message, guint i)
{
    g_autofree char *tap = g_strdup_printf("tap-fc-%u", i);
    g_autofree char *guest =
        i % 2 == 0 ? g_strdup_printf("172.16.0.%u", i + 2) : g_strdup_printf("fd00:16::%u", i + 2);

    ck_assert_int_ge(sd_bus_message_append(message, "ssbs", guest, tap, filled_enable, ""), 0);
}

START_TEST(many_callers_at_once)
{
    aid_call_at_once(64, "CreateTap", fill_tap);
    world_docker_chains("iptables");
    for (int round = 0; round < 3; round++) {
        filled_enable = 1;
        aid_call_at_once(64, "EnsureNAT", fill_nat);
        ck_assert_str_eq(aid_run("nft list table inet banger | grep -o '\"tap-fc-[0-9]*\"' | "
                                 "sort -u | wc -l"),
                         "64\n");
        filled_enable = 0;
        aid_call_at_once(64, "EnsureNAT", fill_nat);
        world_assert_no_rules();
    }
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/nat", argv, NULL);
    suite = suite_create("nat");
    tcase = tcase_create("nat");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, rules_of_others_come_back_identical);
    tcase_add_test(tcase, again_is_silent);
    tcase_add_test(tcase, forwarding_is_not_written_twice);
    tcase_add_test(tcase, tap_must_exist_and_be_one);
    tcase_add_test(tcase, forwarding_refused_leaves_nothing);
    tcase_add_test(tcase, disabling_works_without_the_tap);
    tcase_add_test(tcase, guests_may_share);
    tcase_add_test(tcase, moved_tap_is_followed);
    tcase_add_test(tcase, half_removed_table_is_repaired);
    tcase_add_test(tcase, table_in_ruins_is_removed);
    tcase_add_test(tcase, many_callers_at_once);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/nat", suite);
}
