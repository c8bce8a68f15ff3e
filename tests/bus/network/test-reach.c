/* SPDX-License-Identifier: GPL-2.0-or-later */

/* EnsurePortForward and SetEgress with real packets: who reaches a guest, and what it reaches. */
#include <string.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"
#include "rig/rig-steps.h"

#define FILE_OF_TAP "/run/banger-helper/net/tap-fc-1"

static sd_bus *bus;

static void
setup(void)
{
    bus = network_set_up();
    peers_make_with_guest(bus);
    network_bridge_and_tap(bus, "tap-fc-2");
    peers_make_guest("other", "tap-fc-2", PEERS_OTHER "/24", "172.16.0.1");
    peers_serve("guest");
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    peers_nat(bus, PEERS_OTHER, "tap-fc-2", true);
}

static void
teardown(void)
{
    peers_end();
    network_tear_down(bus);
}

/* The port of the peers' servers, so that the clients' need not be another. */
static void
forward(const char *guest, bool enable)
{
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", PEERS_PORT, guest, PEERS_PORT,
                (int)enable, "");
}

static void
forward_fails(const char *error, const char *protocol, unsigned int port, const char *guest)
{
    rig_call_fails(bus, error, "EnsurePortForward", "sqsqbs", protocol, port, guest, 80, 1, "");
}

/* SetEgress of the guest to the one or two networks; the second may be NULL. */
static void
egress(const char *guest, const char *one, const char *two)
{
    if (two == NULL)
        rig_call_ok(bus, "SetEgress", "sass", guest, 1, one, "");
    else
        rig_call_ok(bus, "SetEgress", "sass", guest, 2, one, two, "");
}

/* The server of the host itself has the port: peers_make_with_guest() made it. */
START_TEST(port_is_forwarded)
{
    int flow;

    forward_fails(RIG_ERROR("Busy"), "udp", PEERS_PORT, PEERS_GUEST);
    peers_end();
    peers_make_guest("again", "tap-fc-1", PEERS_GUEST "/24", "172.16.0.1");
    peers_make_guest("again", "tap-fc-1", PEERS_GUEST6 "/64", "fd00:16::1");
    peers_make_guest("neighbour", "tap-fc-2", PEERS_OTHER "/24", "172.16.0.1");
    peers_serve("again");
    ck_assert_str_eq(peers_ask("outside", PEERS_HOST), "");
    forward(PEERS_GUEST, true);
    forward(PEERS_GUEST6, true);
    forward(PEERS_GUEST, true);
    /* From outside, by the host, by a guest of the same bridge and by itself. */
    peers_assert_answer("outside", PEERS_HOST, PEERS_ADDRESS);
    peers_assert_answer("outside", PEERS_HOST6, PEERS_ADDRESS6);
    peers_assert_answer(NULL, PEERS_HOST, PEERS_HOST);
    network_set_bridge_netfilter(false);
    peers_assert_answer("neighbour", PEERS_HOST, "172.16.0.1");
    peers_assert_answer("again", PEERS_HOST, "172.16.0.1");
    /* Where bridged packets go through the rules, the kernel translates and bridges them. */
    network_set_bridge_netfilter(true);
    peers_assert_answer("neighbour", PEERS_HOST, NULL);
    network_set_bridge_netfilter(false);
    ck_assert_str_eq(peers_ask(NULL, "127.0.0.1"), "");
    ck_assert_str_eq(network_run("cat " FILE_OF_TAP),
                     "forward udp 7777 fd00:16::2 7777\nforward udp 7777 172.16.0.2 7777\n");
    ck_assert_str_eq(network_run("stat -c %%a " FILE_OF_TAP), "600\n");
    forward_fails(RIG_ERROR("AlreadyExists"), "udp", PEERS_PORT, PEERS_OTHER);
    /* Put back with all the rest. */
    network_do("nft flush ruleset");
    peers_nat(bus, PEERS_OTHER, "tap-fc-2", true);
    flow = peers_open_flow("outside", PEERS_HOST);
    peers_assert_flow(flow, PEERS_ADDRESS);
    /* What was begun ends with it. */
    forward(PEERS_GUEST, false);
    ck_assert_str_eq(peers_ask_again(flow), "");
    forward(PEERS_GUEST, false);
    peers_assert_answer("outside", PEERS_HOST6, PEERS_ADDRESS6);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", false);
    ck_assert_str_eq(peers_ask("outside", PEERS_HOST6), "");
    ck_assert(!network_true("test -e " FILE_OF_TAP));
    network_assert_lacks(network_run("ip link show tap-fc-1"), "more");
    (void)close(flow);
}
END_TEST

#ifdef BANGER_TEST_HOOKS
/* What could not be done is not done later either, when the tables are put back. */
START_TEST(failure_leaves_what_was)
{
    g_autofree char *former = NULL;

    rig_steps_order("fail", "egress-written");
    rig_call_fails(bus, RIG_ERROR("OperationFailed"), "SetEgress", "sass", PEERS_GUEST, 1, "none",
                   "");
    ck_assert(!network_true("test -e " FILE_OF_TAP));
    rig_steps_order("fail", "forward-written");
    rig_call_fails(bus, RIG_ERROR("OperationFailed"), "EnsurePortForward", "sqsqbs", "udp", 1234,
                   PEERS_GUEST, 80, 1, "");
    ck_assert(!network_true("test -e " FILE_OF_TAP));
    network_assert_lacks(network_run("ip link show tap-fc-1"), "more");
    /* The same where there was one before. */
    rig_steps_end();
    egress(PEERS_GUEST, PEERS_ADDRESS, NULL);
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", 1234, PEERS_GUEST, 80, 1, "");
    former = g_strdup(network_run("cat " FILE_OF_TAP));
    rig_steps_order("fail", "egress-written");
    rig_call_fails(bus, RIG_ERROR("OperationFailed"), "SetEgress", "sass", PEERS_GUEST, 1, "none",
                   "");
    rig_steps_order("fail", "forward-written");
    rig_call_fails(bus, RIG_ERROR("OperationFailed"), "EnsurePortForward", "sqsqbs", "udp", 1234,
                   PEERS_GUEST, 81, 1, "");
    ck_assert_str_eq(network_run("cat " FILE_OF_TAP), former);
    rig_steps_end();
    network_do("nft flush ruleset");
    peers_nat(bus, PEERS_OTHER, "tap-fc-2", true);
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
}
END_TEST
#endif

START_TEST(ports_that_are_refused)
{
    forward_fails(RIG_ERROR("BadParams"), "tcp", 80, PEERS_GUEST);
    forward_fails(RIG_ERROR("BadParams"), "tcp", 40000, PEERS_GUEST);
    forward_fails(RIG_ERROR("BadParams"), "sctp", 8080, PEERS_GUEST);
    forward_fails(RIG_ERROR("BadParams"), "tcp", 0, PEERS_GUEST);
    forward_fails(RIG_ERROR("NotFound"), "tcp", 8080, "172.16.0.77");
    forward_fails(RIG_ERROR("NotFound"), "tcp", 8080, "172.16.0.1");
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "tcp", 8080, "172.16.0.77", 80, 0, "");
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "TCP", 8080, PEERS_GUEST, 80, 1, "");
    network_assert_contains(network_run("nft list map inet banger forwards4"),
                            "tcp . 8080 : 172.16.0.2 . 80");
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "tcp", 8080, PEERS_GUEST, 81, 1, "");
    network_assert_contains(network_run("nft list map inet banger forwards4"),
                            "tcp . 8080 : 172.16.0.2 . 81");
    network_configure("ForwardPorts=80 40000-40001");
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "tcp", 80, PEERS_GUEST, 80, 1, "");
    network_unconfigure();
    /* The guest's record takes all of them with it, and what a helper left that was killed. */
    network_do("echo 'forward tcp' > /run/banger-helper/net/.tap-fc-1");
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    network_assert_lacks(network_run("nft list map inet banger forwards4"), PEERS_GUEST);
    ck_assert_str_eq(network_run("ls -A /run/banger-helper/net"), "");
}
END_TEST

START_TEST(guest_reaches_what_the_list_says)
{
    int kept, ended;

    network_do("ip -n outside addr add 198.51.100.7/32 dev lo; ip route add 198.51.100.7 "
               "via " PEERS_ADDRESS);
    kept = peers_open_flow("guest", PEERS_ADDRESS);
    ended = peers_open_flow("guest", "198.51.100.7");
    peers_assert_flow(kept, PEERS_HOST);
    peers_assert_flow(ended, PEERS_HOST);
    egress(PEERS_GUEST, "192.0.2.0/24", "10.0.0.0/8");
    peers_assert_flow(kept, PEERS_HOST);
    ck_assert_str_eq(peers_ask_again(ended), "");
    ck_assert_str_eq(peers_ask("guest", "198.51.100.7"), "");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    /* Not its bridge, nor another guest, nor the other family. */
    peers_assert_answer("guest", "172.16.0.1", PEERS_GUEST);
    peers_assert_answer("other", "198.51.100.7", PEERS_HOST);
    peers_assert_answer("guest", PEERS_ADDRESS6, PEERS_HOST6);
    /* A port, with and without its protocol. */
    egress(PEERS_GUEST, "198.51.100.7:7777", NULL);
    peers_assert_answer("guest", "198.51.100.7", PEERS_HOST);
    ck_assert_str_eq(peers_ask("guest", PEERS_ADDRESS), "");
    egress(PEERS_GUEST, "198.51.100.7:7777/tcp", NULL);
    ck_assert_str_eq(peers_ask("guest", "198.51.100.7"), "");
    egress(PEERS_GUEST6, "[2001:db8::/32]:7777/udp", NULL);
    peers_assert_answer("guest", PEERS_ADDRESS6, PEERS_HOST6);
    egress(PEERS_GUEST6, "none", NULL);
    ck_assert_str_eq(peers_ask("guest", PEERS_ADDRESS6), "");
    egress(PEERS_GUEST, "*", NULL);
    peers_assert_answer("guest", "198.51.100.7", PEERS_HOST);
    ck_assert_str_eq(network_run("cat " FILE_OF_TAP), "egress fd00:16::2 none\n");
    (void)close(kept);
    (void)close(ended);
}
END_TEST

#define CHAINS "nft list table inet banger | grep -c 'chain egress_' || :"

START_TEST(equal_lists_share_a_chain)
{
    egress(PEERS_GUEST, "10.0.0.0/8", "192.0.2.0/24");
    egress(PEERS_OTHER, "192.0.2.0/24", "10.0.0.0/8");
    ck_assert_str_eq(network_run(CHAINS), "1\n");
    peers_assert_answer("other", PEERS_ADDRESS, PEERS_HOST);
    egress(PEERS_GUEST, "10.0.0.0/8", NULL);
    ck_assert_str_eq(network_run(CHAINS), "2\n");
    peers_assert_answer("other", PEERS_ADDRESS, PEERS_HOST);
    egress(PEERS_OTHER, "*", NULL);
    ck_assert_str_eq(network_run(CHAINS), "1\n");
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", false);
    ck_assert_str_eq(network_run(CHAINS), "0\n");
    /* Registered anew, it is another guest. */
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
}
END_TEST

START_TEST(restriction_is_put_back)
{
    egress(PEERS_GUEST, "10.0.0.0/8", NULL);
    ck_assert_str_eq(peers_ask("guest", PEERS_ADDRESS), "");
    network_do("nft flush ruleset");
    peers_nat(bus, PEERS_OTHER, "tap-fc-2", true);
    ck_assert_str_eq(peers_ask("guest", PEERS_ADDRESS), "");
    peers_assert_answer("other", PEERS_ADDRESS, PEERS_HOST);
    /* Without its file the guest stays closed, and the record says so. */
    network_do("rm " FILE_OF_TAP "; nft flush ruleset");
    rig_call_ok(bus, "EnsureNAT", "ssbs", PEERS_OTHER, "tap-fc-2", 1, "op-closed");
    ck_assert_str_eq(peers_ask("guest", PEERS_ADDRESS), "");
    {
        g_autoptr(GHashTable) record = rig_journal_wait("op-closed");

        network_assert_contains(g_hash_table_lookup(record, "WARNING"),
                                "the guests of tap-fc-1 stay closed");
    }
}
END_TEST

/* Neither its TAP nor the tables know of it any more: it is not the next TAP's of that name. */
START_TEST(file_goes_with_its_tap)
{
    egress(PEERS_GUEST, "10.0.0.0/8", NULL);
    ck_assert_int_eq(access(FILE_OF_TAP, F_OK), 0);
    network_do("ip link del tap-fc-1; nft flush ruleset");
    peers_nat(bus, PEERS_OTHER, "tap-fc-2", true);
    ck_assert_int_eq(access(FILE_OF_TAP, F_OK), 0);
    network_bridge_and_tap(bus, "tap-fc-1");
    ck_assert_int_ne(access(FILE_OF_TAP, F_OK), 0);
}
END_TEST

START_TEST(lists_that_are_refused)
{
    static const char *const wrong[] = {"10.0.0.1/8",      "nowhere",   "10.0.0.0/8:0",
                                        "10.0.0.0/8/icmp", "[10.0.0.1", ""};

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        rig_call_fails(bus, RIG_ERROR("BadParams"), "SetEgress", "sass", PEERS_GUEST, 1, wrong[i],
                       "");
    rig_call_fails(bus, RIG_ERROR("BadParams"), "SetEgress", "sass", PEERS_GUEST, 0, "");
    rig_call_fails(bus, RIG_ERROR("BadParams"), "SetEgress", "sass", PEERS_GUEST, 2, "none",
                   "10.0.0.0/8", "");
    rig_call_fails(bus, RIG_ERROR("NotFound"), "SetEgress", "sass", "172.16.0.77", 1, "none", "");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/reach", argv, NULL);
    suite = suite_create("reach");
    tcase = tcase_create("reach");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, port_is_forwarded);
#ifdef BANGER_TEST_HOOKS
    tcase_add_test(tcase, failure_leaves_what_was);
#endif
    tcase_add_test(tcase, ports_that_are_refused);
    tcase_add_test(tcase, guest_reaches_what_the_list_says);
    tcase_add_test(tcase, equal_lists_share_a_chain);
    tcase_add_test(tcase, restriction_is_put_back);
    tcase_add_test(tcase, file_goes_with_its_tap);
    tcase_add_test(tcase, lists_that_are_refused);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/reach", suite);
}
