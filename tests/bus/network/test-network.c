/* SPDX-License-Identifier: GPL-2.0-or-later */
/* EnsureBridge: what is made, corrected, refused and left alone, also with many callers at once. */
#include "bus/network/network-fixture.h"

#define BRIDGE "br-fc", "172.16.0.1", "24"

static sd_bus *bus;

static void
setup(void)
{
    bus = network_set_up();
}

static void
teardown(void)
{
    network_tear_down(bus);
}

static void
ensure_bridge(const char *name, const char *address, const char *cidr)
{
    rig_call_ok(bus, "EnsureBridge", "ssss", name, address, cidr, "");
}

START_TEST(bridge_is_made)
{
    const char *link = NULL;

    ensure_bridge(BRIDGE);
    link = network_look("br-fc");
    network_assert_contains(link, "stp_state 0 ");
    network_assert_contains(link, "forward_delay 0 ");
    network_assert_contains(link, "alias org.banger.Helper1");
    network_assert_contains(link, ",UP");
    network_assert_contains(link, "inet 172.16.0.1/24 ");
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv6/conf/br-fc/accept_ra"), "0\n");
    /* Set explicitly (NET_ADDR_SET), so it does not follow the ports; and locally administered. */
    ck_assert(network_true("ip link show dev br-fc | grep -q 'link/ether .[26ae]:'"));
}
END_TEST

START_TEST(bridge_again_is_silent)
{
    NetworkMonitor monitor;

    ensure_bridge(BRIDGE);
    monitor = network_monitor_open();
    ensure_bridge(BRIDGE);
    ensure_bridge("br-fc", "172.16.0.1", "172.16.0.0/24");
    ensure_bridge(" br-fc ", " 172.16.0.1", "24 ");
    network_monitor_assert_quiet(&monitor);
    /* The monitor does hear a change. */
    network_do("ip link set br-fc mtu 1400");
    ck_assert(network_monitor_has_heard(&monitor));
    network_monitor_settle(&monitor);
    network_do("ip addr del 172.16.0.1/24 dev br-fc");
    ensure_bridge(BRIDGE);
    network_assert_contains(network_look("br-fc"), "172.16.0.1/24");
    network_monitor_close(&monitor);
}
END_TEST

START_TEST(bridge_keeps_its_mac)
{
    const char *before = NULL;
    const char *with_port = NULL;
    const char *after = NULL;

    ensure_bridge(BRIDGE);
    before = network_run("ip -o link show br-fc | grep -o 'link/ether [0-9a-f:]*'");
    /* Lower than any other: a bridge that follows its ports would take it. */
    network_do(
        "ip link add port type veth && ip link set port address 02:00:00:00:00:01 master br-fc");
    with_port = network_run("ip -o link show br-fc | grep -o 'link/ether [0-9a-f:]*'");
    network_do("ip link del port; ip link del br-fc");
    ensure_bridge(BRIDGE);
    after = network_run("ip -o link show br-fc | grep -o 'link/ether [0-9a-f:]*'");
    ck_assert_str_eq(before, with_port);
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(bridge_half_made_is_finished)
{
    /* What a helper leaves behind that was killed right after it made the bridge. */
    ensure_bridge(BRIDGE);
    network_do("ip link set br-fc down alias ''; ip addr flush dev br-fc");
    network_assert_lacks(network_look("br-fc"), "org.banger");
    ensure_bridge(BRIDGE);
    network_assert_contains(network_look("br-fc"), "alias org.banger.Helper1");
    network_assert_contains(network_look("br-fc"), "inet 172.16.0.1/24 ");
    network_assert_contains(network_look("br-fc"), ",UP");
}
END_TEST

START_TEST(bridge_wrong_address_is_corrected)
{
    ensure_bridge("br-fc", "172.16.5.1", "16");
    ensure_bridge("br-fc", "fd00:5::1", "64");
    network_assert_contains(network_look("br-fc"), "172.16.5.1/16");
    /* The very address, but for the prefix; and one that would be its secondary. */
    ensure_bridge("br-fc", "172.16.5.1", "24");
    network_assert_contains(network_look("br-fc"), "172.16.5.1/24");
    network_assert_lacks(network_look("br-fc"), "172.16.5.1/16");
    ensure_bridge("br-fc", "172.16.5.2", "24");
    network_assert_contains(network_look("br-fc"), "172.16.5.2/24");
    network_assert_lacks(network_look("br-fc"), "172.16.5.1");
    /* The other family was right all the time. */
    network_assert_contains(network_look("br-fc"), "fd00:5::1/64");
    /* An administrator's additions stay while ours is there. */
    network_do("ip addr add 10.9.9.9/24 dev br-fc");
    ensure_bridge("br-fc", "172.16.5.2", "24");
    network_assert_contains(network_look("br-fc"), "10.9.9.9/24");
    network_do("ip link set br-fc down type bridge stp_state 1 forward_delay 300; "
               "echo 1 > /proc/sys/net/ipv6/conf/br-fc/accept_ra");
    ensure_bridge("br-fc", "172.16.5.2", "24");
    network_assert_contains(network_look("br-fc"), "stp_state 0 ");
    network_assert_contains(network_look("br-fc"), "forward_delay 0 ");
    network_assert_contains(network_look("br-fc"), ",UP");
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv6/conf/br-fc/accept_ra"), "0\n");
}
END_TEST

START_TEST(bridge_ipv6_is_usable_at_once)
{
    ensure_bridge("br-fc", "fd00:1::1", "fd00:1::/64");
    network_assert_contains(network_run("ip -o addr show dev br-fc"), "inet6 fd00:1::1/64 ");
    network_assert_lacks(network_run("ip -o addr show dev br-fc scope global"), "tentative");
    ensure_bridge("br-fc", "fd00:1:0::0:1", "64");
}
END_TEST

START_TEST(link_local_address_stays)
{
    ensure_bridge("br-fc", "fd00:5::1", "64");
    network_do("ip addr add fe80::1/64 dev br-fc nodad");
    /* The one that the kernel gives a link stays when a wrong address is corrected. */
    ensure_bridge("br-fc", "fd00:6::1", "64");
    network_assert_contains(network_look("br-fc"), "inet6 fd00:6::1/64 ");
    network_assert_lacks(network_look("br-fc"), "fd00:5::1");
    network_assert_contains(network_look("br-fc"), "inet6 fe80::1/64 ");
    /* A failure takes back what this call did, not what was there. */
    network_do("ip tuntap add tap-fc-1 mode tap user stranger");
    rig_call_fails(bus, RIG_ERROR("AlreadyExists"), "CreateTap", "sssss", "br-fc", "fd00:7::1",
                   "64", "tap-fc-1", "");
    network_assert_contains(network_look("br-fc"), "inet6 fd00:6::1/64 ");
}
END_TEST

static void
assert_untouched(const char *name, const char *wanted_error)
{
    const char *before = network_look(name);
    const char *after = NULL;

    rig_call_fails(bus, wanted_error, "EnsureBridge", "ssss", name, "172.16.0.1", "24", "");
    rig_call_fails(bus, wanted_error, "CreateTap", "sssss", name, "172.16.0.1", "24", "tap-fc-1",
                   "");
    after = network_look(name);
    ck_assert_str_eq(before, after);
    ck_assert(!network_link_exists("tap-fc-1"));
}

START_TEST(foreign_links_are_untouched)
{
    network_do("ip link add eth0 type veth peer eth0p && ip addr add 172.16.0.1/24 dev eth0 && "
               "ip link set eth0 up");
    assert_untouched("eth0", RIG_ERROR("NotManaged"));
    assert_untouched("lo", RIG_ERROR("NotManaged"));
    network_do(
        "ip link del eth0; ip link add br0 type bridge && ip addr add 172.16.0.2/24 dev br0");
    assert_untouched("br0", RIG_ERROR("NotManaged"));
    network_do("ip addr del 172.16.0.2/24 dev br0; ip addr add 172.16.0.1/16 dev br0");
    assert_untouched("br0", RIG_ERROR("NotManaged"));
    network_do("ip addr flush dev br0; ip link set br0 alias org.banger.Helper12");
    assert_untouched("br0", RIG_ERROR("NotManaged"));
    /* Another name of a foreign link is the foreign link. */
    network_do("ip link property add dev br0 altname br-other");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "EnsureBridge", "ssss", "br-other", "172.16.0.1",
                   "24", "");
}
END_TEST

START_TEST(malformed_arguments)
{
    static const char *const bad[][3] = {
        {"", "172.16.0.1", "24"},
        {"sixteen-bytes-ab", "172.16.0.1", "24"},
        {"br%d", "172.16.0.1", "24"},
        {"br/fc", "172.16.0.1", "24"},
        {".", "172.16.0.1", "24"},
        {"..", "172.16.0.1", "24"},
        {"br fc", "172.16.0.1", "24"},
        {"br\nfc", "172.16.0.1", "24"},
        {"br-fc", "172.16.0.256", "24"},
        {"br-fc", "", "24"},
        {"br-fc", "172.16.0.1/24", "24"},
        {"br-fc", "0.0.0.0", "24"},
        {"br-fc", "127.0.0.1", "8"},
        {"br-fc", "224.0.0.1", "24"},
        {"br-fc", "172.16.0.1", "33"},
        {"br-fc", "172.16.0.1", "0"},
        {"br-fc", "172.16.0.1", "-1"},
        {"br-fc", "172.16.0.1", ""},
        {"br-fc", "172.16.0.1", "172.16.1.0/24"},
        {"br-fc", "172.16.0.1", "fd00::/64"},
        {"br-fc", "fd00::1", "129"},
    };
    static const char *const bad_taps[] = {"",
                                           "tap-fc-",
                                           "tap-pool-",
                                           "eth0",
                                           "tap-fc-%d",
                                           "tap-fc-a/b",
                                           "tap-fc-sixteen-byt",
                                           "xtap-fc-1",
                                           "tap-fc-1\n2",
                                           "tap-other-1"};

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        rig_call_fails(bus, RIG_ERROR("BadParams"), "EnsureBridge", "ssss", bad[i][0], bad[i][1],
                       bad[i][2], "");
    for (size_t i = 0; i < G_N_ELEMENTS(bad_taps); i++) {
        rig_call_fails(bus, RIG_ERROR("BadParams"), "CreateTap", "sssss", BRIDGE, bad_taps[i], "");
        rig_call_fails(bus, RIG_ERROR("BadParams"), "DeleteTap", "ss", bad_taps[i], "");
    }
    rig_call_fails(bus, RIG_ERROR("BadParams"), "CreateTap", "sssss", "tap-fc-1", "172.16.0.1",
                   "24", "tap-fc-1", "");
    ck_assert_str_eq(network_run("ip -o link | wc -l"), "1\n");
}
END_TEST

START_TEST(address_refused_leaves_nothing)
{
    network_do("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    rig_call_fails(bus, RIG_ERROR("OperationFailed"), "EnsureBridge", "ssss", "br-fc", "fd00::1",
                   "64", "");
    ck_assert(!network_link_exists("br-fc"));
    rig_call_fails(bus, RIG_ERROR("OperationFailed"), "CreateTap", "sssss", "br-fc", "fd00::1",
                   "64", "tap-fc-1", "");
    ck_assert(!network_link_exists("br-fc"));
    ck_assert(!network_link_exists("tap-fc-1"));
    network_do("echo 0 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    /* A bridge that was there before gets back what it had. */
    ensure_bridge("br-fc", "fd00::1", "64");
    rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "fd00::1", "64", "tap-fc-1", "");
}
END_TEST

static void
fill_same_tap(sd_bus_message *message, guint i)
{
    (void)i;
    ck_assert_int_ge(sd_bus_message_append(message, "sssss", BRIDGE, "tap-fc-same", ""), 0);
}

static void
fill_same_delete(sd_bus_message *message, guint i)
{
    (void)i;
    ck_assert_int_ge(sd_bus_message_append(message, "ss", "tap-fc-same", ""), 0);
}

START_TEST(two_callers_with_one_name)
{
    for (int round = 0; round < 100; round++) {
        if (round % 10 == 0 && network_link_exists("br-fc"))
            network_do("ip link del br-fc");
        network_call_at_once(2, "CreateTap", fill_same_tap);
        if (round % 10 == 0)
            network_assert_contains(network_look("tap-fc-same"), "master br-fc");
        network_call_at_once(2, "DeleteTap", fill_same_delete);
    }
    ck_assert(!network_link_exists("tap-fc-same"));
}
END_TEST

static void
fill_own_tap(sd_bus_message *message, guint i)
{
    g_autofree char *name = g_strdup_printf("tap-fc-%u", i);

    ck_assert_int_ge(sd_bus_message_append(message, "sssss", BRIDGE, name, ""), 0);
}

static void
fill_own_delete(sd_bus_message *message, guint i)
{
    g_autofree char *name = g_strdup_printf("tap-fc-%u", i);

    ck_assert_int_ge(sd_bus_message_append(message, "ss", name, ""), 0);
}

static void
fill_own_bridge(sd_bus_message *message, guint i)
{
    g_autofree char *name = g_strdup_printf("br-%u", i);
    g_autofree char *address = g_strdup_printf("172.20.%u.1", i);

    ck_assert_int_ge(sd_bus_message_append(message, "ssss", name, address, "24", ""), 0);
}

START_TEST(many_callers_with_many_names)
{
    network_call_at_once(64, "CreateTap", fill_own_tap);
    ck_assert_str_eq(network_run("ip -o link show master br-fc up | grep -c org.banger.Helper1"),
                     "64\n");
    network_call_at_once(64, "EnsureBridge", fill_own_bridge);
    ck_assert_str_eq(network_run("ip -o -4 addr | grep -c 'inet 172.20.[0-9]*.1/24'"), "64\n");
    network_call_at_once(64, "DeleteTap", fill_own_delete);
    ck_assert_str_eq(network_run("ip -o link show master br-fc | wc -l"), "0\n");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/network", argv, NULL);
    suite = suite_create("network");
    tcase = tcase_create("network");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, bridge_is_made);
    tcase_add_test(tcase, bridge_again_is_silent);
    tcase_add_test(tcase, bridge_keeps_its_mac);
    tcase_add_test(tcase, bridge_half_made_is_finished);
    tcase_add_test(tcase, bridge_wrong_address_is_corrected);
    tcase_add_test(tcase, bridge_ipv6_is_usable_at_once);
    tcase_add_test(tcase, link_local_address_stays);
    tcase_add_test(tcase, foreign_links_are_untouched);
    tcase_add_test(tcase, malformed_arguments);
    tcase_add_test(tcase, address_refused_leaves_nothing);
    tcase_add_test(tcase, two_callers_with_one_name);
    tcase_add_test(tcase, many_callers_with_many_names);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/network", suite);
}
