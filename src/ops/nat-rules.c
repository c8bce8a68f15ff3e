/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ops/nat-rules.h"

#include <sys/socket.h>

#define TABLE "inet " BANGER_NAT_TABLE

/* The top byte of the packet mark, while a packet is between our forward and our unmark chain. */
#define MARK_MASK "0xff000000"
#define MARK_REST "0x00ffffff"
#define MARK_FROM_GUEST "0xba000000"
#define MARK_TO_GUEST "0xbb000000"

const BangerNatSet banger_nat_sets[BANGER_NAT_N_SETS] = {
    [BANGER_NAT_TAPS4] = {"taps4", "ipv4_addr . ifname . ifname", AF_INET, 2},
    [BANGER_NAT_TAPS6] = {"taps6", "ipv6_addr . ifname . ifname", AF_INET6, 2},
    [BANGER_NAT_GUESTS4] = {"guests4", "ipv4_addr . ifname", AF_INET, 1},
    [BANGER_NAT_GUESTS6] = {"guests6", "ipv6_addr . ifname", AF_INET6, 1},
    [BANGER_NAT_BRIDGES] = {"bridges", "ifname", 0, 1},
};

typedef struct {
    const char *name;
    const char *hook;
} Chain;

/* Priorities: -150 is before destination NAT (-100), so that no redirection of the host's hides the
 * address; -5 is before iptables' FORWARD (0); -300 is before whatever looks at marks on the way
 * out; 100 is where source NAT is done. */
static const Chain chains[] = {
    {"prerouting", "type filter hook prerouting priority -150"},
    {"forward", "type filter hook forward priority -5"},
    {"unmark", "type filter hook postrouting priority -300"},
    {"postrouting", "type nat hook postrouting priority 100"},
};

#define IF_MARK_IS_FREE "meta mark & " MARK_MASK " == 0 meta mark set meta mark | "
#define UNMARK(mark) "meta mark & " MARK_MASK " == " mark " meta mark set meta mark & " MARK_REST
#define ACCEPT(mark) "meta mark & " MARK_MASK " == " mark " counter accept"

const BangerNatRule banger_nat_rules[] = {
    {"prerouting", "iifname @bridges ip daddr 169.254.169.254 drop", "no metadata service"},
    {"forward", "ip saddr . iifname @guests4 " IF_MARK_IS_FREE MARK_FROM_GUEST, "from guests, v4"},
    {"forward", "ip6 saddr . iifname @guests6 " IF_MARK_IS_FREE MARK_FROM_GUEST, "from guests, v6"},
    {"forward",
     "ct state established,related ip daddr . oifname @guests4 " IF_MARK_IS_FREE MARK_TO_GUEST,
     "answers to guests, v4"},
    {"forward",
     "ct state established,related ip6 daddr . oifname @guests6 " IF_MARK_IS_FREE MARK_TO_GUEST,
     "answers to guests, v6"},
    {"unmark", UNMARK(MARK_FROM_GUEST), "from guests"},
    {"unmark", UNMARK(MARK_TO_GUEST), "answers to guests"},
    {"postrouting",
     "ip saddr . iifname @guests4 ip saddr . oifname != @guests4 ip daddr != 224.0.0.0/24 "
     "ip daddr != 255.255.255.255 masquerade",
     "masquerade, v4"},
    {"postrouting",
     "ip6 saddr . iifname @guests6 ip6 saddr . oifname != @guests6 ip6 daddr != ff00::/8 "
     "masquerade",
     "masquerade, v6"},
};
const size_t banger_nat_n_rules = G_N_ELEMENTS(banger_nat_rules);

const BangerNatRule banger_nat_docker_rules[BANGER_NAT_N_DOCKER_RULES] = {
    {NULL, ACCEPT(MARK_FROM_GUEST), "from guests"},
    {NULL, ACCEPT(MARK_TO_GUEST), "answers to guests"},
};

void
banger_nat_append_table(GString *commands)
{
    g_string_append(commands, "add table " TABLE "\n");
    for (size_t i = 0; i < BANGER_NAT_N_SETS; i++)
        g_string_append_printf(commands, "add set " TABLE " %s { type %s; }\n",
                               banger_nat_sets[i].name, banger_nat_sets[i].type);
    for (size_t i = 0; i < G_N_ELEMENTS(chains); i++)
        g_string_append_printf(commands, "add chain " TABLE " %s { %s; policy accept; }\n",
                               chains[i].name, chains[i].hook);
    for (size_t i = 0; i < banger_nat_n_rules; i++)
        g_string_append_printf(
            commands, "add rule " TABLE " %s %s comment \"" BANGER_NAT_COMMENT "%s\"\n",
            banger_nat_rules[i].chain, banger_nat_rules[i].rule, banger_nat_rules[i].comment);
}

void
banger_nat_append_docker(GString *commands, const char *family)
{
    for (size_t i = BANGER_NAT_N_DOCKER_RULES; i-- > 0;)
        g_string_append_printf(commands,
                               "insert rule %s " BANGER_NAT_DOCKER_TABLE " " BANGER_NAT_DOCKER_CHAIN
                               " %s comment \"" BANGER_NAT_COMMENT "%s\"\n",
                               family, banger_nat_docker_rules[i].rule,
                               banger_nat_docker_rules[i].comment);
}
