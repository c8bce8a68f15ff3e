/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Real programs that manage the host's network beside us: systemd-networkd and NetworkManager with
 * files for every link there is, a router that is heard by radvd, dnsmasq that serves the guests.
 */
#include <string.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"

#define PID_FILE "/run/test-manager.pid"
#define LOG_FILE "/run/test-manager.log"

static sd_bus *bus;

static void
setup(void)
{
    bus = network_set_up();
}

/* Ends the program under test. */
static void
stop_program(void)
{
    network_do("test ! -e " PID_FILE " || { kill $(cat " PID_FILE "); for i in $(seq 600); do "
               "test -e /proc/$(cat " PID_FILE ")/exe || break; sleep 0.1; done; rm " PID_FILE
               "; }");
}

static void
teardown(void)
{
    stop_program();
    peers_end();
    network_tear_down(bus);
}

static bool
skip_without(const char *program)
{
    g_autofree char *reason = g_strdup_printf("no %s", program);

    if (network_true("command -v %s", program))
        return false;
    harness_skip(reason);
    return true;
}

static void
start_program(const char *command)
{
    network_do("%s >" LOG_FILE " 2>&1 </dev/null & echo $! > " PID_FILE, command);
}

/* Waits until the shell command exits with 0. */
static void
await(const char *command)
{
    network_do("for i in $(seq 300); do if %s; then exit 0; fi; sleep 0.1; done; tail -30 " LOG_FILE
               "; ip addr; exit 1",
               command);
}

/* "guest" in both families, and a bridge of another program's with a port. */
static void
make_host(void)
{
    peers_make_with_guest(bus);
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    network_do(
        "ip link add other0 type bridge && ip link set other0 up && "
        "ip link add port type veth peer name far-end && ip link set port master other0 up && "
        "ip link set far-end up");
    /* Where /sys cannot be written these programs take all links for ready, without udev. */
    network_do("mount --bind /sys /sys && mount -o remount,ro,bind /sys");
}

static void
leave_host(void)
{
    stop_program();
    network_do("umount /sys");
}

static void
assert_untouched(const char *bridge, const char *tap)
{
    ck_assert_str_eq(network_look("br-fc"), bridge);
    ck_assert_str_eq(network_look("tap-fc-1"), tap);
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    peers_assert_answer("guest", PEERS_ADDRESS6, PEERS_HOST6);
}

START_TEST(networkd)
{
    const char *bridge, *tap;

    if (!network_true("test -x /lib/systemd/systemd-networkd")) {
        harness_skip("no systemd-networkd");
        return;
    }
    make_host();
    bridge = network_look("br-fc");
    tap = network_look("tap-fc-1");
    network_do(
        "mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp; "
        "grep -q ^systemd-network: /etc/passwd || "
        "echo systemd-network:x:0:0::/:/bin/false >> /etc/passwd; "
        "grep -q ^systemd-network: /etc/group || echo systemd-network:x:0: >> /etc/group; "
        "printf '[Match]\nName=*\nType=!loopback\n[Network]\nLinkLocalAddressing=no\n"
        "KeepConfiguration=static\n' > /etc/systemd/network/50-all.network");
    start_program("/lib/systemd/systemd-networkd");
    /* It has seen to all links when it took this port from its bridge. */
    await("! ip -o link show port | grep -q 'master other0'");
    assert_untouched(bridge, tap);
    /* A TAP that comes while it runs. */
    network_bridge_and_tap(bus, "tap-fc-2");
    network_do("ip link add later type veth peer name later-end");
    await("ip -o link show later | grep -q ',UP'");
    network_assert_contains(network_run("ip -o link show tap-fc-2"), "master br-fc");
    assert_untouched(network_look("br-fc"), tap);
    network_assert_contains(network_run("ip -4 -br addr show br-fc"), "172.16.0.1/24");
    leave_host();
    network_do("rm /etc/systemd/network/50-all.network");
}
END_TEST

START_TEST(network_manager)
{
    const char *bridge, *tap;

    if (skip_without("NetworkManager"))
        return;
    make_host();
    bridge = network_look("br-fc");
    tap = network_look("tap-fc-1");
    network_do("rm -rf /run/nm && mkdir -p /run/nm/profiles /run/NetworkManager && "
               "printf '[main]\nplugins=keyfile\n[keyfile]\npath=/run/nm/profiles\n[logging]\n"
               "audit=false\n' > /run/nm/conf && umask 077 && "
               "printf '[connection]\nid=all\nuuid=8d9e4d1e-8d3a-4b8a-9f0f-2f5f2c1e7a10\n"
               "type=ethernet\n[ipv4]\nmethod=manual\naddress1=198.51.100.7/24\n[ipv6]\n"
               "method=disabled\n' > /run/nm/profiles/all.nmconnection");
    start_program("NetworkManager --no-daemon --config=/run/nm/conf --config-dir=/run/nm "
                  "--state-file=/run/nm/state --intern-config=/run/nm/intern.conf");
    /* It has taken what was not set up. */
    await("ip -4 addr | grep -q 198.51.100.7/24");
    assert_untouched(bridge, tap);
    network_bridge_and_tap(bus, "tap-fc-2");
    await("nmcli -t -f DEVICE device | grep -qx tap-fc-2");
    network_assert_contains(network_run("ip -o link show tap-fc-2"), "master br-fc");
    assert_untouched(bridge, tap);
    leave_host();
}
END_TEST

/* The host has its IPv6 route from a router, and keeps it when it becomes one. */
START_TEST(router)
{
    if (skip_without("radvd"))
        return;
    peers_make_with_guest(bus);
    network_do("echo 1 > /proc/sys/net/ipv6/conf/uplink/accept_ra; "
               "ip netns exec outside sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'; "
               "printf 'interface eth0 { AdvSendAdvert on; MinRtrAdvInterval 3; "
               "MaxRtrAdvInterval 4; prefix 2001:db8:1::/64 { }; };\n' > /run/radvd.conf");
    start_program(
        "ip netns exec outside radvd -C /run/radvd.conf -p /run/radvd.pid -n -m stderr -u "
        "root");
    await("ip -6 route show default | grep -q 'proto ra'");
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    network_assert_contains(network_run("ip -6 route show default"), "proto ra");
    /* The next advertisement is heard too. */
    network_do("ip -6 route del default");
    await("ip -6 route show default | grep -q 'proto ra'");
    peers_assert_answer("guest", PEERS_ADDRESS6, PEERS_HOST6);
}
END_TEST

/* DHCP and DNS of the host's for its guests. */
START_TEST(server_of_the_host)
{
    if (skip_without("dnsmasq") || skip_without("busybox"))
        return;
    peers_make_with_guest(bus);
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    start_program(
        "dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --user=root "
        "--interface=br-fc --bind-interfaces --except-interface=lo --no-resolv --no-hosts "
        "--dhcp-range=" PEERS_GUEST "," PEERS_GUEST
        ",255.255.255.0 --dhcp-leasefile=/run/dnsmasq.leases --local=/vm/ "
        "--address=/one.vm/192.0.2.7 --address=/one.vm/2001:db8::7");
    await("ss -Hlun | grep -q '172.16.0.1.*:53 '");
    /* A guest without an address asks for one, from 0.0.0.0. */
    network_do("ip -n guest addr flush dev eth0; printf '#!/bin/sh\ntest $1 != bound || "
               "ip addr add $ip/24 dev $interface\n' > /run/udhcpc.sh; chmod +x /run/udhcpc.sh; "
               "ip netns exec guest busybox udhcpc -i eth0 -f -n -q -t 20 -s /run/udhcpc.sh "
               "> /run/udhcpc.log 2>&1 || { cat /run/udhcpc.log; exit 1; }");
    network_assert_contains(network_run("ip -n guest -4 -br addr show eth0"), PEERS_GUEST "/24");
    network_assert_contains(network_run("ip netns exec guest busybox nslookup one.vm 172.16.0.1"),
                            "192.0.2.7");
    network_do("ip -n guest route replace default via 172.16.0.1");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/managers", argv, NULL);
    suite = suite_create("managers");
    tcase = tcase_create("managers");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 180);
    tcase_add_test(tcase, networkd);
    tcase_add_test(tcase, network_manager);
    tcase_add_test(tcase, router);
    tcase_add_test(tcase, server_of_the_host);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/managers", suite);
}
