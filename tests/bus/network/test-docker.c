/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Beside Docker, as it is in 2023 and in 2026, which is there before us or starts later: guests get
 * out and forwarded ports in, and Docker's own networks stay as they were.
 */
#include <string.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"

#define BOX "172.30.0.2"
#define INNER "172.31.0.2"

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

static const struct {
    const char *name;
    const char *rules; /* of a shell; in the folder of the rules */
    bool has_user_chain;
} engines[] = {
    {"Docker 24", "iptables-restore -n docker-2023.v4", true},
    {"Docker 29", "iptables-restore -n docker-2026.v4 && ip6tables-restore -n docker-2026.v6",
     true},
    {"Docker 29, nftables", "nft -f docker-2026.nft", false},
};

/* A container @name at @address behind the bridge @bridge, with a server. */
static void
make_container(const char *name, const char *bridge, const char *address, const char *gateway)
{
    network_do("ip link add %s type bridge && ip addr add %s/16 dev %s && ip link set %s up && "
               "ip netns add %s && ip link add v-%s type veth peer name eth0 netns %s && "
               "ip link set v-%s master %s up && ip -n %s addr add %s/16 dev eth0 && "
               "ip -n %s link set lo up && ip -n %s link set eth0 up && "
               "ip -n %s route add default via %s",
               bridge, gateway, bridge, bridge, name, name, name, name, bridge, name, address, name,
               name, name, gateway);
    peers_serve(name);
}

/* The engine and its two networks. Its server in the container answers at its port 8053 too. */
static void
start_docker(size_t engine)
{
    make_container("box", "docker0", BOX, "172.30.0.1");
    make_container("inner", "br-inner", INNER, "172.31.0.1");
    network_do("echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > "
               "/proc/sys/net/ipv6/conf/all/forwarding; cd " RULES_DIR " && %s",
               engines[engine].rules);
    network_do(
        "ip netns exec box nft 'table ip there { chain in { type nat hook prerouting priority "
        "-100; udp dport 8053 redirect to :%d; }; }'",
        PEERS_PORT);
}

/* "guest" on br-fc in both families, "far" on br-two. */
static void
make_guests(void)
{
    network_bridge_and_tap(bus, "tap-fc-1");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "fd00:16::1", "64", "");
    rig_call_ok(bus, "CreateTap", "sssss", "br-two", "172.17.0.1", "24", "tap-fc-3", "");
    peers_make_guest("guest", "tap-fc-1", PEERS_GUEST "/24", "172.16.0.1");
    peers_make_guest("guest", "tap-fc-1", PEERS_GUEST6 "/64", "fd00:16::1");
    peers_make_guest("far", "tap-fc-3", PEERS_FAR "/24", "172.17.0.1");
    peers_serve("guest");
    peers_serve("far");
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    peers_nat(bus, PEERS_FAR, "tap-fc-3", true);
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", PEERS_PORT, PEERS_GUEST, PEERS_PORT, 1,
                "");
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", PEERS_PORT, PEERS_GUEST6, PEERS_PORT, 1,
                "");
}

static void
assert_paths(void)
{
    /* Ours. */
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    peers_assert_answer("guest", PEERS_ADDRESS6, PEERS_HOST6);
    peers_assert_answer("outside", PEERS_HOST, PEERS_ADDRESS);
    peers_assert_answer("outside", PEERS_HOST6, PEERS_ADDRESS6);
    peers_assert_answer(NULL, PEERS_GUEST, "172.16.0.1");
    peers_expect_silence("outside", PEERS_GUEST);
    peers_expect_silence("outside", PEERS_GUEST6);
    peers_expect_silence("guest", PEERS_FAR);
    /* Docker's. */
    peers_assert_answer("box", PEERS_ADDRESS, PEERS_HOST);
    ck_assert_str_eq(network_run("ip netns exec outside sh -c 'printf ? | socat -T 20 - "
                                 "udp:" PEERS_HOST ":8053'"),
                     PEERS_ADDRESS);
    peers_expect_silence("inner", PEERS_ADDRESS);
    /* Between the two. */
    peers_expect_silence("guest", BOX);
    peers_expect_silence("guest", INNER);
    peers_expect_silence("box", PEERS_GUEST);
    peers_expect_silence("inner", PEERS_GUEST);
    peers_await_silence();
}

static void
assert_rules(size_t engine)
{
    const char *foreign = peers_foreign_rules();

    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    ck_assert_str_eq(peers_foreign_rules(), foreign);
    if (engines[engine].has_user_chain)
        network_assert_contains(network_run("iptables -S DOCKER-USER | head -2"),
                                "--comment \"org.banger.Helper1/2 guests\" -j ACCEPT");
}

START_TEST(engine)
{
    size_t one = (size_t)_i / 2;
    bool first = _i % 2 == 0;

    peers_make();
    network_do("ip -n outside route add 172.16.0.0/12 via " PEERS_HOST
               "; ip -n outside route add fd00:16::/31 via " PEERS_HOST6);
    if (first)
        start_docker(one);
    make_guests();
    if (!first) {
        start_docker(one);
        peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    }
    assert_rules(one);
    for (int bridged = 0; bridged < 2; bridged++) {
        network_set_bridge_netfilter(bridged == 1);
        assert_paths();
    }
    network_set_bridge_netfilter(false);
    /* With the last of ours the rule in Docker's chain goes. */
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-3", "");
    rig_call_ok(bus, "DeleteBridge", "ss", "br-two", "");
    rig_call_ok(bus, "DeleteBridge", "ss", "br-fc", "");
    network_assert_lacks(network_run("iptables -S; ip6tables -S"), "banger");
    peers_assert_answer("box", PEERS_ADDRESS, PEERS_HOST);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/docker", argv, NULL);
    suite = suite_create("docker");
    tcase = tcase_create("docker");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 180);
    tcase_add_loop_test(tcase, engine, 0, 2 * G_N_ELEMENTS(engines));
    suite_add_tcase(suite, tcase);
    return harness_run("bus/docker", suite);
}
