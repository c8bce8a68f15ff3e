/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A WireGuard tunnel that takes all of the host's traffic, as wg-quick(8) sets it up, started when
 * guests are there already: they use it, are not reached by it, and bridges keep off its networks.
 */
#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"

/* The two ends of the tunnel. */
#define HERE "172.29.0.1"
#define HERE6 "fd00:29::1"
#define THERE "172.29.0.2"
#define THERE6 "fd00:29::2"
/* Of the host outside, and reached by the default route only. */
#define WORLD "198.51.100.7"
#define WORLD6 "2001:db8:7::7"
#define OTHER_WORLD "198.51.100.8"
#define DENIED "169.254.169.254"
#define DENIED6 "fd00:ec2::254"
#define FORWARDED "8054"
#define BOX "172.28.0.2"

/* Networks behind the tunnel that have routes of their own. */
#define ROUTED "172.30.0.0/16"
#define ROUTED6 "fd00:30::/32"

static sd_bus *bus;

/* What wg-quick makes besides its link. */
static void
forget_routing(void)
{
    network_do("for f in -4 -6; do ip $f rule del table 51820; "
               "ip $f rule del table main suppress_prefixlength 0; done >/dev/null 2>&1; true");
}

static void
setup(void)
{
    forget_routing();
    bus = network_set_up();
}

static void
teardown(void)
{
    peers_end();
    forget_routing();
    network_clear_network();
    network_tear_down(bus);
}

static bool
skip(void)
{
    if (network_true("command -v wg-quick && ip link add wg9 type wireguard && ip link del wg9"))
        return false;
    harness_skip("no WireGuard");
    return true;
}

/* The host's default route is by the one outside, who knows the way to the guests' networks. */
static void
make_host(void)
{
    peers_make_three_guests(bus);
    network_do("ip route add default via " PEERS_ADDRESS
               "; ip -6 route add default via " PEERS_ADDRESS6 "; for a in " WORLD
               "/32 " OTHER_WORLD "/32 " DENIED "/32; do "
               "ip -n outside addr add $a dev lo; done; for a in " WORLD6 "/128 " DENIED6
               "/128; do ip -n outside addr add $a dev lo nodad; done");
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", 8054, PEERS_GUEST, PEERS_PORT, 1, "");
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", 8054, PEERS_GUEST6, PEERS_PORT, 1, "");
    rig_call_ok(bus, "SetEgress", "sass", PEERS_FAR, 1, OTHER_WORLD, "");
    peers_assert_answer("guest", WORLD, PEERS_HOST);
    peers_assert_answer("guest", WORLD6, PEERS_HOST6);
}

static void
start_tunnel(void)
{
    network_do(
        "umask 077; for i in 0 1; do wg genkey > /run/wg$i; wg pubkey < /run/wg$i > /run/wg$i.pub; "
        "done; { echo '[Interface]'; echo \"PrivateKey = $(cat /run/wg0)\"; "
        "echo 'Address = " HERE "/24, " HERE6 "/64'; echo 'ListenPort = 51820'; echo '[Peer]'; "
        "echo \"PublicKey = $(cat /run/wg1.pub)\"; echo 'Endpoint = " PEERS_ADDRESS ":51820'; "
        "echo 'AllowedIPs = 0.0.0.0/0, ::/0, " ROUTED ", " ROUTED6 "'; } > /run/wg0.conf");
    network_do(
        "ip -n outside link add wg1 type wireguard && ip netns exec outside wg set wg1 "
        "listen-port 51820 private-key /run/wg1 peer $(cat /run/wg0.pub) endpoint " PEERS_HOST
        ":51820 allowed-ips " HERE "/32," HERE6 "/128,172.16.0.0/12,fd00:16::/31 && "
        "ip -n outside addr add " THERE "/24 dev wg1 && ip -n outside addr add " THERE6
        "/64 dev wg1 nodad && ip -n outside link set wg1 up && "
        "ip -n outside route add 172.16.0.0/12 dev wg1 && "
        "ip -n outside -6 route add fd00:16::/31 dev wg1");
    network_do("wg-quick up /run/wg0.conf");
    /* The default route is in a table of its own, for all but the tunnel's own packets. */
    network_assert_contains(network_run("ip rule; ip -6 rule"), "suppress_prefixlength 0");
    network_assert_contains(network_run("ip route get " WORLD), "dev wg0");
    network_assert_contains(network_run("ip -6 route get " WORLD6), "dev wg0");
}

/* Guests go out by the tunnel, masqueraded, and no further than without it. */
static void
assert_leaving(void)
{
    peers_assert_answer("guest", WORLD, HERE);
    peers_assert_answer("guest", WORLD6, HERE6);
    peers_assert_answer("guest", THERE, HERE);
    peers_assert_answer("guest", THERE6, HERE6);
    peers_assert_answer("far", OTHER_WORLD, HERE);
    peers_expect_silence("far", WORLD);
    /* The host gets there. */
    peers_assert_answer(NULL, DENIED, HERE);
    peers_assert_answer(NULL, DENIED6, HERE6);
    peers_expect_silence("guest", DENIED);
    peers_expect_silence("guest", DENIED6);
    peers_expect_silence("guest", HERE);
    peers_expect_silence("guest", HERE6);
    peers_expect_silence("guest", PEERS_FAR);
    peers_expect_silence("guest", PEERS_FAR6);
    peers_await_silence();
}

/* From the other end: the host itself, a forwarded port, and no guest. */
static void
assert_entering(void)
{
    peers_assert_answer("outside", "172.16.0.1", THERE);
    peers_assert_answer("outside", "fd00:16::1", THERE6);
    peers_assert_answer("outside", HERE "#" FORWARDED, THERE);
    peers_assert_answer("outside", HERE6 "#" FORWARDED, THERE6);
    peers_expect_silence("outside", PEERS_GUEST);
    peers_expect_silence("outside", PEERS_GUEST6);
    peers_expect_silence("outside", PEERS_FAR);
    peers_expect_silence("outside", PEERS_FAR6);
    peers_await_silence();
}

START_TEST(guests_use_it)
{
    if (skip())
        return;
    make_host();
    start_tunnel();
    assert_leaving();
    assert_entering();
    /* Nothing is amiss: neither of what is there, nor of what a call makes of it. */
    network_assert_lacks(network_warnings(), "wg0");
    ck_assert_str_eq(network_nat_warning(bus, PEERS_GUEST, "tap-fc-1"), "");
    network_assert_lacks(network_warnings(), "wg0");
    assert_leaving();
    assert_entering();
    network_do("wg-quick down /run/wg0.conf");
    peers_assert_answer("guest", WORLD, PEERS_HOST);
    peers_assert_answer("guest", WORLD6, PEERS_HOST6);
}
END_TEST

/* Guests, bridges and the tunnel are there after Reconcile, and after all tables were flushed. */
START_TEST(looked_after)
{
    if (skip())
        return;
    make_host();
    start_tunnel();
    rig_call_ok(bus, "Reconcile", "asasbs", 1, "*", 0, 0, "");
    assert_leaving();
    network_do("nft flush ruleset");
    rig_call_ok(bus, "Reconcile", "asasbs", 1, "*", 0, 0, "");
    assert_leaving();
    assert_entering();
}
END_TEST

/* A guest that is registered when the tunnel is there, on a bridge that is new, and the last. */
START_TEST(made_beside_it)
{
    if (skip())
        return;
    make_host();
    start_tunnel();
    rig_call_ok(bus, "CreateTap", "sssss", "br-new", "172.18.0.1", "24", "tap-fc-9", "");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-new", "fd00:18::1", "64", "");
    peers_make_guest("new", "tap-fc-9", "172.18.0.2/24", "172.18.0.1");
    peers_make_guest("new", "tap-fc-9", "fd00:18::2/64", "fd00:18::1");
    peers_expect_silence("new", WORLD);
    peers_expect_silence("new", WORLD6);
    peers_await_silence();
    peers_nat(bus, "172.18.0.2", "tap-fc-9", true);
    peers_nat(bus, "fd00:18::2", "tap-fc-9", true);
    peers_assert_answer("new", WORLD, HERE);
    peers_assert_answer("new", WORLD6, HERE6);
    peers_nat(bus, "172.18.0.2", "tap-fc-9", false);
    peers_expect_silence("new", WORLD);
    peers_await_silence();
}
END_TEST

static void
assert_refused(const char *address, const char *prefix, const char *reason)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_ptr_null(
        rig_call(bus, "EnsureBridge", &error, "ssss", "br-new", address, prefix, ""));
    ck_assert_str_eq(error.name, RIG_ERROR("AlreadyExists"));
    network_assert_contains(error.message, reason);
    sd_bus_error_free(&error);
    ck_assert(!network_link_exists("br-new"));
}

START_TEST(networks_of_the_tunnel)
{
    if (skip())
        return;
    make_host();
    start_tunnel();
    assert_refused("172.29.0.77", "24", "overlaps the address " HERE "/24 of the link wg0");
    assert_refused("fd00:29::77", "64", "overlaps the address " HERE6 "/64 of the link wg0");
    assert_refused("172.30.5.1", "24", "overlaps the route to " ROUTED ", by the link wg0");
    assert_refused("fd00:30:5::1", "64", "overlaps the route to " ROUTED6 ", by the link wg0");
    /* What comes later for a network that we have is in Warnings. */
    network_do("wg set wg0 peer $(cat /run/wg1.pub) allowed-ips 172.16.0.0/16,0.0.0.0/0,::/0 && "
               "ip route add 172.16.0.128/25 dev wg0");
    network_assert_contains(network_warnings(),
                            "the bridge br-fc: the network 172.16.0.0/24 overlaps "
                            "the route to 172.16.0.128/25, by the link wg0");
    ck_assert_str_eq(network_nat_warning(bus, PEERS_GUEST, "tap-fc-1"), "");
}
END_TEST

/* What came later than forwarding was switched on is not ours to keep apart. */
START_TEST(others_use_it)
{
    if (skip())
        return;
    make_host();
    start_tunnel();
    network_do("ip link add docker0 type bridge && ip addr add 172.28.0.1/24 dev docker0 && "
               "ip link set docker0 up && ip netns add box && "
               "ip link add v-box type veth peer name eth0 netns box && "
               "ip link set v-box master docker0 up && ip -n box addr add " BOX "/24 dev eth0 && "
               "ip -n box link set eth0 up && ip -n box route add default via 172.28.0.1");
    peers_serve("box");
    peers_assert_answer("outside", BOX, THERE);
    peers_expect_silence("outside", PEERS_GUEST);
    peers_await_silence();
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/wireguard", argv, NULL);
    suite = suite_create("wireguard");
    tcase = tcase_create("wireguard");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, guests_use_it);
    tcase_add_test(tcase, looked_after);
    tcase_add_test(tcase, made_beside_it);
    tcase_add_test(tcase, networks_of_the_tunnel);
    tcase_add_test(tcase, others_use_it);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/wireguard", suite);
}
