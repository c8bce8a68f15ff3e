/* SPDX-License-Identifier: GPL-2.0-or-later */

/* EnsureNAT over the bus: the packets of guests, with and without other people's rules. */
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

START_TEST(guests_are_masqueraded)
{
    world_make_with_guest(bus);
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), "");
    world_nat(bus, WORLD_GUEST, "tap-fc-1", true);
    world_assert_answer("guest", WORLD_ADDRESS, WORLD_HOST);
    ck_assert_str_eq(aid_run("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    /* Not towards the bridge, or the host. */
    world_assert_answer("guest", "172.16.0.1", WORLD_GUEST);
    /* IPv6 is not part of it until asked for. */
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS6), "");
    world_nat(bus, WORLD_GUEST6, "tap-fc-1", true);
    world_assert_answer("guest", WORLD_ADDRESS6, WORLD_HOST6);
    world_nat(bus, WORLD_GUEST, "tap-fc-1", false);
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), "");
    world_assert_answer("guest", WORLD_ADDRESS6, WORLD_HOST6);
    world_nat(bus, WORLD_GUEST6, "tap-fc-1", false);
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS6), "");
    ck_assert_str_eq(aid_run("nft list ruleset"), "");
}
END_TEST

START_TEST(begun_flows_are_cut)
{
    int flow;
    int other;
    int neighbour;

    world_make_with_guest(bus);
    aid_do("echo 1 > /proc/sys/net/ipv4/ip_forward");
    world_nat(bus, WORLD_GUEST, "tap-fc-1", true);
    world_nat(bus, WORLD_GUEST6, "tap-fc-1", true);
    flow = world_open_flow("guest", WORLD_ADDRESS);
    other = world_open_flow("guest", WORLD_ADDRESS6);
    world_assert_flow(flow, WORLD_HOST);
    world_assert_flow(other, WORLD_HOST6);
    aid_bridge_and_tap(bus, "tap-fc-2");
    world_make_guest("other", "tap-fc-2", "172.16.0.3/24", "172.16.0.1");
    world_nat(bus, "172.16.0.3", "tap-fc-2", true);
    neighbour = world_open_flow("other", WORLD_ADDRESS);
    world_assert_flow(neighbour, WORLD_HOST);
    /* Another TAP had the address too: it is still enabled. */
    world_nat(bus, WORLD_GUEST, "tap-fc-2", true);
    world_nat(bus, WORLD_GUEST, "tap-fc-1", false);
    world_assert_flow(flow, WORLD_HOST);
    world_nat(bus, WORLD_GUEST, "tap-fc-2", false);
    ck_assert_str_eq(world_ask_again(flow), "");
    world_assert_flow(other, WORLD_HOST6);
    world_nat(bus, WORLD_GUEST6, "tap-fc-1", false);
    ck_assert_str_eq(world_ask_again(other), "");
    /* The neighbour's flow was not begun anew: its source port, as the world sees it, has not
     * changed, or it would be another entry. */
    world_assert_flow(neighbour, WORLD_HOST);
    ck_assert_str_eq(aid_run("grep -c 'src=172.16.0.3 dst=192.0.2.2' /proc/net/nf_conntrack || :"),
                     "1\n");
    (void)close(flow);
    (void)close(other);
    (void)close(neighbour);
}
END_TEST

START_TEST(flows_of_others_are_not_cut)
{
    int flow;

    world_make_with_guest(bus);
    aid_do(
        "echo 1 > /proc/sys/net/ipv4/ip_forward; nft add table ip theirs; nft 'add chain ip theirs "
        "out { type nat hook postrouting priority 100; }'; nft 'add rule ip theirs out oifname "
        "uplink masquerade'");
    flow = world_open_flow("guest", WORLD_ADDRESS);
    world_assert_flow(flow, WORLD_HOST);
    /* No new flow is translated, but the begun ones are. */
    aid_do("nft 'flush chain ip theirs out; add rule ip theirs out ip saddr 10.9.9.9 masquerade'");
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), "");
    world_assert_flow(flow, WORLD_HOST);
    /* Never enabled, so what translates it is not ours to cut. */
    world_nat(bus, WORLD_GUEST, "tap-fc-1", false);
    world_assert_flow(flow, WORLD_HOST);
    (void)close(flow);
}
END_TEST

START_TEST(addresses_elsewhere_are_not_cut)
{
    int flow;
    int flow6;

    world_make_with_guest(bus);
    /* A container, behind an interface of its own and translated by its own engine. */
    aid_do("ip netns add container; ip link add docker0 type veth peer name eth0 netns container; "
           "ip addr add 172.17.0.1/16 dev docker0; ip addr add fd00:17::1/64 dev docker0 nodad; "
           "ip link set docker0 up; ip -n container addr add 172.17.0.2/16 dev eth0; "
           "ip -n container addr add fd00:17::2/64 dev eth0 nodad; ip -n container link set eth0 "
           "up; ip -n container route add default via 172.17.0.1; "
           "ip -n container route add default via fd00:17::1; "
           "echo 1 > /proc/sys/net/ipv4/ip_forward; "
           "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; nft add table inet theirs; "
           "nft 'add chain inet theirs out { type nat hook postrouting priority 100; }'; "
           "nft 'add rule inet theirs out oifname uplink masquerade'");
    flow = world_open_flow("container", WORLD_ADDRESS);
    flow6 = world_open_flow("container", WORLD_ADDRESS6);
    world_assert_flow(flow, WORLD_HOST);
    world_assert_flow(flow6, WORLD_HOST6);
    /* No new flow is translated, but the begun ones are. */
    aid_do("nft 'flush chain inet theirs out; add rule inet theirs out ip saddr 10.9.9.9 "
           "masquerade'");
    world_assert_flow(flow, WORLD_HOST);
    world_assert_flow(flow6, WORLD_HOST6);
    world_nat(bus, "172.17.0.2", "tap-fc-1", true);
    world_nat(bus, "fd00:17::2", "tap-fc-1", true);
    world_nat(bus, "172.17.0.2", "tap-fc-1", false);
    world_nat(bus, "fd00:17::2", "tap-fc-1", false);
    world_assert_flow(flow, WORLD_HOST);
    world_assert_flow(flow6, WORLD_HOST6);
    (void)close(flow);
    (void)close(flow6);
}
END_TEST

static void
masquerade_behind_docker(const char *iptables, const char *guest, const char *address,
                         const char *host)
{
    const char *before;
    const char *during;

    world_docker_chains(iptables);
    aid_do(
        "nft add table inet theirs; nft 'add chain inet theirs forward { type filter hook forward "
        "priority 10; policy accept; }'; nft 'add rule inet theirs forward ip daddr 198.51.100.7 "
        "drop'");
    before = world_foreign_rules();
    world_nat(bus, guest, "tap-fc-1", true);
    ck_assert_str_eq(world_foreign_rules(), before);
    during = aid_run("%s -S", iptables);
    aid_assert_contains(during, "-A DOCKER-USER -m mark --mark 0xba000000/0xff000000 -m comment "
                                "--comment \"org.banger.Helper1/1 from guests\" -j ACCEPT\n"
                                "-A DOCKER-USER -m mark --mark 0xbb000000/0xff000000 -m comment "
                                "--comment \"org.banger.Helper1/1 answers to guests\" -j ACCEPT\n"
                                "-A DOCKER-USER -m comment --comment theirs");
    world_assert_answer("guest", address, host);
    /* iptables does not only read it: it can write it back and work on. */
    aid_do("%s-save > /run/rules && %s-restore < /run/rules", iptables, iptables);
    world_assert_answer("guest", address, host);
    world_nat(bus, guest, "tap-fc-1", false);
    ck_assert_str_eq(world_ask("guest", address), "");
    world_assert_no_rules();
}

START_TEST(docker_drops_what_is_not_ours)
{
    world_make_with_guest(bus);
    masquerade_behind_docker("iptables", WORLD_GUEST, WORLD_ADDRESS, WORLD_HOST);
}
END_TEST

START_TEST(docker_drops_what_is_not_ours_ipv6)
{
    world_make_with_guest(bus);
    masquerade_behind_docker("ip6tables", WORLD_GUEST6, WORLD_ADDRESS6, WORLD_HOST6);
}
END_TEST

START_TEST(nobody_else_gets_through)
{
    world_make_with_guest(bus);
    rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "172.16.0.1", "24", "tap-fc-2", "");
    world_make_guest("other", "tap-fc-2", "172.16.0.3/24", "172.16.0.1");
    world_docker_chains("iptables");
    world_nat(bus, WORLD_GUEST, "tap-fc-1", true);
    world_assert_answer("guest", WORLD_ADDRESS, WORLD_HOST);
    /* A guest without NAT, on the same bridge. */
    world_assert_answer("other", "172.16.0.1", "172.16.0.3");
    ck_assert_str_eq(world_ask("other", WORLD_ADDRESS), "");
    /* The world, if it had a route: the guest answers, but was not the one who asked. */
    world_serve("guest");
    aid_do("ip -n world route add 172.16.0.0/24 via " WORLD_HOST);
    ck_assert_str_eq(world_ask("world", WORLD_GUEST), "");
    /* No mark leaves the host's forwarding. */
    aid_do(
        "nft add table ip see; nft 'add chain ip see out { type filter hook postrouting "
        "priority -290; }'; nft 'add rule ip see out oifname uplink meta mark != 0 counter drop'");
    world_assert_answer("guest", WORLD_ADDRESS, WORLD_HOST);
}
END_TEST

START_TEST(metadata_service_is_unreachable)
{
    world_make_with_guest(bus);
    /* One on the host, as a cloud's agent is. */
    aid_do("ip addr add 169.254.169.254/32 dev lo");
    world_assert_answer(NULL, "169.254.169.254", "169.254.169.254");
    world_assert_answer("guest", "169.254.169.254", WORLD_GUEST);
    world_nat(bus, WORLD_GUEST, "tap-fc-1", true);
    ck_assert_str_eq(world_ask("guest", "169.254.169.254"), "");
    world_assert_answer(NULL, "169.254.169.254", "169.254.169.254");
    /* One behind a redirection. */
    aid_do(
        "ip addr del 169.254.169.254/32 dev lo; nft add table ip see; nft 'add chain ip see in { "
        "type nat hook prerouting priority -100; }'; nft 'add rule ip see in ip daddr "
        "169.254.169.254 dnat to " WORLD_ADDRESS "'");
    ck_assert_str_eq(world_ask("guest", "169.254.169.254"), "");
    /* One in the world. */
    aid_do("nft delete table ip see; ip -n world addr add 169.254.169.254/32 dev eth0; "
           "ip route add 169.254.169.254 via " WORLD_ADDRESS);
    world_assert_answer(NULL, "169.254.169.254", WORLD_HOST);
    ck_assert_str_eq(world_ask("guest", "169.254.169.254"), "");
    world_assert_answer("guest", WORLD_ADDRESS, WORLD_HOST);
    /* A guest that lies about its address, to one on the host. */
    aid_do("ip route del 169.254.169.254; ip addr add 169.254.169.254/32 dev lo; "
           "ip -n guest addr add 172.16.0.50/24 dev eth0; "
           "ip -n guest route replace default via 172.16.0.1 src 172.16.0.50");
    world_assert_answer("guest", WORLD_HOST, "172.16.0.50");
    ck_assert_str_eq(world_ask("guest", "169.254.169.254"), "");
}
END_TEST

START_TEST(bridged_packets_stay_as_they_are)
{
    if (!aid_true("test -e /proc/sys/net/bridge/bridge-nf-call-iptables")) {
        harness_skip("no br_netfilter in this kernel");
        return;
    }
    world_make_with_guest(bus);
    rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "172.16.0.1", "24", "tap-fc-2", "");
    world_make_guest("other", "tap-fc-2", "172.16.0.3/24", "172.16.0.1");
    world_serve("other");
    aid_do("echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    world_docker_chains("iptables");
    world_nat(bus, WORLD_GUEST, "tap-fc-1", true);
    world_assert_answer("guest", "172.16.0.3", WORLD_GUEST);
    world_assert_answer("guest", WORLD_ADDRESS, WORLD_HOST);
    aid_do("echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    world_assert_answer("guest", "172.16.0.3", WORLD_GUEST);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/nat-packets", argv, NULL);
    suite = suite_create("nat-packets");
    tcase = tcase_create("nat-packets");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, guests_are_masqueraded);
    tcase_add_test(tcase, begun_flows_are_cut);
    tcase_add_test(tcase, flows_of_others_are_not_cut);
    tcase_add_test(tcase, addresses_elsewhere_are_not_cut);
    tcase_add_test(tcase, docker_drops_what_is_not_ours);
    tcase_add_test(tcase, docker_drops_what_is_not_ours_ipv6);
    tcase_add_test(tcase, nobody_else_gets_through);
    tcase_add_test(tcase, metadata_service_is_unreachable);
    tcase_add_test(tcase, bridged_packets_stay_as_they_are);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/nat-packets", suite);
}
