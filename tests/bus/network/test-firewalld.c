/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Beside a real firewalld: guests get out, whenever it starts, reloads or ends, and nothing else is
 * opened by that.
 */
#include <string.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"

#define PID_FILE "/run/test-firewalld.pid"

static sd_bus *bus;

static void
setup(void)
{
    bus = network_set_up();
}

/* Ends firewalld, and waits until it has taken its rules away. */
static void
stop_firewalld(void)
{
    network_do("test ! -e " PID_FILE " || { kill -CONT $(cat " PID_FILE "); kill $(cat " PID_FILE
               "); for i in $(seq 600); do test -e /proc/$(cat " PID_FILE
               ")/exe || break; sleep 0.1; done; rm " PID_FILE "; }");
}

static void
teardown(void)
{
    stop_firewalld();
    peers_end();
    network_tear_down(bus);
}

static bool
skip(void)
{
    if (network_true("command -v firewalld firewall-cmd"))
        return false;
    harness_skip("no firewalld");
    return true;
}

/* Runs firewall-cmd(1) with @arguments. */
static const char *
firewall_cmd(const char *arguments)
{
    return network_run("firewall-cmd %s", arguments);
}

static void
start_firewalld(void)
{
    network_do("firewalld --nofork --nopid --log-target file --log-file /run/test-firewalld.log "
               ">/dev/null 2>&1 </dev/null & echo $! > " PID_FILE);
    /* What firewall-cmd --state asks, without the start of a Python for each time. */
    network_do("for i in $(seq 600); do busctl --auto-start=no get-property "
               "org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 "
               "org.fedoraproject.FirewallD1 state 2>&1 | grep -q RUNNING && exit 0; sleep 0.05; "
               "done; cat /run/test-firewalld.log; exit 1");
}

/* The WARNING of EnsureNAT of the guest. */
static const char *
call(void)
{
    return network_nat_warning(bus, PEERS_GUEST, "tap-fc-1");
}

static void
assert_closed(const char *from, const char *address)
{
    ck_assert_msg(g_str_equal(peers_ask(from, address), ""), "%s reaches %s", from, address);
}

/* "guest" and "other" on br-fc, "far" on br-two. */
static void
make_guests(void)
{
    peers_make();
    network_bridge_and_tap(bus, "tap-fc-1");
    network_bridge_and_tap(bus, "tap-fc-2");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "fd00:16::1", "64", "");
    rig_call_ok(bus, "CreateTap", "sssss", "br-two", "172.17.0.1", "24", "tap-fc-3", "");
    peers_make_guest("guest", "tap-fc-1", PEERS_GUEST "/24", "172.16.0.1");
    peers_make_guest("guest", "tap-fc-1", PEERS_GUEST6 "/64", "fd00:16::1");
    peers_make_guest("other", "tap-fc-2", PEERS_OTHER "/24", "172.16.0.1");
    peers_make_guest("other", "tap-fc-2", PEERS_OTHER6 "/64", "fd00:16::1");
    peers_make_guest("far", "tap-fc-3", PEERS_FAR "/24", "172.17.0.1");
    peers_serve("guest");
    peers_serve("other");
    peers_serve("far");
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    peers_nat(bus, PEERS_FAR, "tap-fc-3", true);
    network_do("ip -n outside route add 172.16.0.0/12 via " PEERS_HOST
               "; ip -n outside route add fd00:16::/31 via " PEERS_HOST6);
}

/* What guests reach is what they reach without firewalld. */
static void
assert_paths(void)
{
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    peers_assert_answer("guest", PEERS_ADDRESS6, PEERS_HOST6);
    peers_assert_answer("far", PEERS_ADDRESS, PEERS_HOST);
    peers_assert_answer("guest", PEERS_OTHER, PEERS_GUEST);
    peers_assert_answer("guest", PEERS_OTHER6, PEERS_GUEST6);
    peers_assert_answer(NULL, PEERS_GUEST, "172.16.0.1");
    peers_assert_answer(NULL, PEERS_GUEST6, "fd00:16::1");
    assert_closed("guest", PEERS_FAR);
    assert_closed("other", PEERS_ADDRESS);
    assert_closed("outside", PEERS_GUEST);
    assert_closed("outside", PEERS_GUEST6);
}

START_TEST(guests_get_out)
{
    bool before = _i / 2 == 0;

    if (skip())
        return;
    if (before)
        start_firewalld();
    make_guests();
    if (!before)
        start_firewalld();
    ck_assert_str_eq(call(), "");
    network_set_bridge_netfilter(_i % 2 == 1);
    assert_paths();
    network_set_bridge_netfilter(false);
}
END_TEST

START_TEST(look_after)
{
    static const char *const damages[] = {"firewall-cmd --reload", "firewall-cmd --complete-reload",
                                          "firewall-cmd --zone=banger --remove-interface=br-fc"};

    if (skip())
        return;
    make_guests();
    start_firewalld();
    ck_assert_str_eq(call(), "");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    for (size_t i = 0; i < G_N_ELEMENTS(damages); i++) {
        network_do("%s", damages[i]);
        assert_closed("guest", PEERS_ADDRESS);
        network_assert_contains(network_run("busctl get-property org.banger.Helper1 "
                                            "/org/banger/Helper1 org.banger.Helper1 Warnings"),
                                "br-fc is not in the zone banger of firewalld");
        ck_assert_str_eq(call(), "");
        peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    }
    stop_firewalld();
    ck_assert_str_eq(call(), "");
    network_assert_lacks(network_run("nft list set inet banger zoned"), "br-");
    start_firewalld();
    ck_assert_str_eq(call(), "");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    /* A bridge that is made while it runs, and one that ends. */
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc9", "172.18.0.1", "24", "");
    ck_assert_str_eq(firewall_cmd("--get-zone-of-interface=br-fc9"), "banger\n");
    rig_call_ok(bus, "DeleteBridge", "ss", "br-fc9", "");
    network_assert_lacks(firewall_cmd("--zone=banger --list-interfaces"), "br-fc9");
    network_assert_lacks(network_run("nft list set inet banger zoned"), "br-fc9");
}
END_TEST

/* What firewalld kept apart from our bridges stays so: others' bridges, and the host's services. */
START_TEST(others_stay_closed)
{
    if (skip())
        return;
    make_guests();
    network_do("ip link add docker0 type bridge && ip addr add 172.30.0.1/24 dev docker0 && "
               "ip link set docker0 up && ip netns add box && "
               "ip link add box type veth peer name eth0 netns box && "
               "ip link set box master docker0 up && ip -n box addr add 172.30.0.2/24 dev eth0 && "
               "ip -n box link set eth0 up && ip -n box route add default via 172.30.0.1");
    peers_serve("box");
    peers_serve(NULL);
    ck_assert_str_eq(call(), "");
    peers_assert_answer("guest", "172.30.0.2", "172.30.0.1");
    peers_assert_answer("guest", "172.16.0.1", PEERS_GUEST);
    start_firewalld();
    ck_assert_str_eq(call(), "");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    assert_closed("guest", "172.30.0.2");
    assert_closed("guest", "172.16.0.1");
    firewall_cmd("--zone=banger --add-port=7777/udp");
    peers_assert_answer("guest", "172.16.0.1", PEERS_GUEST);
    assert_closed("guest", PEERS_HOST);
}
END_TEST

START_TEST(port_is_forwarded)
{
    if (skip())
        return;
    make_guests();
    start_firewalld();
    ck_assert_str_eq(call(), "");
    assert_closed("outside", PEERS_HOST);
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", PEERS_PORT, PEERS_GUEST, PEERS_PORT, 1,
                "");
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", PEERS_PORT, PEERS_GUEST6, PEERS_PORT, 1,
                "");
    peers_assert_answer("outside", PEERS_HOST, PEERS_ADDRESS);
    peers_assert_answer("outside", PEERS_HOST6, PEERS_ADDRESS6);
    peers_assert_answer(NULL, PEERS_HOST, PEERS_HOST);
}
END_TEST

/* What is an administrator's stays, and what cannot be done is said. */
START_TEST(what_cannot_be_done)
{
    const char *warning;

    if (skip())
        return;
    make_guests();
    start_firewalld();
    firewall_cmd("--zone=work --change-interface=br-fc");
    network_assert_contains(call(), "the bridge br-fc is in the zone work of firewalld");
    ck_assert_str_eq(firewall_cmd("--get-zone-of-interface=br-fc"), "work\n");
    ck_assert_str_eq(firewall_cmd("--get-zone-of-interface=br-two"), "banger\n");
    firewall_cmd("--zone=work --remove-interface=br-fc");
    /* The package was installed while it ran. */
    network_do("mv /etc/firewalld/zones/banger.xml /etc/firewalld/policies/banger-in.xml "
               "/etc/firewalld/policies/banger-out.xml /run");
    firewall_cmd("--reload");
    network_assert_contains(call(), "it knows the zone after firewall-cmd --reload");
    network_do("mv /run/banger.xml /etc/firewalld/zones; mv /run/banger-in.xml "
               "/run/banger-out.xml /etc/firewalld/policies");
    firewall_cmd("--reload");
    ck_assert_str_eq(call(), "");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    /*
     * It hangs: the call does not. Its chains let the guest through still, which can be read from
     * those of some versions; what those of others are said to drop is all that may be said.
     */
    network_do("kill -STOP $(cat " PID_FILE "); nft add table ip other");
    warning = call();
    if (warning[0] != '\0')
        network_assert_contains(warning, "chain inet firewalld filter_FORWARD drops by");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/firewalld", argv, NULL);
    suite = suite_create("firewalld");
    tcase = tcase_create("firewalld");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, guests_get_out, 0, 4);
    tcase_add_test(tcase, look_after);
    tcase_add_test(tcase, others_stay_closed);
    tcase_add_test(tcase, port_is_forwarded);
    tcase_add_test(tcase, what_cannot_be_done);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/firewalld", suite);
}
