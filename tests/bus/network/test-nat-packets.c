/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EnsureNAT as packets of guests see it: masquerading, flows, other people's rules, Docker's among
 * them, and what stays out of reach.
 */
#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"
#include "util/settings.h"

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

START_TEST(guests_are_masqueraded)
{
    peers_make_with_guest(bus);
    ck_assert_str_eq(peers_ask("guest", PEERS_ADDRESS), "");
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    /* Not to the bridge, or the host. */
    peers_assert_answer("guest", "172.16.0.1", PEERS_GUEST);
    /* IPv6 is not part of it until asked for. */
    ck_assert_str_eq(peers_ask("guest", PEERS_ADDRESS6), "");
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    peers_assert_answer("guest", PEERS_ADDRESS6, PEERS_HOST6);
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", false);
    ck_assert_str_eq(peers_ask("guest", PEERS_ADDRESS), "");
    peers_assert_answer("guest", PEERS_ADDRESS6, PEERS_HOST6);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", false);
    ck_assert_str_eq(peers_ask("guest", PEERS_ADDRESS6), "");
}
END_TEST

/* Sets a mark on the entry that the host has of @flow, the neighbour's, and on none later. */
static void
mark_neighbour(int flow)
{
    network_do("nft 'table inet see { chain out { type filter hook postrouting priority 0; "
               "ip saddr 172.16.0.3 ct mark set 7; }; }'");
    peers_assert_flow(flow, PEERS_HOST);
    network_do("nft delete table inet see");
}

START_TEST(begun_flows_are_cut)
{
    int flow;
    int other;
    int neighbour;

    peers_make_with_guest(bus);
    network_do("echo 1 > /proc/sys/net/ipv4/ip_forward");
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    flow = peers_open_flow("guest", PEERS_ADDRESS);
    other = peers_open_flow("guest", PEERS_ADDRESS6);
    peers_assert_flow(flow, PEERS_HOST);
    peers_assert_flow(other, PEERS_HOST6);
    network_bridge_and_tap(bus, "tap-fc-2");
    peers_make_guest("other", "tap-fc-2", "172.16.0.3/24", "172.16.0.1");
    peers_nat(bus, "172.16.0.3", "tap-fc-2", true);
    neighbour = peers_open_flow("other", PEERS_ADDRESS);
    mark_neighbour(neighbour);
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", false);
    ck_assert_str_eq(peers_ask_again(flow), "");
    peers_assert_flow(other, PEERS_HOST6);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", false);
    ck_assert_str_eq(peers_ask_again(other), "");
    /* The neighbour's flow was not begun anew: that entry would have no mark. */
    peers_assert_flow(neighbour, PEERS_HOST);
    ck_assert_str_eq(network_run("grep 'src=172.16.0.3 dst=192.0.2.2' /proc/net/nf_conntrack | "
                                 "grep -c ' mark=7 ' || :"),
                     "1\n");
    (void)close(flow);
    (void)close(other);
    (void)close(neighbour);
}
END_TEST

static const char *
warnings(void)
{
    return network_run("busctl get-property " BANGER_BUS_NAME
                       " /org/banger/Helper1 " BANGER_BUS_NAME " Warnings");
}

/* The host is a router, but a new link does not forward, nor does the uplink. */
START_TEST(link_that_does_not_forward)
{
    network_do("echo 1 > /proc/sys/net/ipv4/ip_forward; "
               "echo 0 > /proc/sys/net/ipv4/conf/default/forwarding");
    peers_make_with_guest(bus);
    network_do("echo 1 > /proc/sys/net/ipv4/conf/uplink/forwarding; "
               "ip route add default via " PEERS_ADDRESS);
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv4/conf/br-fc/forwarding"), "0\n");
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    network_assert_lacks(warnings(), "forwards no IPv4");
    network_do("echo 0 > /proc/sys/net/ipv4/conf/uplink/forwarding");
    network_assert_contains(warnings(), "the link uplink forwards no IPv4 packets");
}
END_TEST

/* @address as /proc/net/nf_conntrack has it, where no part of an IPv6 address is left out. */
static char *
in_full(const char *address)
{
    g_autoptr(GString) text = g_string_new(NULL);
    struct in6_addr parsed;

    if (inet_pton(AF_INET6, address, &parsed) != 1)
        return g_strdup(address);
    for (size_t i = 0; i < sizeof parsed.s6_addr; i++)
        g_string_append_printf(text, "%s%02x", i > 0 && i % 2 == 0 ? ":" : "", parsed.s6_addr[i]);
    return g_strdup(text->str);
}

/* What the host has learned of @address, in whatever table. */
static const char *
what_is_kept(const char *address)
{
    g_autofree char *full = in_full(address);

    return network_run("ip neigh show to %s; ip tcp_metrics show %s; grep 'src=%s ' "
                       "/proc/net/nf_conntrack || :; ip route show cache %s",
                       address, address, full, address);
}

START_TEST(nothing_is_kept_of_a_guest)
{
    static const char *const addresses[] = {PEERS_GUEST, PEERS_GUEST6};

    peers_make_with_guest(bus);
    network_do("ip netns exec guest socat tcp6-listen:80,fork,ipv6only=0 exec:cat "
               ">/dev/null 2>&1 </dev/null & echo $! > /run/socat.pid");
    for (int by_tap = 0; by_tap < 2; by_tap++) {
        for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
            peers_nat(bus, addresses[i], "tap-fc-1", true);
            peers_assert_answer("guest", i == 0 ? PEERS_ADDRESS : PEERS_ADDRESS6, NULL);
            /* A connection of the host's, by which TCP learns of the path. */
            network_do("for n in $(seq 300); do echo hello | socat -t 5 - tcp:%s%s%s:80 | grep -q "
                       "hello && exit 0; sleep 0.1; done; exit 1",
                       i == 0 ? "" : "[", addresses[i], i == 0 ? "" : "]");
            network_assert_contains(what_is_kept(addresses[i]), "lladdr");
            network_assert_contains(what_is_kept(addresses[i]), "rtt");
            network_assert_contains(what_is_kept(addresses[i]), "src=");
            if (!by_tap)
                peers_nat(bus, addresses[i], "tap-fc-1", false);
        }
        if (by_tap) {
            network_do("kill $(cat /run/socat.pid)");
            peers_end();
            rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
        }
        for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
            const char *kept = what_is_kept(addresses[i]);

            if (by_tap)
                ck_assert_str_eq(kept, "");
            else
                network_assert_lacks(kept, "rtt");
        }
    }
}
END_TEST

START_TEST(addresses_elsewhere_are_not_cut)
{
    int flow;
    int flow6;

    peers_make_with_guest(bus);
    /* A container, behind an interface of its own and translated by its own engine. */
    network_do(
        "ip netns add container; ip link add docker0 type veth peer name eth0 netns container; "
        "ip addr add 172.17.0.1/16 dev docker0; ip addr add fd00:17::1/64 dev docker0 nodad; "
        "ip link set docker0 up; ip -n container addr add 172.17.0.2/16 dev eth0; "
        "ip -n container addr add fd00:17::2/64 dev eth0 nodad; ip -n container link set eth0 "
        "up; ip -n container route add default via 172.17.0.1; "
        "ip -n container route add default via fd00:17::1; "
        "echo 1 > /proc/sys/net/ipv4/ip_forward; "
        "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; nft add table inet theirs; "
        "nft 'add chain inet theirs out { type nat hook postrouting priority 100; }'; "
        "nft 'add rule inet theirs out oifname uplink masquerade'");
    flow = peers_open_flow("container", PEERS_ADDRESS);
    flow6 = peers_open_flow("container", PEERS_ADDRESS6);
    peers_assert_flow(flow, PEERS_HOST);
    peers_assert_flow(flow6, PEERS_HOST6);
    /* No new flow is translated, but the begun ones are. */
    network_do("nft 'flush chain inet theirs out; add rule inet theirs out ip saddr 10.9.9.9 "
               "masquerade'");
    peers_assert_flow(flow, PEERS_HOST);
    peers_assert_flow(flow6, PEERS_HOST6);
    rig_call_fails(bus, RIG_ERROR("BadParams"), "EnsureNAT", "ssbs", "172.17.0.2", "tap-fc-1", 1,
                   "");
    rig_call_fails(bus, RIG_ERROR("BadParams"), "EnsureNAT", "ssbs", "fd00:17::2", "tap-fc-1", 1,
                   "");
    peers_nat(bus, "172.17.0.2", "tap-fc-1", false);
    peers_nat(bus, "fd00:17::2", "tap-fc-1", false);
    peers_assert_flow(flow, PEERS_HOST);
    peers_assert_flow(flow6, PEERS_HOST6);
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

    peers_docker_chains(iptables);
    network_do(
        "nft add table inet theirs; nft 'add chain inet theirs forward { type filter hook forward "
        "priority 10; policy accept; }'; nft 'add rule inet theirs forward ip daddr 198.51.100.7 "
        "drop'");
    before = peers_foreign_rules();
    peers_nat(bus, guest, "tap-fc-1", true);
    ck_assert_str_eq(peers_foreign_rules(), before);
    during = network_run("%s -S", iptables);
    network_assert_contains(during,
                            "-A DOCKER-USER -m mark --mark 0xba000000/0xff000000 -m comment "
                            "--comment \"org.banger.Helper1/2 guests\" -j ACCEPT\n"
                            "-A DOCKER-USER -m comment --comment theirs");
    peers_assert_answer("guest", address, host);
    /* iptables does not only read it: it can write it back and work on. */
    network_do("%s-save > /run/rules && %s-restore < /run/rules", iptables, iptables);
    peers_assert_answer("guest", address, host);
    peers_nat(bus, guest, "tap-fc-1", false);
    ck_assert_str_eq(peers_ask("guest", address), "");
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    rig_call_ok(bus, "DeleteBridge", "ss", "br-fc", "");
    peers_assert_no_rules();
}

START_TEST(docker_drops_what_is_not_ours)
{
    peers_make_with_guest(bus);
    masquerade_behind_docker("iptables", PEERS_GUEST, PEERS_ADDRESS, PEERS_HOST);
}
END_TEST

START_TEST(docker_drops_what_is_not_ours_ipv6)
{
    peers_make_with_guest(bus);
    masquerade_behind_docker("ip6tables", PEERS_GUEST6, PEERS_ADDRESS6, PEERS_HOST6);
}
END_TEST

START_TEST(nobody_else_gets_through)
{
    peers_make_with_guest(bus);
    rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "172.16.0.1", "24", "tap-fc-2", "");
    peers_make_guest("other", "tap-fc-2", "172.16.0.3/24", "172.16.0.1");
    peers_docker_chains("iptables");
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    /* A guest without NAT, on the same bridge. */
    peers_assert_answer("other", "172.16.0.1", "172.16.0.3");
    ck_assert_str_eq(peers_ask("other", PEERS_ADDRESS), "");
    /* The host outside, if it had a route: the guest answers, but was not the one who asked. */
    peers_serve("guest");
    network_do("ip -n outside route add 172.16.0.0/24 via " PEERS_HOST);
    ck_assert_str_eq(peers_ask("outside", PEERS_GUEST), "");
    /* No mark leaves the host's forwarding. */
    network_do(
        "nft add table ip see; nft 'add chain ip see out { type filter hook postrouting "
        "priority -290; }'; nft 'add rule ip see out oifname uplink meta mark != 0 counter drop'");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
}
END_TEST

START_TEST(metadata_service_is_unreachable)
{
    peers_make_with_guest(bus);
    /* One on the host, as a cloud's agent is. */
    network_do("ip addr add 169.254.169.254/32 dev lo");
    peers_assert_answer(NULL, "169.254.169.254", "169.254.169.254");
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    ck_assert_str_eq(peers_ask("guest", "169.254.169.254"), "");
    peers_assert_answer(NULL, "169.254.169.254", "169.254.169.254");
    /* One behind a redirection. */
    network_do(
        "ip addr del 169.254.169.254/32 dev lo; nft add table ip see; nft 'add chain ip see in { "
        "type nat hook prerouting priority -100; }'; nft 'add rule ip see in ip daddr "
        "169.254.169.254 dnat to " PEERS_ADDRESS "'");
    ck_assert_str_eq(peers_ask("guest", "169.254.169.254"), "");
    /* One on the host outside. */
    network_do("nft delete table ip see; ip -n outside addr add 169.254.169.254/32 dev eth0; "
               "ip route add 169.254.169.254 via " PEERS_ADDRESS);
    peers_assert_answer(NULL, "169.254.169.254", PEERS_HOST);
    ck_assert_str_eq(peers_ask("guest", "169.254.169.254"), "");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
}
END_TEST

START_TEST(bridged_packets_stay_as_they_are)
{
    if (!network_true("test -e /proc/sys/net/bridge/bridge-nf-call-iptables")) {
        harness_skip("no br_netfilter in this kernel");
        return;
    }
    peers_make_with_guest(bus);
    rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "172.16.0.1", "24", "tap-fc-2", "");
    peers_make_guest("other", "tap-fc-2", "172.16.0.3/24", "172.16.0.1");
    peers_serve("other");
    network_do("echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    peers_docker_chains("iptables");
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_assert_answer("guest", "172.16.0.3", PEERS_GUEST);
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    network_do("echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    peers_assert_answer("guest", "172.16.0.3", PEERS_GUEST);
}
END_TEST

START_TEST(routers_of_the_host_are_heard)
{
    peers_make_with_guest(bus);
    network_do("echo 1 > /proc/sys/net/ipv6/conf/uplink/accept_ra");
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv6/conf/all/forwarding"), "1\n");
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv6/conf/uplink/accept_ra"), "2\n");
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv6/conf/br-fc/accept_ra"), "0\n");
}
END_TEST

START_TEST(deaf_host_is_refused)
{
    peers_make_with_guest(bus);
    network_do("echo 1 > /proc/sys/net/ipv6/conf/uplink/accept_ra; mount --bind "
               "/proc/sys/net/ipv6/conf/uplink/accept_ra /proc/sys/net/ipv6/conf/uplink/accept_ra; "
               "mount -o remount,bind,ro /proc/sys/net/ipv6/conf/uplink/accept_ra");
    rig_call_fails(bus, RIG_ERROR("NotSupported"), "EnsureNAT", "ssbs", PEERS_GUEST6, "tap-fc-1", 1,
                   "");
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv6/conf/all/forwarding"), "0\n");
    network_do("umount /proc/sys/net/ipv6/conf/uplink/accept_ra");
}
END_TEST

START_TEST(what_comes_later_is_named)
{
    peers_make_with_guest(bus);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    network_assert_lacks(warnings(), "later");
    network_do("ip link add later type veth peer name peer && ip link set later up && "
               "echo 1 > /proc/sys/net/ipv6/conf/later/accept_ra");
    network_assert_contains(warnings(), "the link later, which came after EnsureNAT switched");
    /* A look at the rules, which another program changed. */
    network_do("nft add table ip other");
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv6/conf/later/accept_ra"), "2\n");
    network_assert_lacks(warnings(), "later");
    /* A DHCP lease, and a VPN's route. */
    network_do("ip addr add 172.16.9.9/16 dev later");
    network_assert_contains(warnings(), "the bridge br-fc: the network 172.16.0.0/24 overlaps the "
                                        "address 172.16.9.9/16 of the link later");
    network_do("ip addr del 172.16.9.9/16 dev later && ip -6 route add fd00:16::/48 dev later");
    network_assert_contains(warnings(), "the bridge br-fc: the network fd00:16::/64 overlaps the "
                                        "route to fd00:16::/48");
    network_do("ip -6 route del fd00:16::/48 dev later");
    network_assert_lacks(warnings(), "overlaps");
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
    tcase_add_test(tcase, link_that_does_not_forward);
    tcase_add_test(tcase, nothing_is_kept_of_a_guest);
    tcase_add_test(tcase, addresses_elsewhere_are_not_cut);
    tcase_add_test(tcase, docker_drops_what_is_not_ours);
    tcase_add_test(tcase, docker_drops_what_is_not_ours_ipv6);
    tcase_add_test(tcase, nobody_else_gets_through);
    tcase_add_test(tcase, metadata_service_is_unreachable);
    tcase_add_test(tcase, bridged_packets_stay_as_they_are);
    tcase_add_test(tcase, routers_of_the_host_are_heard);
    tcase_add_test(tcase, deaf_host_is_refused);
    tcase_add_test(tcase, what_comes_later_is_named);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/nat-packets", suite);
}
