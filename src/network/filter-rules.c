/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/filter-rules.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <stdarg.h>
#include <sys/socket.h>

#define B NFPROTO_BRIDGE
#define I NFPROTO_INET

const BangerSet banger_sets[BANGER_N_SETS] = {
    [BANGER_SET_TAPS] = {B, "taps", "type ifname", "n", NULL},
    [BANGER_SET_OPEN] = {B, "open", "type ifname", "n", NULL},
    [BANGER_SET_HAS_MAC] = {B, "has_mac", "type ifname", "n", NULL},
    [BANGER_SET_MACS] = {B, "macs", "type ifname . ether_addr", "nm", NULL},
    [BANGER_SET_HAS4] = {B, "has4", "type ifname", "n", NULL},
    [BANGER_SET_HAS6] = {B, "has6", "type ifname", "n", NULL},
    [BANGER_SET_SOURCE4] = {B, "source4", "type ifname . ipv4_addr", "n4", NULL},
    [BANGER_SET_SOURCE6] = {B, "source6", "type ifname . ipv6_addr", "n6", NULL},
    [BANGER_SET_TARGET6] = {B, "target6", "typeof iifname . @th,64,128", "nt", NULL},
    [BANGER_SET_KNOWN4] = {B, "known4", "type ipv4_addr", "4", NULL},
    [BANGER_SET_KNOWN6] = {B, "known6", "type ipv6_addr", "6", NULL},
    [BANGER_SET_KNOWN_TARGET6] = {B, "known_target6", "typeof @th,64,128", "t", NULL},
    [BANGER_SET_BRIDGES] = {I, "bridges", "type ifname", "n", NULL},
    [BANGER_SET_PAIRS] = {I, "pairs", "type ifname . ifname", "nn", NULL},
    [BANGER_SET_GUESTS4] = {I, "guests4", "type ipv4_addr . ifname", "4n", NULL},
    [BANGER_SET_GUESTS6] = {I, "guests6", "type ipv6_addr . ifname", "6n", NULL},
    [BANGER_SET_CLOSED4] = {I, "closed4", "type iface_index", "i", NULL, true},
    [BANGER_SET_CLOSED6] = {I, "closed6", "type iface_index", "i", NULL, true},
    [BANGER_SET_UPLINKS] = {I, "uplinks", "type ifname", "n", NULL, true},
    [BANGER_SET_ZONED] = {I, "zoned", "type ifname", "n", NULL, true},
    [BANGER_MAP_FORWARDS4] = {I, "forwards4",
                              "type inet_proto . inet_service : ipv4_addr . inet_service", "ps",
                              "4s"},
    [BANGER_MAP_FORWARDS6] = {I, "forwards6",
                              "type inet_proto . inet_service : ipv6_addr . inet_service", "ps",
                              "6s"},
    [BANGER_MAP_EGRESS4] = {I, "egress4", "type ipv4_addr . ifname : verdict", "4n", NULL},
    [BANGER_MAP_EGRESS6] = {I, "egress6", "type ipv6_addr . ifname : verdict", "6n", NULL},
};

/*
 * Chains are made in this order: each before those that jump to it. Priorities: -300 is before all
 * that looks at a frame or a mark; -199 is between connections being known and "mangle", -150; -5
 * is before iptables' FORWARD and INPUT (0); -100 and 100 are where NAT is done.
 */
const BangerChain banger_chains[] = {
    {B, "target6", NULL},
    {B, "tap4", NULL},
    {B, "tap_arp", NULL},
    {B, "tap6", NULL},
    {B, "tap", NULL},
    {B, "source", "type filter hook prerouting priority -300; policy accept;"},
    {I, "adopted", "type filter hook prerouting priority -199; policy accept;"},
    {I, "passed", NULL},
    {I, "pass", NULL},
    {I, "leaving", NULL},
    {I, "entering", NULL},
    {I, "forward", "type filter hook forward priority -5; policy accept;"},
    {I, "unmark", "type filter hook postrouting priority -300; policy accept;"},
    {I, "mss", "type filter hook forward priority -150; policy accept;"},
    {I, "host", NULL},
    {I, "input", "type filter hook input priority -5; policy accept;"},
    {I, "dstnat", "type nat hook prerouting priority -100; policy accept;"},
    {I, "dstnat_host", "type nat hook output priority -100; policy accept;"},
    {I, "srcnat", "type nat hook postrouting priority 100; policy accept;"},
};
const size_t banger_n_chains = G_N_ELEMENTS(banger_chains);

const char *
banger_filter_family_name(uint8_t family)
{
    return family == B ? "bridge" : "inet";
}

static void
free_rule(void *user_data)
{
    BangerFilterRule *rule = user_data;

    g_free(rule->rule);
    g_free(rule->comment);
    g_free(rule);
}

static void G_GNUC_PRINTF(5, 6) add(GPtrArray *rules, uint8_t family, const char *chain,
                                    const char *comment, const char *format, ...)
{
    BangerFilterRule *rule = g_new0(BangerFilterRule, 1);
    va_list arguments;

    va_start(arguments, format);
    rule->rule = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    rule->family = family;
    rule->chain = chain;
    rule->comment = g_strconcat(BANGER_FILTER_COMMENT, comment, NULL);
    g_ptr_array_add(rules, rule);
}

/* "{ a, b }" of the networks of @family in @subnets; NULL if there is none. */
static char *
list_subnets(const GArray *subnets, int family)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (unsigned int i = 0; i < subnets->len; i++) {
        const BangerSubnet *subnet = &g_array_index(subnets, BangerSubnet, i);
        g_autofree char *text = NULL;

        if (subnet->address.family != family)
            continue;
        text = banger_subnet_format(subnet);
        g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "{ ", text);
    }
    if (list->len == 0)
        return NULL;
    g_string_append(list, " }");
    return g_string_free(g_steal_pointer(&list), FALSE);
}

static void
add_source_rules(GPtrArray *rules)
{
    add(rules, B, "source", "an adopted bridge",
        "iifname @open meta mark & " BANGER_FILTER_MARK_MASK
        " == 0 meta mark set meta mark | " BANGER_FILTER_MARK_OPEN);
    add(rules, B, "source", "our TAPs", "iifname @taps jump tap");
    add(rules, B, "tap", "not its MAC", "iifname @has_mac iifname . ether saddr != @macs drop");
    add(rules, B, "tap", "IPv4", "ether type ip goto tap4");
    add(rules, B, "tap", "ARP", "ether type arp goto tap_arp");
    add(rules, B, "tap", "IPv6", "ether type ip6 goto tap6");
    add(rules, B, "tap", "no other ethertypes", "drop");

    add(rules, B, "tap4", "its own", "iifname . ip saddr @source4 return");
    add(rules, B, "tap4", "DHCP", "ip saddr 0.0.0.0 udp sport 68 udp dport 67 return");
    add(rules, B, "tap4", "not its own", "iifname @has4 drop");
    add(rules, B, "tap4", "of another", "ip saddr @known4 drop");
    add(rules, B, "tap_arp", "not its MAC",
        "iifname @has_mac iifname . arp saddr ether != @macs drop");
    add(rules, B, "tap_arp", "its own", "iifname . arp saddr ip @source4 return");
    add(rules, B, "tap_arp", "probe", "arp saddr ip 0.0.0.0 return");
    add(rules, B, "tap_arp", "not its own", "iifname @has4 drop");
    add(rules, B, "tap_arp", "of another", "arp saddr ip @known4 drop");

    add(rules, B, "tap6", "a guest is no router",
        "icmpv6 type { nd-router-advert, nd-redirect } drop");
    add(rules, B, "tap6", "advertised address", "icmpv6 type nd-neighbor-advert jump target6");
    add(rules, B, "tap6", "address tried",
        "ip6 saddr :: icmpv6 type nd-neighbor-solicit jump target6");
    add(rules, B, "tap6", "unspecified", "ip6 saddr :: return");
    add(rules, B, "tap6", "its own", "iifname . ip6 saddr @source6 return");
    add(rules, B, "tap6", "link-local", "ip6 saddr fe80::/10 ip6 saddr != @known6 return");
    add(rules, B, "tap6", "not its own", "iifname @has6 drop");
    add(rules, B, "tap6", "of another", "ip6 saddr @known6 drop");
    add(rules, B, "target6", "its own", "iifname . @th,64,128 @target6 return");
    add(rules, B, "target6", "link-local", "@th,64,10 0x3fa @th,64,128 != @known_target6 return");
    add(rules, B, "target6", "not its own", "iifname @has6 drop");
    add(rules, B, "target6", "of another", "@th,64,128 @known_target6 drop");
}

/* Denied, whatever the host makes of it by destination NAT. */
static void
add_denied(GPtrArray *rules, const char *chain, const BangerNetworkSettings *settings)
{
    g_autofree char *deny4 = list_subnets(settings->deny_destinations, AF_INET);
    g_autofree char *deny6 = list_subnets(settings->deny_destinations, AF_INET6);

    if (deny4 != NULL) {
        add(rules, I, chain, "denied", "ip daddr %s drop", deny4);
        add(rules, I, chain, "denied", "ct original ip daddr %s drop", deny4);
    }
    if (deny6 != NULL) {
        add(rules, I, chain, "denied", "ip6 daddr %s drop", deny6);
        add(rules, I, chain, "denied", "ct original ip6 daddr %s drop", deny6);
    }
}

static void
add_subnet_returns(GPtrArray *rules, const char *chain, const char *comment, const GArray *subnets)
{
    g_autofree char *four = list_subnets(subnets, AF_INET);
    g_autofree char *six = list_subnets(subnets, AF_INET6);

    if (four != NULL)
        add(rules, I, chain, comment, "ip saddr %s return", four);
    if (six != NULL)
        add(rules, I, chain, comment, "ip6 saddr %s return", six);
}

/*
 * Of an adopted bridge: the mark of its TAPs' packets is the connection's too for the while in
 * which others set marks, as wg-quick(8) does with that of every datagram.
 */
static void
add_adopted(GPtrArray *rules, const char *chain)
{
    add(rules, I, chain, "an adopted bridge",
        "ct mark & " BANGER_FILTER_MARK_MASK " == " BANGER_FILTER_MARK_OPEN
        " meta mark set meta mark | " BANGER_FILTER_MARK_OPEN
        " ct mark set ct mark & " BANGER_FILTER_MARK_REST);
    add(rules, I, chain, "an adopted bridge",
        "meta mark & " BANGER_FILTER_MARK_MASK " == " BANGER_FILTER_MARK_OPEN " return");
}

static void
add_guard_rules(GPtrArray *rules, const BangerNetworkSettings *settings)
{
    add(rules, I, "adopted", "an adopted bridge",
        "meta mark & " BANGER_FILTER_MARK_MASK " == " BANGER_FILTER_MARK_OPEN
        " ct state new ct mark & " BANGER_FILTER_MARK_MASK
        " == 0 ct mark set ct mark | " BANGER_FILTER_MARK_OPEN);
    add(rules, I, "passed", "for DOCKER-USER",
        "meta mark & " BANGER_FILTER_MARK_MASK
        " == 0 meta mark set meta mark | " BANGER_FILTER_MARK_PASS);
    add(rules, I, "passed", "passed", "accept");
    add(rules, I, "pass", "to guests", "oifname @bridges goto passed");
    add(rules, I, "pass", "a bridge to the outside", "oifname @uplinks goto passed");
    add(rules, I, "pass", "others' bridges, where firewalld passes all from ours",
        "iifname @zoned meta oifkind \"bridge\" ct state new drop");
    add(rules, I, "pass", "others' bridges are theirs to open", "meta oifkind \"bridge\" accept");
    add(rules, I, "pass", "to the outside", "goto passed");

    add_denied(rules, "leaving", settings);
    add_adopted(rules, "leaving");
    add(rules, I, "leaving", "restricted guests", "ip saddr . iifname vmap @egress4");
    add(rules, I, "leaving", "restricted guests", "ip6 saddr . iifname vmap @egress6");
    add(rules, I, "leaving", "guests", "ip saddr . iifname @guests4 return");
    add(rules, I, "leaving", "guests", "ip6 saddr . iifname @guests6 return");
    add_subnet_returns(rules, "leaving", "RoutedGuests", settings->routed_guests);
    add(rules, I, "leaving", "not registered", "drop");

    add(rules, I, "entering", "forwarded ports", "ct status dnat return");
    for (char **link = settings->allow_from_links; *link != NULL; link++)
        add(rules, I, "entering", "AllowFrom", "iifname \"%s\" return", *link);
    add_subnet_returns(rules, "entering", "AllowFrom", settings->allow_from);
    add(rules, I, "entering", "unasked", "drop");

    add(rules, I, "forward", "within a bridge", "iifname . oifname @pairs goto pass");
    add(rules, I, "forward", "answers", "iifname @bridges ct state established,related goto pass");
    add(rules, I, "forward", "answers", "oifname @bridges ct state established,related goto pass");
    add(rules, I, "forward", "from guests", "iifname @bridges jump leaving");
    add(rules, I, "forward", "to guests", "oifname @bridges jump entering");
    add(rules, I, "forward", "from guests", "iifname @bridges goto pass");
    add(rules, I, "forward", "to guests", "oifname @bridges goto pass");
    add(rules, I, "forward", "no router", "meta nfproto ipv4 iif @closed4 oif @closed4 drop");
    add(rules, I, "forward", "no router", "meta nfproto ipv6 iif @closed6 oif @closed6 drop");

    add(rules, I, "unmark", "passed",
        "meta mark & " BANGER_FILTER_MARK_MASK " == " BANGER_FILTER_MARK_PASS
        " meta mark set meta mark & " BANGER_FILTER_MARK_REST);
    add(rules, I, "unmark", "an adopted bridge",
        "meta mark & " BANGER_FILTER_MARK_MASK " == " BANGER_FILTER_MARK_OPEN
        " meta mark set meta mark & " BANGER_FILTER_MARK_REST);
    add(rules, I, "mss", "from guests",
        "iifname @bridges tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu");
    add(rules, I, "mss", "to guests",
        "oifname @bridges tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu");
}

static void
add_input_rules(GPtrArray *rules, const BangerNetworkSettings *settings)
{
    add(rules, I, "host", "answers", "ct state established,related return");
    add_denied(rules, "host", settings);
    add_adopted(rules, "host");
    add(rules, I, "host", "neighbours, groups, echo",
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, "
        "mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report, "
        "echo-request } return");
    add(rules, I, "host", "echo", "icmp type echo-request return");
    add(rules, I, "host", "groups", "meta nfproto ipv4 meta l4proto igmp return");
    if (settings->guests_reach_host == BANGER_REACH_BRIDGE) {
        add(rules, I, "host", "the bridge's own", "fib daddr . iif type local return");
        add(rules, I, "host", "DHCP", "meta nfproto ipv4 udp dport 67 return");
        add(rules, I, "host", "DHCP", "meta nfproto ipv6 udp dport 547 return");
    }
    if (settings->guests_reach_host != BANGER_REACH_ALL)
        add(rules, I, "host", "GuestsReachHost", "drop");
    add(rules, I, "input", "guests", "iifname @bridges jump host");
}

static void
add_nat_rules(GPtrArray *rules)
{
    static const char *const chains[] = {"dstnat", "dstnat_host"};

    for (size_t i = 0; i < G_N_ELEMENTS(chains); i++) {
        bool host = i == 1;

        add(rules, I, chains[i], "forwarded ports",
            "%sfib daddr type local dnat ip to meta l4proto . th dport map @forwards4",
            host ? "ip daddr != 127.0.0.0/8 " : "");
        add(rules, I, chains[i], "forwarded ports",
            "%sfib daddr type local dnat ip6 to meta l4proto . th dport map @forwards6",
            host ? "ip6 daddr != ::1 " : "");
    }
    add(rules, I, "srcnat", "forwarded ports, from guests",
        "iifname . oifname @pairs ct status dnat masquerade");
    add(rules, I, "srcnat", "guests",
        "ip saddr . iifname @guests4 ip saddr . oifname != @guests4 ip daddr != 224.0.0.0/24 "
        "ip daddr != 255.255.255.255 masquerade");
    add(rules, I, "srcnat", "guests",
        "ip6 saddr . iifname @guests6 ip6 saddr . oifname != @guests6 ip6 daddr != ff00::/8 "
        "masquerade");
}

GPtrArray *
banger_filter_rules(const BangerNetworkSettings *settings)
{
    GPtrArray *rules = g_ptr_array_new_with_free_func(free_rule);

    add_source_rules(rules);
    add_guard_rules(rules, settings);
    add_input_rules(rules, settings);
    add_nat_rules(rules);
    return rules;
}

bool
banger_set_is_bounded(BangerSetId id)
{
    return id == BANGER_SET_TAPS || id == BANGER_SET_BRIDGES || id == BANGER_SET_SOURCE4 ||
           id == BANGER_SET_SOURCE6;
}

/*
 * How many elements a set may have, its anchor among them: by this the kernel itself keeps to the
 * bounds. 0: no bound.
 */
static unsigned int
size_of(BangerSetId id, const BangerNetworkSettings *settings)
{
    switch (id) {
    case BANGER_SET_TAPS:
        return settings->max_taps + 1;
    case BANGER_SET_BRIDGES:
        return settings->max_bridges + 1;
    case BANGER_SET_SOURCE4:
    case BANGER_SET_SOURCE6:
        return settings->max_guests + 1;
    default:
        return 0;
    }
}

/* Appends all but the tables' own lines. */
static void
append_contents(GString *commands, const BangerNetworkSettings *settings, const GPtrArray *rules)
{
    for (BangerSetId id = 0; id < BANGER_N_SETS; id++) {
        const BangerSet *set = &banger_sets[id];
        bool is_map = id >= BANGER_MAP_FORWARDS4;
        unsigned int size = size_of(id, settings);

        g_string_append_printf(commands, "add %s %s " BANGER_FILTER_TABLE " %s { %s;",
                               is_map ? "map" : "set", banger_filter_family_name(set->family),
                               set->name, set->type);
        if (size > 0)
            g_string_append_printf(commands, " size %u;", size);
        g_string_append(commands, " }\n");
    }
    for (size_t i = 0; i < banger_n_chains; i++)
        g_string_append_printf(commands, "add chain %s " BANGER_FILTER_TABLE " %s { %s }\n",
                               banger_filter_family_name(banger_chains[i].family),
                               banger_chains[i].name,
                               banger_chains[i].hook != NULL ? banger_chains[i].hook : "");
    for (unsigned int i = 0; i < rules->len; i++) {
        const BangerFilterRule *rule = g_ptr_array_index(rules, i);

        g_string_append_printf(
            commands, "add rule %s " BANGER_FILTER_TABLE " %s %s comment \"%s\"\n",
            banger_filter_family_name(rule->family), rule->chain, rule->rule, rule->comment);
    }
}

char *
banger_filter_table_comment(const BangerNetworkSettings *settings, const GPtrArray *rules)
{
    g_autoptr(GString) contents = g_string_new(NULL);
    g_autofree char *checksum = NULL;

    append_contents(contents, settings, rules);
    checksum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, contents->str, -1);
    return g_strdup_printf(BANGER_FILTER_COMMENT "%.16s", checksum);
}

void
banger_filter_append_tables(GString *commands, const BangerNetworkSettings *settings,
                            const GPtrArray *rules)
{
    static const uint8_t families[] = {B, I};
    g_autofree char *comment = banger_filter_table_comment(settings, rules);

    for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
        g_string_append_printf(commands,
                               "add table %s " BANGER_FILTER_TABLE " { comment \"%s\"; }\n",
                               banger_filter_family_name(families[i]), comment);
    append_contents(commands, settings, rules);
}
