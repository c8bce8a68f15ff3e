/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Chains of others at the hook forward, as nft and iptables write them: named in the record if, and
 * only if, they drop guests' packets.
 */
#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"

#define NFT(rules)                                                                                 \
    "nft 'table inet other { chain d { drop; }; chain p { accept; }; chain e { }; "                \
    "chain f { type filter hook forward priority filter; " rules " }; }'"
#define ACCEPTED "iifname \"br-fc\" accept; oifname \"br-fc\" accept;"
#define IPTABLES(commands) "for i in iptables ip6tables; do " commands " done"

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
    const char *commands; /* of a shell */
    const char *warning;  /* NULL: guests get through */
} chains[] = {
    {NFT(ACCEPTED), NULL},
    {NFT("policy drop;"), "chain inet other f drops by policy"},
    {NFT("policy drop; " ACCEPTED), NULL},
    {NFT("policy drop; accept;"), NULL},
    {NFT("policy drop; iifname \"br-fc\" accept;"), "chain inet other f drops by policy"},
    {NFT("policy drop; oifname \"br-fc\" accept;"), "chain inet other f drops by policy"},
    {NFT("policy drop; iifname \"br-*\" counter accept; oifname \"br-*\" log accept;"), NULL},
    {NFT("policy drop; iifname \"br-fc2\" accept; oifname \"br-fc2\" accept;"),
     "chain inet other f drops by policy"},
    {NFT("policy drop; ct state established accept; iifname \"br-fc\" tcp dport 1 accept;"),
     "chain inet other f drops by policy"},
    {NFT("reject;"), "chain inet other f drops by its last rule"},
    {NFT(ACCEPTED " reject;"), NULL},
    {NFT("reject; " ACCEPTED), "chain inet other f drops by a rule of the chain f"},
    {NFT("oifname \"br-fc\" drop;"), "chain inet other f drops by its last rule"},
    {NFT("iifname \"docker0\" drop; tcp dport 1 drop; oifname \"virbr0\" reject;"), NULL},
    {NFT("policy drop; jump p;"), NULL},
    {NFT("policy drop; jump e; goto p;"), NULL},
    {NFT("policy drop; goto e; " ACCEPTED), "chain inet other f drops by policy"},
    {NFT("policy drop; iifname \"br-fc\" jump p; oifname \"br-fc*\" goto p;"), NULL},
    {NFT("policy drop; return; " ACCEPTED), "chain inet other f drops by policy"},
    {NFT("jump d;"), "chain inet other f drops by a rule of the chain d"},
    {NFT("iifname \"br-fc\" jump d;"), "chain inet other f drops by a rule of the chain d"},
    {NFT("iifname \"docker0\" jump d; tcp dport 1 jump d;"), NULL},
    {IPTABLES("$i -A FORWARD -j REJECT;"), "chain ip6 filter FORWARD drops by its last rule"},
    {IPTABLES("$i -N own; $i -A FORWARD -j own; $i -A own -m comment --comment ours -j REJECT;"),
     "chain ip filter FORWARD drops by a rule of the chain own"},
    {IPTABLES(
         "$i -P FORWARD DROP; $i -A FORWARD -p tcp -j REJECT; $i -A FORWARD -i br-fc -j ACCEPT; "
         "$i -A FORWARD -o br-+ -j ACCEPT;"),
     NULL},
    {IPTABLES("printf '*filter\\n:FORWARD DROP\\n:own -\\n-A FORWARD -j own\\n-A own -i br-fc -m "
              "comment --comment a -j ACCEPT\\n-A own -o br-fc -m comment --comment a -j "
              "ACCEPT\\nCOMMIT\\n' | $i-restore;"),
     NULL},
};

START_TEST(chain)
{
    const char *warning;

    peers_make_with_guest(bus);
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    network_do("%s", chains[_i].commands);
    warning = network_nat_warning(bus, PEERS_GUEST, "tap-fc-1");
    if (chains[_i].warning == NULL) {
        ck_assert_str_eq(warning, "");
        peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    } else {
        network_assert_contains(warning, chains[_i].warning);
        peers_expect_silence("guest", PEERS_ADDRESS);
        peers_await_silence();
    }
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/firewalls", argv, NULL);
    suite = suite_create("firewalls");
    tcase = tcase_create("firewalls");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, chain, 0, G_N_ELEMENTS(chains));
    suite_add_tcase(suite, tcase);
    return harness_run("bus/firewalls", suite);
}
