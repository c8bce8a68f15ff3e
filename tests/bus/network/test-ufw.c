/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Beside a real ufw: what it drops is named, whenever it is enabled; its own cure lets guests
 * through and nothing else; and neither changes the rules of the other.
 */
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"

#define FORWARDED "8054"
#define DENIED "169.254.169.254"

/* What docs/network.md names, of both bridges. */
#define CURE "for b in br-fc br-two; do ufw route allow in on $b; ufw route allow out on $b; done"

static sd_bus *bus;

static void
setup(void)
{
    bus = network_set_up();
    if (network_true("command -v ufw"))
        network_do("ufw --force reset && rm -f /etc/ufw/*.20*");
}

static void
teardown(void)
{
    peers_end();
    network_tear_down(bus);
}

static bool
skip(void)
{
    if (network_true("command -v ufw"))
        return false;
    harness_skip("no ufw");
    return true;
}

/* The WARNING of EnsureNAT of the guest. */
static const char *
call(void)
{
    return network_nat_warning(bus, PEERS_GUEST, "tap-fc-1");
}

static void
make_guests(void)
{
    peers_make_three_guests(bus);
    network_do("ip -n outside route add 172.16.0.0/12 via " PEERS_HOST
               "; ip -n outside route add fd00:16::/31 via " PEERS_HOST6
               "; ip -n outside addr add " DENIED "/32 dev lo; ip route add " DENIED
               " via " PEERS_ADDRESS);
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", 8054, PEERS_GUEST, PEERS_PORT, 1, "");
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", 8054, PEERS_GUEST6, PEERS_PORT, 1, "");
}

/* What is the guard's to decide is closed in any case. */
static void
assert_paths(bool open)
{
    peers_expect("guest", PEERS_ADDRESS, PEERS_HOST, open);
    peers_expect("guest", PEERS_ADDRESS6, PEERS_HOST6, open);
    peers_expect("far", PEERS_ADDRESS, PEERS_HOST, open);
    peers_expect("outside", PEERS_HOST "#" FORWARDED, PEERS_ADDRESS, open);
    peers_expect("outside", PEERS_HOST6 "#" FORWARDED, PEERS_ADDRESS6, open);
    peers_expect(NULL, PEERS_GUEST, "172.16.0.1", true);
    peers_expect(NULL, PEERS_GUEST6, "fd00:16::1", true);
    peers_expect_silence("guest", DENIED);
    peers_expect_silence("guest", PEERS_FAR);
    peers_expect_silence("outside", PEERS_GUEST);
    peers_expect_silence("outside", PEERS_GUEST6);
    peers_await_silence();
}

/* A call says what ufw drops, and neither changes rules of the other's. */
static void
assert_dropped(void)
{
    const char *foreign = peers_foreign_rules();
    const char *warning = call();

    network_assert_contains(warning, "chain ip filter FORWARD drops by policy");
    network_assert_contains(warning, "chain ip6 filter FORWARD drops by policy");
    network_assert_contains(network_warnings(), "chain ip filter FORWARD drops by policy");
    ck_assert_str_eq(peers_foreign_rules(), foreign);
}

static void
assert_let_through(void)
{
    const char *foreign = peers_foreign_rules();

    ck_assert_str_eq(call(), "");
    network_assert_lacks(network_warnings(), "FORWARD");
    ck_assert_str_eq(peers_foreign_rules(), foreign);
}

/* Our tables, which no command of ufw's changes. */
static const char *
own_rules(void)
{
    return network_run("nft -s list table inet banger; nft -s list table bridge banger");
}

START_TEST(life_of_ufw)
{
    bool before = _i == 0;
    const char *own;
    int flow, flow6;

    if (skip())
        return;
    if (before) /* the guest is first seen to reach the host */
        network_do("ufw allow in on br-fc && ufw --force enable");
    make_guests();
    own = own_rules();
    flow = peers_open_flow("guest", PEERS_ADDRESS);
    flow6 = peers_open_flow("guest", PEERS_ADDRESS6);
    if (!before) {
        peers_assert_flow(flow, PEERS_HOST);
        peers_assert_flow(flow6, PEERS_HOST6);
        network_do("ufw --force enable");
        network_assert_contains(network_warnings(), "chain ip filter FORWARD drops by policy");
        /* ufw lets go on what is there; while it sets itself up it drops all. */
        peers_assert_flow(flow, PEERS_HOST);
        peers_assert_flow(flow6, PEERS_HOST6);
    }
    assert_dropped();
    assert_paths(false);
    /* One bridge of two is not enough. */
    network_do("ufw route allow in on br-fc; ufw route allow out on br-fc");
    assert_dropped();
    network_do(CURE);
    assert_let_through();
    assert_paths(true);
    network_do("ufw reload");
    assert_let_through();
    assert_paths(true);
    network_do("ufw disable");
    assert_let_through();
    assert_paths(true);
    network_do("ufw --force enable");
    assert_let_through();
    assert_paths(true);
    ck_assert_str_eq(own_rules(), own);
    peers_assert_flow(flow, PEERS_HOST);
    peers_assert_flow(flow6, PEERS_HOST6);
    (void)close(flow);
    (void)close(flow6);
}
END_TEST

/* Of the host guests reach what ufw lets through, and no more than GuestsReachHost. */
START_TEST(services_of_the_host)
{
    if (skip())
        return;
    make_guests();
    peers_assert_answer("guest", "172.16.0.1", PEERS_GUEST);
    network_do("ufw --force enable");
    peers_expect_silence("guest", "172.16.0.1");
    peers_expect_silence("guest", "fd00:16::1");
    peers_await_silence();
    network_do("ufw allow in on br-fc");
    peers_assert_answer("guest", "172.16.0.1", PEERS_GUEST);
    peers_assert_answer("guest", "fd00:16::1", PEERS_GUEST6);
    peers_expect_silence("guest", PEERS_HOST);
    peers_expect_silence("guest", PEERS_HOST6);
    peers_await_silence();
}
END_TEST

START_TEST(refusal_instead_of_silence)
{
    if (skip())
        return;
    make_guests();
    network_do("ufw default reject routed && ufw --force enable");
    network_assert_contains(
        call(), "chain ip filter FORWARD drops by a rule of the chain ufw-reject-forward");
    peers_expect_silence("guest", PEERS_ADDRESS);
    peers_await_silence();
    network_do(CURE);
    ck_assert_str_eq(call(), "");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/ufw", argv, NULL);
    suite = suite_create("ufw");
    tcase = tcase_create("ufw");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, life_of_ufw, 0, 2);
    tcase_add_test(tcase, services_of_the_host);
    tcase_add_test(tcase, refusal_instead_of_silence);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/ufw", suite);
}
