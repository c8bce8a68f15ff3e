/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Which networks and bridges the owner may have: [Network] of helper.conf, what the host has
 * already, bridges of others, DeleteBridge.
 */
#include "bus/network/network-fixture.h"

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

/*
 * EnsureBridge and CreateTap of a new bridge are refused with @error and @part in the message, and
 * leave nothing.
 */
static void
assert_refused(const char *address, const char *cidr, const char *error, const char *part)
{
    sd_bus_error failure = SD_BUS_ERROR_NULL;

    rig_call_fails(bus, error, "CreateTap", "sssss", "br-fc", address, cidr, "tap-fc-1", "");
    ck_assert_ptr_null(rig_call(bus, "EnsureBridge", &failure, "ssss", "br-fc", address, cidr, ""));
    ck_assert_msg(sd_bus_error_has_name(&failure, error), "%s/%s: %s", address, cidr, failure.name);
    network_assert_contains(failure.message, part);
    sd_bus_error_free(&failure);
    ck_assert(!network_link_exists("br-fc"));
    ck_assert(!network_link_exists("tap-fc-1"));
}

START_TEST(outside_of_the_subnets)
{
    static const char *const outside[][2] = {
        {"8.8.8.1", "24"},    {"198.51.100.1", "24"}, {"169.254.169.254", "32"},
        {"172.32.0.1", "24"}, {"2001:db8::1", "64"},  {"fe80::1", "64"},
        {"1.2.3.4", "32"},    {"100.128.0.1", "24"},  {"11.0.0.1", "24"},
    };
    static const char *const larger[][2] = {
        {"10.0.0.1", "8"},
        {"10.0.0.1", "15"},
        {"128.0.0.1", "1"},
        {"fd00::1", "47"},
    };

    assert_refused("100.100.100.1", "24", RIG_ERROR("BadParams"), "DenyDestinations");
    assert_refused("fd00:ec2::1", "64", RIG_ERROR("BadParams"), "DenyDestinations");
    for (size_t i = 0; i < G_N_ELEMENTS(outside); i++)
        assert_refused(outside[i][0], outside[i][1], RIG_ERROR("BadParams"), "Subnets");
    for (size_t i = 0; i < G_N_ELEMENTS(larger); i++)
        assert_refused(larger[i][0], larger[i][1], RIG_ERROR("BadParams"), "MinimumPrefix");
}
END_TEST

START_TEST(configured_subnets_and_names)
{
    network_configure("Subnets=203.0.113.0/24\\nMinimumPrefix=25 64\\nBridges=br-fc");
    assert_refused("10.0.0.1", "30", RIG_ERROR("BadParams"), "Subnets");
    assert_refused("203.0.113.1", "24", RIG_ERROR("BadParams"), "MinimumPrefix");
    rig_call_fails(bus, RIG_ERROR("BadParams"), "EnsureBridge", "ssss", "br-fc2", "203.0.113.1",
                   "25", "");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "203.0.113.1", "25", "");
    network_unconfigure();
    /* What our bridge has already is not checked again, and neither is its name. */
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "203.0.113.1", "25", "");
    rig_call_fails(bus, RIG_ERROR("BadParams"), "EnsureBridge", "ssss", "br-fc", "203.0.113.2",
                   "25", "");
    rig_call_fails(bus, RIG_ERROR("BadParams"), "EnsureBridge", "ssss", "wg0", "10.5.0.1", "24",
                   "");
    ck_assert(!network_link_exists("wg0"));
}
END_TEST

/* What the host has, and a network that is in its way. */
static const struct {
    const char *host;
    const char *address;
    const char *cidr;
    const char *named; /* in the message */
} collisions[] = {
    /* Addresses: within the network, around it, the very one. */
    {"ip addr add 10.1.2.3/32 dev uplink", "10.1.2.1", "24",
     "address 10.1.2.3/32 of the link uplink"},
    {"ip addr add 10.1.0.1/16 dev uplink", "10.1.2.1", "24", "the link uplink"},
    {"ip addr add 10.1.2.1/24 dev uplink", "10.1.2.1", "24", "the link uplink"},
    {"ip addr add fd01::1/64 dev uplink", "fd01::2", "64", "address fd01::1/64 of the link uplink"},
    {"ip addr add 10.1.2.3/32 dev lo", "10.1.2.1", "24", "the link lo"},
    /* A bridge of ours is no different. */
    {"ip link add br-a type bridge; ip link set br-a alias org.banger.Helper1; "
     "ip addr add 10.1.2.1/24 dev br-a",
     "10.1.2.129", "25", "the link br-a"},
    /* Routes, in whichever table. */
    {"ip route add 10.1.0.0/16 dev uplink", "10.1.2.1", "24",
     "route to 10.1.0.0/16, by the link uplink"},
    {"ip route add 10.1.2.128/25 via 192.0.2.2 table 77", "10.1.2.1", "24",
     "route to 10.1.2.128/25, by the link uplink"},
    {"ip route add unreachable 10.1.0.0/16", "10.1.2.1", "24", "route to 10.1.0.0/16"},
    {"ip -6 route add fd01:1::/48 via 2001:db8::2", "fd01:1:0:2::1", "64",
     "route to fd01:1::/48, by the link uplink"},
    {"ip route add 10.0.0.0/8 nexthop via 192.0.2.2 nexthop via 192.0.2.3", "10.1.2.1", "24",
     "route to 10.0.0.0/8"},
    /* The gateway of a default route. */
    {"ip route add default via 10.9.9.9 dev uplink onlink", "10.9.9.1", "24",
     "contains the gateway 10.9.9.9 of the default route by the link uplink"},
    {"ip -6 route add default via fd09::9 dev uplink onlink table 9", "fd09::1", "64",
     "contains the gateway fd09::9"},
};

START_TEST(collision)
{
    network_do(
        "ip link add uplink type veth peer name far; ip link set uplink up; ip link set far up; "
        "ip addr add 192.0.2.1/24 dev uplink; ip addr add 2001:db8::1/64 dev uplink nodad");
    network_do("%s", collisions[_i].host);
    assert_refused(collisions[_i].address, collisions[_i].cidr, RIG_ERROR("AlreadyExists"),
                   collisions[_i].named);
    network_do("ip link del uplink; ip addr del 10.1.2.3/32 dev lo 2>/dev/null || :; "
               "ip route del unreachable 10.1.0.0/16 2>/dev/null || :");
}
END_TEST

START_TEST(what_is_no_collision)
{
    network_do(
        "ip link add uplink type veth peer name far; ip link set uplink up; ip link set far up; "
        "ip addr add 192.0.2.1/24 dev uplink; ip route add default via 192.0.2.2; "
        "ip addr add 10.1.3.1/24 dev uplink; ip route add 10.2.0.0/16 via 192.0.2.2");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "10.1.2.1", "24", "");
    /* Its own address and route are not in its way, nor is the other family's. */
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "10.1.2.1", "25", "");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "fd01::1", "64", "");
    /* The wide route of a VPN does not count where root lists a network within it. */
    rig_call_fails(bus, RIG_ERROR("AlreadyExists"), "EnsureBridge", "ssss", "br-two", "10.2.2.1",
                   "24", "");
    network_configure("Subnets=10.2.2.0/23");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-two", "10.2.2.1", "24", "");
    network_unconfigure();
}
END_TEST

#define MAC_OF(name) network_run("cat /sys/class/net/" name "/address")

/* As the older helper made it: no mark, a MAC that follows the ports. */
static void
make_older_bridge(void)
{
    network_do("ip link add br-fc type bridge && ip addr add 172.16.0.1/24 dev br-fc && "
               "ip link set br-fc up && ip tuntap add tap-fc-1 mode tap user banger && "
               "ip link set tap-fc-1 master br-fc up");
}

/* As the first bridge of ours, with which the tables are made, and as another. */
START_TEST(older_bridge_is_adopted)
{
    const char *before = NULL;
    NetworkMonitor monitor;

    if (_i == 1)
        rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc2", "172.17.0.1", "24", "");
    make_older_bridge();
    before = MAC_OF("br-fc");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "172.16.0.1", "24", "");
    network_assert_contains(network_look("br-fc"), "alias org.banger.Helper1 adopted");
    network_assert_contains(network_look("tap-fc-1"), "alias org.banger.Helper1 open");
    network_assert_contains(network_run("nft list set bridge banger open"), "tap-fc-1");
    network_assert_contains(network_look("br-fc"), "forward_delay 0 ");
    ck_assert_str_eq(MAC_OF("br-fc"), before);
    /* Pinned: it follows the ports no more. */
    network_do(
        "ip link add port type veth && ip link set port address 02:00:00:00:00:01 master br-fc");
    ck_assert_str_eq(MAC_OF("br-fc"), before);
    network_do("ip link del port");
    monitor = network_monitor_open();
    network_monitor_settle(&monitor);
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "172.16.0.1", "24", "");
    network_monitor_assert_quiet(&monitor);
    network_monitor_close(&monitor);
}
END_TEST

/* What makes it another program's. */
static const char *const not_older[] = {
    "ip link del tap-fc-1",
    "ip link set br-fc alias something",
    "ip addr del 172.16.0.1/24 dev br-fc; ip addr add 172.16.0.2/24 dev br-fc",
    "ip addr del 172.16.0.1/24 dev br-fc; ip addr add 172.16.0.1/16 dev br-fc",
    "ip link add port type veth; ip link set port master br-fc",
    "ip tuntap add tap-fc-2 mode tap user stranger; ip link set tap-fc-2 master br-fc",
    "ip tuntap add tap-other mode tap user banger; ip link set tap-other master br-fc",
};

START_TEST(foreign_bridge_is_untouched)
{
    const char *before = NULL;

    make_older_bridge();
    network_do("%s", not_older[_i]);
    before = network_look("br-fc");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "EnsureBridge", "ssss", "br-fc", "172.16.0.1",
                   "24", "");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "DeleteBridge", "ss", "br-fc", "");
    ck_assert_str_eq(network_look("br-fc"), before);
}
END_TEST

START_TEST(lent_bridge_is_used_as_it_is)
{
    const char *before = NULL;

    network_do("ip link add br0 type bridge stp_state 1 && ip addr add 192.0.2.1/24 dev br0 && "
               "ip link set br0 up");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "CreateTap", "sssss", "br0", "192.0.2.1", "24",
                   "tap-fc-1", "");
    network_configure("AdoptBridges=br0");
    before = network_look("br0");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br0", "192.0.2.1", "24", "");
    ck_assert_str_eq(network_look("br0"), before);
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "EnsureBridge", "ssss", "br0", "192.0.2.9", "24",
                   "");
    rig_call_ok(bus, "CreateTap", "sssss", "br0", "192.0.2.1", "24", "tap-fc-1", "");
    network_assert_contains(network_look("tap-fc-1"), "master br0");
    network_assert_contains(network_look("br0"), "stp_state 1 ");
    network_assert_lacks(network_look("br0"), "alias");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "DeleteBridge", "ss", "br0", "");
    network_unconfigure();
}
END_TEST

START_TEST(bridge_is_deleted)
{
    rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "172.16.0.1", "24", "tap-fc-1", "");
    rig_call_fails(bus, RIG_ERROR("Busy"), "DeleteBridge", "ss", "br-fc", "");
    network_assert_contains(network_look("br-fc"), "inet 172.16.0.1/24 ");
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    rig_call_ok(bus, "DeleteBridge", "ss", "br-fc", "");
    ck_assert(!network_link_exists("br-fc"));
    rig_call_ok(bus, "DeleteBridge", "ss", "br-fc", "");
    network_do("ip link add br-site type veth peer name far");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "DeleteBridge", "ss", "br-site", "");
    ck_assert(network_link_exists("br-site"));
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite = suite_create("collision");
    TCase *tcase = tcase_create("collision");

    (void)argc;
    rig_enter("bus/collision", argv, NULL);
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, outside_of_the_subnets);
    tcase_add_test(tcase, configured_subnets_and_names);
    tcase_add_loop_test(tcase, collision, 0, G_N_ELEMENTS(collisions));
    tcase_add_test(tcase, what_is_no_collision);
    tcase_add_loop_test(tcase, older_bridge_is_adopted, 0, 2);
    tcase_add_loop_test(tcase, foreign_bridge_is_untouched, 0, G_N_ELEMENTS(not_older));
    tcase_add_test(tcase, lent_bridge_is_used_as_it_is);
    tcase_add_test(tcase, bridge_is_deleted);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/collision", suite);
}
