/* SPDX-License-Identifier: GPL-2.0-or-later */

/* EnsureNAT over the bus, with packets of guests, other people's rules, and a table in ruins. */
#include <string.h>
#include <unistd.h>

#include "bus/net-aid.h"
#include "bus/net-world.h"

#define DOCKER                                                                                     \
    "%s -P FORWARD DROP; %s -N DOCKER-USER; %s -A FORWARD -j DOCKER-USER; "                        \
    "%s -A DOCKER-USER -m comment --comment theirs -m conntrack --ctstate INVALID -j DROP; "       \
    "%s -A DOCKER-USER -j RETURN"

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

static void
nat(const char *guest, const char *tap, bool enable)
{
    rig_call_ok(bus, "EnsureNAT", "ssbs", guest, tap, (int)enable, "");
}

/* The host with its bridge, the TAP tap-fc-1 and the guest behind it. */
static void
make_world(void)
{
    world_make();
    aid_bridge_and_tap(bus, "tap-fc-1");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "fd00:16::1", "64", "");
    world_make_guest("guest", "tap-fc-1", WORLD_GUEST "/24", "172.16.0.1");
    world_make_guest("guest", "tap-fc-1", WORLD_GUEST6 "/64", "fd00:16::1");
    /* The guest reaches the host: what follows fails for no want of a wire. */
    world_serve(NULL);
    ck_assert_str_eq(world_ask("guest", "172.16.0.1"), WORLD_GUEST);
    ck_assert_str_eq(world_ask("guest", "fd00:16::1"), WORLD_GUEST6);
}

static void
docker_chains(const char *iptables)
{
    aid_do(DOCKER, iptables, iptables, iptables, iptables, iptables);
}

/* Nothing of banger's is left, as nft(8) sees it and as iptables(8) does. */
static void
assert_gone(void)
{
    aid_assert_lacks(aid_run("nft list ruleset"), "banger");
    aid_assert_lacks(aid_run("iptables -S; ip6tables -S"), "banger");
}

/* All rules but banger's, handles included. */
static const char *
foreign_rules(void)
{
    return aid_run("nft -sa list ruleset | grep -v '\"org.banger.Helper1/' | "
                   "awk '/^table inet banger/ {skip=1} !skip {print} /^}/ {skip=0}'");
}

START_TEST(guests_are_masqueraded)
{
    make_world();
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), "");
    nat(WORLD_GUEST, "tap-fc-1", true);
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), WORLD_HOST);
    ck_assert_str_eq(aid_run("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    /* Not towards the bridge, or the host. */
    ck_assert_str_eq(world_ask("guest", "172.16.0.1"), WORLD_GUEST);
    /* IPv6 is not part of it until asked for. */
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS6), "");
    nat(WORLD_GUEST6, "tap-fc-1", true);
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS6), WORLD_HOST6);
    nat(WORLD_GUEST, "tap-fc-1", false);
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), "");
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS6), WORLD_HOST6);
    nat(WORLD_GUEST6, "tap-fc-1", false);
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS6), "");
    ck_assert_str_eq(aid_run("nft list ruleset"), "");
}
END_TEST

START_TEST(begun_flows_are_cut)
{
    int flow;
    int other;
    int neighbour;

    make_world();
    aid_do("echo 1 > /proc/sys/net/ipv4/ip_forward");
    nat(WORLD_GUEST, "tap-fc-1", true);
    nat(WORLD_GUEST6, "tap-fc-1", true);
    flow = world_open_flow("guest", WORLD_ADDRESS);
    other = world_open_flow("guest", WORLD_ADDRESS6);
    ck_assert_str_eq(world_ask_again(flow), WORLD_HOST);
    ck_assert_str_eq(world_ask_again(other), WORLD_HOST6);
    aid_bridge_and_tap(bus, "tap-fc-2");
    world_make_guest("other", "tap-fc-2", "172.16.0.3/24", "172.16.0.1");
    nat("172.16.0.3", "tap-fc-2", true);
    neighbour = world_open_flow("other", WORLD_ADDRESS);
    ck_assert_str_eq(world_ask_again(neighbour), WORLD_HOST);
    /* Another TAP had the address too: it is still enabled. */
    nat(WORLD_GUEST, "tap-fc-2", true);
    nat(WORLD_GUEST, "tap-fc-1", false);
    ck_assert_str_eq(world_ask_again(flow), WORLD_HOST);
    nat(WORLD_GUEST, "tap-fc-2", false);
    ck_assert_str_eq(world_ask_again(flow), "");
    ck_assert_str_eq(world_ask_again(other), WORLD_HOST6);
    nat(WORLD_GUEST6, "tap-fc-1", false);
    ck_assert_str_eq(world_ask_again(other), "");
    /* The neighbour's flow was not begun anew: its source port, as the world sees it, has not
     * changed, or it would be another entry. */
    ck_assert_str_eq(world_ask_again(neighbour), WORLD_HOST);
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

    make_world();
    aid_do(
        "echo 1 > /proc/sys/net/ipv4/ip_forward; nft add table ip theirs; nft 'add chain ip theirs "
        "out { type nat hook postrouting priority 100; }'; nft 'add rule ip theirs out oifname "
        "uplink masquerade'");
    flow = world_open_flow("guest", WORLD_ADDRESS);
    ck_assert_str_eq(world_ask_again(flow), WORLD_HOST);
    /* No new flow is translated, but the begun ones are. */
    aid_do("nft 'flush chain ip theirs out; add rule ip theirs out ip saddr 10.9.9.9 masquerade'");
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), "");
    ck_assert_str_eq(world_ask_again(flow), WORLD_HOST);
    /* Never enabled, so what translates it is not ours to cut. */
    nat(WORLD_GUEST, "tap-fc-1", false);
    ck_assert_str_eq(world_ask_again(flow), WORLD_HOST);
    (void)close(flow);
}
END_TEST

static void
masquerade_behind_docker(const char *iptables, const char *guest, const char *address,
                         const char *host)
{
    const char *before;
    const char *during;

    docker_chains(iptables);
    aid_do(
        "nft add table inet theirs; nft 'add chain inet theirs forward { type filter hook forward "
        "priority 10; policy accept; }'; nft 'add rule inet theirs forward ip daddr 198.51.100.7 "
        "drop'");
    before = foreign_rules();
    nat(guest, "tap-fc-1", true);
    ck_assert_str_eq(foreign_rules(), before);
    during = aid_run("%s -S", iptables);
    aid_assert_contains(during, "-A DOCKER-USER -m mark --mark 0xba000000/0xff000000 -m comment "
                                "--comment \"org.banger.Helper1/1 from guests\" -j ACCEPT\n"
                                "-A DOCKER-USER -m mark --mark 0xbb000000/0xff000000 -m comment "
                                "--comment \"org.banger.Helper1/1 answers to guests\" -j ACCEPT\n"
                                "-A DOCKER-USER -m comment --comment theirs");
    ck_assert_str_eq(world_ask("guest", address), host);
    /* iptables does not only read it: it can write it back and work on. */
    aid_do("%s-save > /run/rules && %s-restore < /run/rules", iptables, iptables);
    ck_assert_str_eq(world_ask("guest", address), host);
    nat(guest, "tap-fc-1", false);
    ck_assert_str_eq(world_ask("guest", address), "");
    assert_gone();
}

START_TEST(docker_drops_what_is_not_ours)
{
    make_world();
    masquerade_behind_docker("iptables", WORLD_GUEST, WORLD_ADDRESS, WORLD_HOST);
}
END_TEST

START_TEST(docker_drops_what_is_not_ours_ipv6)
{
    make_world();
    masquerade_behind_docker("ip6tables", WORLD_GUEST6, WORLD_ADDRESS6, WORLD_HOST6);
}
END_TEST

START_TEST(rules_of_others_come_back_identical)
{
    const char *before;

    make_world();
    docker_chains("iptables");
    docker_chains("ip6tables");
    aid_do("nft add table inet theirs; nft 'add chain inet theirs nat { type nat hook postrouting "
           "priority 90; }'; nft 'add rule inet theirs nat ip saddr 10.99.0.0/16 masquerade'");
    before = aid_run("nft -sa list ruleset");
    nat(WORLD_GUEST, "tap-fc-1", true);
    nat(WORLD_GUEST6, "tap-fc-1", true);
    ck_assert_str_eq(foreign_rules(), before);
    nat(WORLD_GUEST, "tap-fc-1", false);
    ck_assert_str_eq(foreign_rules(), before);
    nat(WORLD_GUEST6, "tap-fc-1", false);
    ck_assert_str_eq(aid_run("nft -sa list ruleset"), before);
}
END_TEST

START_TEST(nobody_else_gets_through)
{
    make_world();
    rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "172.16.0.1", "24", "tap-fc-2", "");
    world_make_guest("other", "tap-fc-2", "172.16.0.3/24", "172.16.0.1");
    docker_chains("iptables");
    nat(WORLD_GUEST, "tap-fc-1", true);
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), WORLD_HOST);
    /* A guest without NAT, on the same bridge. */
    ck_assert_str_eq(world_ask("other", WORLD_ADDRESS), "");
    /* The world, if it had a route: the guest answers, but was not the one who asked. */
    world_serve("guest");
    aid_do("ip -n world route add 172.16.0.0/24 via " WORLD_HOST);
    ck_assert_str_eq(world_ask("world", WORLD_GUEST), "");
    /* No mark leaves the host's forwarding. */
    aid_do(
        "nft add table ip see; nft 'add chain ip see out { type filter hook postrouting "
        "priority -290; }'; nft 'add rule ip see out oifname uplink meta mark != 0 counter drop'");
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), WORLD_HOST);
}
END_TEST

START_TEST(metadata_service_is_unreachable)
{
    make_world();
    /* One on the host, as a cloud's agent is. */
    aid_do("ip addr add 169.254.169.254/32 dev lo");
    ck_assert_str_eq(world_ask(NULL, "169.254.169.254"), "169.254.169.254");
    ck_assert_str_eq(world_ask("guest", "169.254.169.254"), WORLD_GUEST);
    nat(WORLD_GUEST, "tap-fc-1", true);
    ck_assert_str_eq(world_ask("guest", "169.254.169.254"), "");
    ck_assert_str_eq(world_ask(NULL, "169.254.169.254"), "169.254.169.254");
    /* One behind a redirection. */
    aid_do(
        "ip addr del 169.254.169.254/32 dev lo; nft add table ip see; nft 'add chain ip see in { "
        "type nat hook prerouting priority -100; }'; nft 'add rule ip see in ip daddr "
        "169.254.169.254 dnat to " WORLD_ADDRESS "'");
    ck_assert_str_eq(world_ask("guest", "169.254.169.254"), "");
    /* One in the world, and a guest that lies about its address. */
    aid_do("nft delete table ip see; ip -n world addr add 169.254.169.254/32 dev eth0; "
           "ip route add 169.254.169.254 via " WORLD_ADDRESS);
    ck_assert_str_eq(world_ask(NULL, "169.254.169.254"), WORLD_HOST);
    ck_assert_str_eq(world_ask("guest", "169.254.169.254"), "");
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), WORLD_HOST);
}
END_TEST

START_TEST(bridged_packets_stay_as_they_are)
{
    if (!aid_true("test -e /proc/sys/net/bridge/bridge-nf-call-iptables")) {
        harness_skip("no br_netfilter in this kernel");
        return;
    }
    make_world();
    rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "172.16.0.1", "24", "tap-fc-2", "");
    world_make_guest("other", "tap-fc-2", "172.16.0.3/24", "172.16.0.1");
    world_serve("other");
    aid_do("echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    docker_chains("iptables");
    nat(WORLD_GUEST, "tap-fc-1", true);
    ck_assert_str_eq(world_ask("guest", "172.16.0.3"), WORLD_GUEST);
    ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), WORLD_HOST);
    aid_do("echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    ck_assert_str_eq(world_ask("guest", "172.16.0.3"), WORLD_GUEST);
}
END_TEST

START_TEST(again_is_silent)
{
    AidMonitor monitor;

    aid_bridge_and_tap(bus, "tap-fc-1");
    docker_chains("iptables");
    nat("172.16.0.2", "tap-fc-1", true);
    monitor = aid_monitor_open();
    aid_monitor_settle(&monitor);
    nat("172.16.0.2", "tap-fc-1", true);
    nat("172.16.0.9", "tap-fc-1", false);
    nat("172.16.0.2", "tap-fc-9", false);
    aid_monitor_assert_quiet(&monitor);
    nat("172.16.0.2", "tap-fc-1", false);
    aid_monitor_settle(&monitor);
    nat("172.16.0.2", "tap-fc-1", false);
    aid_monitor_assert_quiet(&monitor);
    aid_monitor_close(&monitor);
}
END_TEST

START_TEST(forwarding_is_not_written_twice)
{
    AidMonitor monitor;

    aid_bridge_and_tap(bus, "tap-fc-1");
    aid_do("echo 1 > /proc/sys/net/ipv4/ip_forward");
    /* Writing 1 to the setting would reset this one. */
    aid_do("echo 1 > /proc/sys/net/ipv4/conf/all/accept_redirects");
    monitor = aid_monitor_open();
    aid_monitor_settle(&monitor);
    nat("172.16.0.2", "tap-fc-1", true);
    ck_assert_str_eq(aid_run("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    ck_assert_str_eq(aid_run("cat /proc/sys/net/ipv4/conf/all/accept_redirects"), "1\n");
    aid_monitor_close(&monitor);
}
END_TEST

START_TEST(tap_must_exist_and_be_one)
{
    rig_call_fails(bus, AID_ERROR("NotFound"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1", 1,
                   "");
    aid_do("ip link add tap-fc-1 type veth peer tap-peer");
    rig_call_fails(bus, AID_ERROR("NotManaged"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1", 1,
                   "");
    rig_call_fails(bus, AID_ERROR("BadParams"), "EnsureNAT", "ssbs", "172.16.0.2", "eth0", 1, "");
    rig_call_fails(bus, AID_ERROR("BadParams"), "EnsureNAT", "ssbs", "172.16.0", "tap-fc-1", 1, "");
    rig_call_fails(bus, AID_ERROR("BadParams"), "EnsureNAT", "ssbs", "", "tap-fc-1", 0, "");
    ck_assert_str_eq(aid_run("nft list ruleset"), "");
    ck_assert_str_eq(aid_run("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
    nat("172.16.0.2", "tap-fc-7", false);
}
END_TEST

START_TEST(forwarding_refused_leaves_nothing)
{
    aid_bridge_and_tap(bus, "tap-fc-1");
    aid_bridge_and_tap(bus, "tap-fc-2");
    docker_chains("iptables");
    aid_do("echo 0 > /run/zero; mount --bind /run/zero /proc/sys/net/ipv4/ip_forward; "
           "mount -o remount,bind,ro /proc/sys/net/ipv4/ip_forward");
    rig_call_fails(bus, AID_ERROR("OperationFailed"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1",
                   1, "");
    assert_gone();
    /* Only what the failed call did is undone. */
    nat("fd00:16::2", "tap-fc-1", true);
    rig_call_fails(bus, AID_ERROR("OperationFailed"), "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1",
                   1, "");
    aid_do("umount /proc/sys/net/ipv4/ip_forward");
    aid_assert_contains(aid_run("nft list table inet banger"), "fd00:16::2 . \"br-fc\"");
    aid_assert_lacks(aid_run("nft list table inet banger"), "172.16.0.2");
}
END_TEST

START_TEST(disabling_works_without_the_tap)
{
    aid_bridge_and_tap(bus, "tap-fc-1");
    nat("172.16.0.2", "tap-fc-1", true);
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    aid_do("ip link del br-fc");
    nat("172.16.0.2", "tap-fc-1", false);
    ck_assert_str_eq(aid_run("nft list ruleset"), "");
}
END_TEST

START_TEST(guests_may_share)
{
    const char *one;

    aid_bridge_and_tap(bus, "tap-fc-1");
    aid_bridge_and_tap(bus, "tap-fc-2");
    nat("172.16.0.2", "tap-fc-1", true);
    one = aid_run("nft list table inet banger");
    /* One address behind two TAPs, one TAP with two addresses. */
    nat("172.16.0.2", "tap-fc-2", true);
    nat("172.16.0.3", "tap-fc-1", true);
    nat("172.16.0.2", "tap-fc-2", false);
    nat("172.16.0.3", "tap-fc-1", false);
    ck_assert_str_eq(aid_run("nft list table inet banger"), one);
    nat("172.16.0.2", "tap-fc-1", false);
    ck_assert_str_eq(aid_run("nft list ruleset"), "");
}
END_TEST

START_TEST(moved_tap_is_followed)
{
    aid_bridge_and_tap(bus, "tap-fc-1");
    nat("172.16.0.2", "tap-fc-1", true);
    rig_call_ok(bus, "CreateTap", "sssss", "br-two", "172.18.0.1", "24", "tap-fc-1", "");
    nat("172.16.0.2", "tap-fc-1", true);
    aid_assert_lacks(aid_run("nft list table inet banger"), "br-fc");
    aid_assert_contains(aid_run("nft list table inet banger"), "172.16.0.2 . \"br-two\"");
    nat("172.16.0.2", "tap-fc-1", false);
    ck_assert_str_eq(aid_run("nft list ruleset"), "");
}
END_TEST

START_TEST(half_removed_table_is_repaired)
{
    static const char *const damages[] = {
        "nft delete table inet banger",
        "nft flush chain inet banger postrouting",
        "nft flush chain inet banger unmark; nft delete chain inet banger unmark",
        "nft flush table inet banger; nft delete set inet banger guests6",
        "nft delete set inet banger taps6",
        "nft flush set inet banger guests4",
        "nft 'delete element inet banger bridges { \"br-fc\" }'",
        "nft 'add element inet banger guests4 { 10.1.2.3 . \"lo\" }'",
        "nft flush chain inet banger forward",
        "iptables -F DOCKER-USER",
        "iptables -D DOCKER-USER 2",
        /* A rule of an older version, written by iptables. */
        "iptables -I DOCKER-USER -m comment --comment 'org.banger.Helper1/0 old' -j ACCEPT",
    };
    const char *whole;

    make_world();
    docker_chains("iptables");
    aid_bridge_and_tap(bus, "tap-fc-2");
    nat("172.16.0.9", "tap-fc-2", true);
    nat(WORLD_GUEST, "tap-fc-1", true);
    whole = aid_run("nft -s list table inet banger");
    for (size_t i = 0; i < G_N_ELEMENTS(damages); i++) {
        aid_do("%s", damages[i]);
        nat(WORLD_GUEST, "tap-fc-1", true);
        ck_assert_str_eq(world_ask("guest", WORLD_ADDRESS), WORLD_HOST);
        /* A table that is gone takes the others' records with it. */
        if (i == 0)
            nat("172.16.0.9", "tap-fc-2", true);
        ck_assert_msg(aid_true("iptables -S DOCKER-USER | grep -c org.banger | grep -qx 2"),
                      "after %s: %s", damages[i], aid_run("iptables -S DOCKER-USER"));
        ck_assert_msg(strlen(aid_run("nft -s list table inet banger")) == strlen(whole),
                      "after %s: %s", damages[i], aid_run("nft list table inet banger"));
    }
    nat(WORLD_GUEST, "tap-fc-1", false);
    nat("172.16.0.9", "tap-fc-2", false);
    assert_gone();
}
END_TEST

START_TEST(table_in_ruins_is_removed)
{
    aid_bridge_and_tap(bus, "tap-fc-1");
    docker_chains("iptables");
    nat("172.16.0.2", "tap-fc-1", true);
    aid_do("nft flush table inet banger; nft flush set inet banger taps4");
    nat("172.16.0.2", "tap-fc-1", false);
    assert_gone();
    nat("172.16.0.2", "tap-fc-1", true);
    aid_do("nft delete table inet banger");
    nat("172.16.0.2", "tap-fc-1", false);
    assert_gone();
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
    aid_call_at_once(64, "CreateTap", fill_tap);
    docker_chains("iptables");
    for (int round = 0; round < 3; round++) {
        filled_enable = 1;
        aid_call_at_once(64, "EnsureNAT", fill_nat);
        ck_assert_str_eq(aid_run("nft list table inet banger | grep -o '\"tap-fc-[0-9]*\"' | "
                                 "sort -u | wc -l"),
                         "64\n");
        filled_enable = 0;
        aid_call_at_once(64, "EnsureNAT", fill_nat);
        assert_gone();
    }
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
    tcase_add_test(tcase, guests_are_masqueraded);
    tcase_add_test(tcase, begun_flows_are_cut);
    tcase_add_test(tcase, flows_of_others_are_not_cut);
    tcase_add_test(tcase, docker_drops_what_is_not_ours);
    tcase_add_test(tcase, docker_drops_what_is_not_ours_ipv6);
    tcase_add_test(tcase, rules_of_others_come_back_identical);
    tcase_add_test(tcase, nobody_else_gets_through);
    tcase_add_test(tcase, metadata_service_is_unreachable);
    tcase_add_test(tcase, bridged_packets_stay_as_they_are);
    tcase_add_test(tcase, again_is_silent);
    tcase_add_test(tcase, forwarding_is_not_written_twice);
    tcase_add_test(tcase, tap_must_exist_and_be_one);
    tcase_add_test(tcase, forwarding_refused_leaves_nothing);
    tcase_add_test(tcase, disabling_works_without_the_tap);
    tcase_add_test(tcase, guests_may_share);
    tcase_add_test(tcase, moved_tap_is_followed);
    tcase_add_test(tcase, half_removed_table_is_repaired);
    tcase_add_test(tcase, table_in_ruins_is_removed);
    tcase_add_test(tcase, many_callers_at_once);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/nat", suite);
}
