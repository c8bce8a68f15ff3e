/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EnsureNAT and its table: repeated, refused, half removed, in ruins, and with many callers at
 * once.
 */

/* EnsureNAT over the bus: the table, other people's rules, and a table in ruins. */
#include <string.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"

#define RIG_LIMITS "org.freedesktop.DBus.Error.LimitsExceeded"

static sd_bus *bus;

static void
setup(void)
{
    bus = network_set_up();
}

static void
teardown(void)
{
    peers_end();
    network_tear_down(bus);
}

START_TEST(rules_of_others_come_back_identical)
{
    const char *before;

    peers_make_with_guest(bus);
    peers_docker_chains("iptables");
    peers_docker_chains("ip6tables");
    network_do(
        "nft add table inet theirs; nft 'add chain inet theirs nat { type nat hook postrouting "
        "priority 90; }'; nft 'add rule inet theirs nat ip saddr 10.99.0.0/16 masquerade'");
    before = peers_foreign_rules();
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    ck_assert_str_eq(peers_foreign_rules(), before);
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", false);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", false);
    ck_assert_str_eq(peers_foreign_rules(), before);
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    rig_call_ok(bus, "DeleteBridge", "ss", "br-fc", "");
    ck_assert_str_eq(network_run("nft -sa list ruleset"), before);
}
END_TEST

START_TEST(again_is_silent)
{
    NetworkMonitor monitor;

    network_bridge_and_tap(bus, "tap-fc-1");
    peers_docker_chains("iptables");
    peers_nat(bus, "172.16.0.2", "tap-fc-1", true);
    monitor = network_monitor_open();
    network_monitor_settle(&monitor);
    peers_nat(bus, "172.16.0.2", "tap-fc-1", true);
    peers_nat(bus, "172.16.0.9", "tap-fc-1", false);
    peers_nat(bus, "172.16.0.2", "tap-fc-9", false);
    network_monitor_assert_quiet(&monitor);
    peers_nat(bus, "172.16.0.2", "tap-fc-1", false);
    network_monitor_settle(&monitor);
    peers_nat(bus, "172.16.0.2", "tap-fc-1", false);
    network_monitor_assert_quiet(&monitor);
    network_monitor_close(&monitor);
}
END_TEST

START_TEST(forwarding_is_not_written_twice)
{
    network_bridge_and_tap(bus, "tap-fc-1");
    /* It can only be read. */
    network_do("echo 1 > /proc/sys/net/ipv4/ip_forward; "
               "echo 1 > /run/one; mount --bind /run/one /proc/sys/net/ipv4/ip_forward; "
               "mount -o remount,bind,ro /proc/sys/net/ipv4/ip_forward");
    peers_nat(bus, "172.16.0.2", "tap-fc-1", true);
    network_do("umount /proc/sys/net/ipv4/ip_forward");
}
END_TEST

START_TEST(tap_must_exist_and_be_one)
{
    rig_call_fails(bus, RIG_ERROR("NotFound"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1", 1,
                   "");
    network_do("ip link add tap-fc-1 type veth peer tap-peer");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1", 1,
                   "");
    rig_call_fails(bus, RIG_ERROR("BadParams"), "EnsureNAT", "ssbs", "172.16.0.2", "eth0", 1, "");
    rig_call_fails(bus, RIG_ERROR("BadParams"), "EnsureNAT", "ssbs", "172.16.0", "tap-fc-1", 1, "");
    rig_call_fails(bus, RIG_ERROR("BadParams"), "EnsureNAT", "ssbs", "", "tap-fc-1", 0, "");
    ck_assert_str_eq(network_run("nft list ruleset"), "");
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
    peers_nat(bus, "172.16.0.2", "tap-fc-7", false);
}
END_TEST

/* What the tables have of guests, and nothing that changes by itself. */
static const char *
registered(void)
{
    return network_run("nft list table inet banger | grep -A4 'set guests' | grep elements || :; "
                       "nft list table bridge banger | grep -A4 -E 'set (source|has|known)' | "
                       "grep elements | grep -o '.tap-fc-[0-9]*\"[^,}]*' | sort || :");
}

static void
forbid_forwarding(void)
{
    network_do("echo 0 > /run/zero; mount --bind /run/zero /proc/sys/net/ipv4/ip_forward; "
               "mount -o remount,bind,ro /proc/sys/net/ipv4/ip_forward");
}

START_TEST(forwarding_refused_leaves_nothing)
{
    const char *before;

    network_bridge_and_tap(bus, "tap-fc-1");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "fd00:16::1", "64", "");
    before = registered();
    forbid_forwarding();
    rig_call_fails(bus, RIG_ERROR("OperationFailed"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1",
                   1, "");
    ck_assert_str_eq(registered(), before);
    network_assert_lacks(network_run("ip link show tap-fc-1"), "172.16.0.2");
    /* Only what the failed call did is undone. */
    peers_nat(bus, "fd00:16::2", "tap-fc-1", true);
    before = registered();
    rig_call_fails(bus, RIG_ERROR("OperationFailed"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1",
                   1, "");
    ck_assert_str_eq(registered(), before);
    network_do("umount /proc/sys/net/ipv4/ip_forward");
    /* And what it repaired is not the guest's entry, which was there before. */
    peers_nat(bus, "172.16.0.2", "tap-fc-1", true);
    before = registered();
    network_do("nft flush chain inet banger unmark; "
               "echo 0 > /proc/sys/net/ipv4/ip_forward; "
               "mount --bind /run/zero /proc/sys/net/ipv4/ip_forward; "
               "mount -o remount,bind,ro /proc/sys/net/ipv4/ip_forward");
    rig_call_fails(bus, RIG_ERROR("OperationFailed"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1",
                   1, "");
    network_do("umount /proc/sys/net/ipv4/ip_forward");
    ck_assert_str_eq(registered(), before);
}
END_TEST

START_TEST(record_goes_with_the_tap)
{
    const char *empty;

    network_bridge_and_tap(bus, "tap-fc-1");
    network_bridge_and_tap(bus, "tap-fc-2");
    empty = registered();
    peers_nat(bus, "172.16.0.2", "tap-fc-1", true);
    peers_nat(bus, "172.16.0.3", "tap-fc-1", true);
    ck_assert_str_ne(registered(), empty);
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    ck_assert_str_eq(registered(), empty);
    peers_nat(bus, "172.16.0.2", "tap-fc-1", false);
    /* One that was deleted by hand: the next TAP of that name has none of its guests. */
    peers_nat(bus, "172.16.0.2", "tap-fc-2", true);
    network_do("ip link del tap-fc-2");
    network_bridge_and_tap(bus, "tap-fc-2");
    ck_assert_str_eq(registered(), empty);
    peers_nat(bus, "172.16.0.2", "tap-fc-2", true);
    network_do("ip link del tap-fc-2");
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-2", "");
    ck_assert_str_eq(registered(), empty);
    rig_call_ok(bus, "DeleteBridge", "ss", "br-fc", "");
    ck_assert_str_eq(network_run("nft list ruleset"), "");
    /* We switched it on, and nothing came that may count on it. */
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
}
END_TEST

START_TEST(guest_moves_to_another_tap)
{
    const char *one;

    network_bridge_and_tap(bus, "tap-fc-1");
    network_bridge_and_tap(bus, "tap-fc-2");
    peers_nat(bus, "172.16.0.2", "tap-fc-1", true);
    network_assert_contains(network_run("ip link show tap-fc-1"), "Helper1 172.16.0.2");
    peers_nat(bus, "172.16.0.2", "tap-fc-2", true);
    network_assert_contains(network_run("ip link show tap-fc-2"), "Helper1 172.16.0.2");
    network_assert_lacks(network_run("ip link show tap-fc-1"), "172.16.0.2");
    network_assert_lacks(registered(), "tap-fc-1");
    /* By the TAP that has it not any more, nothing is taken away. */
    one = registered();
    peers_nat(bus, "172.16.0.2", "tap-fc-1", false);
    ck_assert_str_eq(registered(), one);
}
END_TEST

START_TEST(guest_of_a_running_vm_stays)
{
    peers_make_with_guest(bus);
    network_bridge_and_tap(bus, "tap-fc-2");
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    rig_call_fails(bus, RIG_ERROR("AlreadyExists"), "EnsureNAT", "ssbs", PEERS_GUEST, "tap-fc-2", 1,
                   "");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
}
END_TEST

START_TEST(address_must_be_of_the_bridge)
{
    static const char *const wrong[] = {"172.16.1.2",   "172.16.0.1", "172.16.0.0",
                                        "172.16.0.255", "fd00:16::2", "192.0.2.2"};

    network_bridge_and_tap(bus, "tap-fc-1");
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        rig_call_fails(bus, RIG_ERROR("BadParams"), "EnsureNAT", "ssbs", wrong[i], "tap-fc-1", 1,
                       "");
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
    for (int i = 2; i < 6; i++) {
        g_autofree char *guest = g_strdup_printf("172.16.0.%d", i);

        peers_nat(bus, guest, "tap-fc-1", true);
    }
    rig_call_fails(bus, RIG_LIMITS, "EnsureNAT", "ssbs", "172.16.0.6", "tap-fc-1", 1, "");
    network_assert_lacks(registered(), "172.16.0.6");
}
END_TEST

START_TEST(moved_tap_forgets_its_guests)
{
    const char *empty;

    network_bridge_and_tap(bus, "tap-fc-1");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-two", "172.18.0.1", "24", "");
    empty = registered();
    peers_nat(bus, "172.16.0.2", "tap-fc-1", true);
    rig_call_ok(bus, "CreateTap", "sssss", "br-two", "172.18.0.1", "24", "tap-fc-1", "");
    ck_assert_str_eq(registered(), empty);
    peers_nat(bus, "172.18.0.2", "tap-fc-1", true);
    network_assert_contains(network_run("nft list table inet banger"), "172.18.0.2 . \"br-two\"");
}
END_TEST

START_TEST(bridge_keeps_its_address_while_guests_are_there)
{
    network_bridge_and_tap(bus, "tap-fc-1");
    peers_nat(bus, "172.16.0.2", "tap-fc-1", true);
    rig_call_fails(bus, RIG_ERROR("Busy"), "EnsureBridge", "ssss", "br-fc", "172.17.0.1", "24", "");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "fd00:17::1", "64", "");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "fd00:18::1", "64", "");
    peers_nat(bus, "172.16.0.2", "tap-fc-1", false);
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "172.17.0.1", "24", "");
    network_assert_lacks(network_run("nft list table bridge banger"), "172.16.0.1");
    network_assert_contains(network_run("nft list table bridge banger"), "172.17.0.1");
}
END_TEST

START_TEST(half_removed_table_is_repaired)
{
    static const char *const damages[] = {
        "nft delete table inet banger",
        "nft delete table bridge banger",
        "nft flush ruleset",
        "nft flush chain inet banger srcnat",
        "nft flush chain inet banger unmark; nft delete chain inet banger unmark",
        "nft flush table inet banger; nft delete set inet banger guests6",
        "nft flush set inet banger guests4; nft flush chain inet banger forward",
        "nft 'delete element inet banger bridges { \"br-fc\" }'; nft flush chain inet banger mss",
        "nft flush chain bridge banger tap4",
        "nft flush set bridge banger taps",
        "nft flush set bridge banger known4",
        "nft flush set inet banger bridges",
        "nft flush set inet banger guests4",
        "nft flush map inet banger forwards6",
        "nft flush map inet banger egress4",
        "nft insert rule inet banger forward accept",
        /* Beside changes that have nothing to do with us. */
        "nft 'add table inet elsewhere; flush set inet banger guests4; add table ip elsewhere'",
        "nft flush chain inet banger srcnat; nft add chain inet elsewhere one",
        "nft add chain inet elsewhere two; nft flush set bridge banger taps",
        /* More of them than a socket has room for. */
        "nft flush chain inet banger unmark; "
        "seq -f 'add chain inet elsewhere c%g' 5000 | nft -f - && nft delete table inet elsewhere",
        "iptables -F DOCKER-USER",
        /* A rule of an older version, written by iptables. */
        "iptables -I DOCKER-USER -m comment --comment 'org.banger.Helper1/0 old' -j ACCEPT",
    };
    const char *whole;

    peers_make_with_guest(bus);
    peers_docker_chains("iptables");
    network_bridge_and_tap(bus, "tap-fc-2");
    peers_nat(bus, "172.16.0.9", "tap-fc-2", true);
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    whole = registered();
    for (size_t i = 0; i < G_N_ELEMENTS(damages); i++) {
        network_do("%s", damages[i]);
        if (!network_true("iptables -S DOCKER-USER"))
            peers_docker_chains("iptables");
        peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
        peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
        ck_assert_msg(network_true("iptables -S DOCKER-USER | grep -c org.banger | grep -qx 1"),
                      "after %s: %s", damages[i], network_run("iptables -S DOCKER-USER"));
        ck_assert_msg(g_str_equal(registered(), whole), "after %s: %s", damages[i], registered());
    }
}
END_TEST

START_TEST(tables_of_others_are_untouched)
{
    const char *before;

    network_do(
        "nft 'table inet banger { chain keep { type filter hook input priority 10; udp dport "
        "9999 drop; }; }'");
    before = network_run("nft -a list ruleset");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "EnsureBridge", "ssss", "br-fc", "172.16.0.1",
                   "24", "");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "CreateTap", "sssss", "br-fc", "172.16.0.1", "24",
                   "tap-fc-1", "");
    ck_assert_str_eq(network_run("nft -a list ruleset"), before);
    ck_assert(!network_link_exists("br-fc"));
    ck_assert(!network_link_exists("tap-fc-1"));
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
    network_call_at_once(64, "CreateTap", fill_tap);
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "fd00:16::1", "64", "");
    peers_docker_chains("iptables");
    for (int round = 0; round < 3; round++) {
        filled_enable = 1;
        network_call_at_once(64, "EnsureNAT", fill_nat);
        ck_assert_str_eq(
            network_run("nft list set bridge banger known4 | grep -o '\"tap-fc-[0-9]*' "
                        "| sort -u | wc -l"),
            "32\n");
        ck_assert_str_eq(
            network_run("nft list set bridge banger known6 | grep -o '\"tap-fc-[0-9]*' "
                        "| sort -u | wc -l"),
            "32\n");
        filled_enable = 0;
        network_call_at_once(64, "EnsureNAT", fill_nat);
        network_assert_lacks(network_run("nft list set bridge banger known4"), "tap-fc");
        network_assert_lacks(network_run("nft list set inet banger guests6"), "br-fc");
    }
}
END_TEST

#define MOVES 60

/* A guest that moves to another TAP while its own is being deleted stays with that. */
START_TEST(guest_moves_as_its_tap_ends)
{
    sd_bus *other = rig_bus_open(0);

    network_bridge_and_tap(bus, "tap-fc-2");
    for (int i = 0; i < MOVES; i++) {
        sd_bus_message *move = rig_message_new(other, "EnsureNAT");
        sd_bus_message *end = rig_message_new(bus, "DeleteTap");
        RigPending *moving, *ending;

        network_bridge_and_tap(bus, "tap-fc-1");
        rig_call_ok(bus, "EnsureNAT", "ssbs", "172.16.0.9", "tap-fc-1", 1, "");
        ck_assert_int_ge(sd_bus_message_append(end, "ss", "tap-fc-1", ""), 0);
        ck_assert_int_ge(sd_bus_message_append(move, "ssbs", "172.16.0.9", "tap-fc-2", 1, ""), 0);
        ending = rig_call_start(bus, end);
        moving = rig_call_start(other, move);
        rig_pending_wait(bus, ending);
        rig_pending_wait(other, moving);
        ck_assert_msg(ending->error_name == NULL, "%s", ending->error_message);
        ck_assert_msg(moving->error_name == NULL, "%s", moving->error_message);
        rig_pending_free(ending);
        rig_pending_free(moving);
        network_do("nft get element inet banger guests4 '{ 172.16.0.9 . \"br-fc\" }' && "
                   "nft get element bridge banger source4 '{ \"tap-fc-2\" . 172.16.0.9 }' && "
                   "nft get element bridge banger known4 '{ 172.16.0.9 }'");
        rig_call_ok(bus, "EnsureNAT", "ssbs", "172.16.0.9", "tap-fc-2", 0, "");
    }
    sd_bus_flush_close_unref(other);
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
    tcase_add_test(tcase, record_goes_with_the_tap);
    tcase_add_test(tcase, guest_moves_to_another_tap);
    tcase_add_test(tcase, guest_of_a_running_vm_stays);
    tcase_add_test(tcase, address_must_be_of_the_bridge);
    tcase_add_test(tcase, moved_tap_forgets_its_guests);
    tcase_add_test(tcase, bridge_keeps_its_address_while_guests_are_there);
    tcase_add_test(tcase, half_removed_table_is_repaired);
    tcase_add_test(tcase, tables_of_others_are_untouched);
    tcase_add_test(tcase, many_callers_at_once);
    tcase_add_test(tcase, guest_moves_as_its_tap_ends);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/nat", suite);
}
