/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/firewalls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <string.h>
#include <unistd.h>

#include "network/bridge.h"
#include "network/filter-rules.h"
#include "network/firewalld.h"
#include "network/forward-walk.h"
#include "network/nft.h"
#include "util/error.h"
#include "util/fd.h"

#define USUAL_BRIDGE "br-fc" /* of the examples, and of who follows them */
#define DOCKER_TABLE "filter"
#define DOCKER_CHAIN "DOCKER-USER"
#define DOCKER_COMMENT BANGER_FILTER_COMMENT "guests"
#define DOCKER_RULE                                                                                \
    "meta mark & " BANGER_FILTER_MARK_MASK " == " BANGER_FILTER_MARK_PASS " counter accept"

#define LEGACY_DIRECTORY "/proc/self/net"
#define LEGACY_TABLE "filter"
#define LEGACY_NAMES_MAX 1024 /* a handful of names of at most 32 bytes */

static const struct {
    const char *name;
    uint8_t family;
    const char *legacy_tables; /* lists the tables that iptables-legacy made */
} families[] = {
    {"ip", NFPROTO_IPV4, "ip_tables_names"},
    {"ip6", NFPROTO_IPV6, "ip6_tables_names"},
};

/* Appends the commands that bring DOCKER-USER of families[@i] into order, or clear it. */
static bool
append_docker(BangerNetlink *netlink, size_t i, bool want, GString *commands, GError **error)
{
    g_autoptr(GPtrArray) rules =
        banger_nft_rules(netlink, families[i].family, DOCKER_TABLE, DOCKER_CHAIN, error);
    unsigned int ours = 0;
    bool first = false;

    if (rules == NULL)
        return false;
    for (unsigned int j = 0; j < rules->len; j++) {
        const BangerNftRule *rule = g_ptr_array_index(rules, j);

        ours += g_str_has_prefix(rule->comment, BANGER_FILTER_MARK) ? 1 : 0;
        first |= j == 0 && g_str_equal(rule->comment, DOCKER_COMMENT);
    }
    if (want && first && ours == 1)
        return true;
    for (unsigned int j = 0; j < rules->len; j++) {
        const BangerNftRule *rule = g_ptr_array_index(rules, j);

        if (g_str_has_prefix(rule->comment, BANGER_FILTER_MARK))
            g_string_append_printf(commands,
                                   "delete rule %s " DOCKER_TABLE " " DOCKER_CHAIN
                                   " handle %" G_GUINT64_FORMAT "\n",
                                   families[i].name, rule->handle);
    }
    if (want)
        g_string_append_printf(commands,
                               "insert rule %s " DOCKER_TABLE " " DOCKER_CHAIN " " DOCKER_RULE
                               " comment \"" DOCKER_COMMENT "\"\n",
                               families[i].name);
    return true;
}

static bool
put_docker_in_order(BangerNetlink *netlink, bool want, bool exist[G_N_ELEMENTS(families)],
                    GError **error)
{
    g_autoptr(GString) commands = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        if (!banger_nft_chain_exists(netlink, families[i].family, DOCKER_TABLE, DOCKER_CHAIN,
                                     &exist[i], error))
            return false;
        if (exist[i] && !append_docker(netlink, i, want, commands, error))
            return false;
    }
    return commands->len == 0 || banger_nft_run(commands->str, error);
}

bool
banger_firewalls_end(BangerNetlink *netlink, GError **error)
{
    bool exist[G_N_ELEMENTS(families)];

    return put_docker_in_order(netlink, false, exist, error);
}

/* Whether the chain is one where DOCKER-USER does our work. */
static bool
is_docker(const BangerNftBaseChain *chain, const bool exist[G_N_ELEMENTS(families)])
{
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
        if (exist[i] && chain->family == families[i].family &&
            g_str_equal(chain->table, DOCKER_TABLE))
            return true;
    return false;
}

static const char *
family_name(uint8_t family)
{
    return family == NFPROTO_INET ? "inet" : (family == NFPROTO_IPV4 ? "ip" : "ip6");
}

/* The names of our bridges. */
static GPtrArray *
list_bridges(GError **error)
{
    g_autoptr(BangerNetlink) route = banger_netlink_open(NETLINK_ROUTE, error);
    g_autoptr(GArray) links = route != NULL ? banger_link_list(route, error) : NULL;
    GPtrArray *names;

    if (links == NULL)
        return NULL;
    names = g_ptr_array_new_with_free_func(g_free);
    for (unsigned int i = 0; i < links->len; i++)
        if (banger_bridge_is_ours(&g_array_index(links, BangerLink, i)))
            g_ptr_array_add(names, g_strdup(g_array_index(links, BangerLink, i).name));
    return names;
}

/* Those that a chain is to let through, listed once into *@user_data, a GPtrArray *. */
static const GPtrArray *
find_bridges(void *user_data, GError **error)
{
    GPtrArray **bridges = user_data;

    if (*bridges == NULL)
        *bridges = list_bridges(error);
    /* As long as there are none, the one that there will be. */
    if (*bridges != NULL && (*bridges)->len == 0)
        g_ptr_array_add(*bridges, g_strdup(USUAL_BRIDGE));
    return *bridges;
}

static bool
warn_of_chain(BangerNetlink *netlink, const BangerNftBaseChain *chain, GPtrArray **bridges,
              GString *warnings, GError **error)
{
    g_autofree char *how = NULL;

    if (!banger_forward_walk(netlink, chain, find_bridges, bridges, &how, error))
        return false;
    if (how != NULL)
        g_string_append_printf(
            warnings,
            "the nftables chain %s %s %s drops %s what it does not accept, guests' packets too\n",
            family_name(chain->family), chain->table, chain->name, how);
    return true;
}

/*
 * Reads what the kernel says of families[@i] into @text; its length, at most 0 if it says nothing.
 * What could be opened stays open: the way to it would be most of what a look takes. It can no
 * longer be read once the module that made it was unloaded; a new one makes a new file.
 */
static ssize_t
read_legacy_tables(size_t i, char *text, size_t size)
{
    static GMutex lock;
    static int directory = -1;
    static int files[G_N_ELEMENTS(families)] = {-1, -1};
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    ssize_t length = -1;

    (void)locker;
    if (files[i] >= 0 && (length = pread(files[i], text, size, 0)) < 0)
        banger_close_fd(&files[i]);
    if (files[i] >= 0)
        return length;
    if (directory < 0)
        directory = open(LEGACY_DIRECTORY, O_PATH | O_DIRECTORY | O_CLOEXEC);
    files[i] = openat(directory, families[i].legacy_tables, O_RDONLY | O_CLOEXEC);
    return files[i] < 0 ? -1 : pread(files[i], text, size, 0);
}

/* Whether iptables-legacy has a filter table of families[@i]. */
static bool
has_legacy(size_t i)
{
    char text[LEGACY_NAMES_MAX] = "";
    g_auto(GStrv) names = NULL;

    if (read_legacy_tables(i, text, sizeof text - 1) <= 0)
        return false;
    names = g_strsplit(text, "\n", -1);
    return g_strv_contains((const char *const *)names, LEGACY_TABLE);
}

static void
warn_of_legacy(GString *warnings)
{
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
        if (has_legacy(i))
            g_string_append_printf(
                warnings,
                "iptables-legacy has a filter table (%s), which may drop guests' "
                "packets\n",
                families[i].name);
}

static bool
is_firewalld(const BangerNftBaseChain *chain)
{
    return chain->family == NFPROTO_INET && g_str_equal(chain->table, BANGER_FIREWALLD_TABLE);
}

/* Of firewalld, if @chains has one of its; @enter: puts our bridges into its zone. */
static bool
look_at_firewalld(const GPtrArray *chains, bool enter, GString *warnings,
                  BangerFirewalls *firewalls, GError **error)
{
    g_autoptr(GPtrArray) bridges = NULL;
    bool present = false;

    for (unsigned int i = 0; i < chains->len; i++)
        present |= is_firewalld(g_ptr_array_index(chains, i));
    if (!present)
        return true;
    bridges = list_bridges(error);
    if (bridges == NULL)
        return false;
    firewalls->firewalld = banger_firewalld_look(bridges, enter, firewalls->zoned, warnings);
    return true;
}

/*
 * Of every base chain of others at the forward hook that drops guests; @exist says which families
 * have DOCKER-USER.
 */
static bool
look_at_all(BangerNetlink *netlink, const bool exist[G_N_ELEMENTS(families)], bool enter,
            GString *warnings, BangerFirewalls *firewalls, GError **error)
{
    g_autoptr(GPtrArray) chains = banger_nft_forward_chains(netlink, error);
    g_autoptr(GPtrArray) bridges = NULL;

    if (chains == NULL || !look_at_firewalld(chains, enter, warnings, firewalls, error))
        return false;
    firewalls->docker = exist[0] || exist[1];
    for (unsigned int i = 0; i < chains->len; i++) {
        const BangerNftBaseChain *chain = g_ptr_array_index(chains, i);

        if (g_str_equal(chain->table, BANGER_FILTER_TABLE) || is_docker(chain, exist) ||
            (firewalls->firewalld && is_firewalld(chain)))
            continue;
        if (!warn_of_chain(netlink, chain, &bridges, warnings, error))
            return false;
    }
    warn_of_legacy(warnings);
    return true;
}

bool
banger_firewalls_warn(BangerNetlink *netlink, GString *warnings, GError **error)
{
    g_autoptr(GPtrArray) zoned = g_ptr_array_new_with_free_func(g_free);
    bool exist[G_N_ELEMENTS(families)] = {false};
    BangerFirewalls firewalls = {.zoned = zoned};

    for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
        if (!banger_nft_chain_exists(netlink, families[i].family, DOCKER_TABLE, DOCKER_CHAIN,
                                     &exist[i], error))
            return false;
    return look_at_all(netlink, exist, false, warnings, &firewalls, error);
}

bool
banger_firewalls_refresh(BangerNetlink *netlink, GString *warnings, BangerFirewalls *ret_firewalls,
                         GError **error)
{
    bool exist[G_N_ELEMENTS(families)];

    return put_docker_in_order(netlink, true, exist, error) &&
           look_at_all(netlink, exist, true, warnings, ret_firewalls, error);
}

void
banger_firewalls_forget_bridge(const char *bridge)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, NULL);
    g_auto(BangerNftTable) table = {0};

    if (netlink != NULL &&
        banger_nft_find_table(netlink, NFPROTO_INET, BANGER_FIREWALLD_TABLE, &table, NULL) &&
        table.exists)
        banger_firewalld_leave(bridge);
}

GPtrArray *
banger_firewalls_uplinks(BangerNetlink *route, GError **error)
{
    g_autoptr(GHashTable) indices = banger_link_list_uplinks(route, AF_UNSPEC, error);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer index;

    if (indices == NULL)
        return NULL;
    g_hash_table_iter_init(&iter, indices);
    while (g_hash_table_iter_next(&iter, &index, NULL)) {
        BangerLink link;
        bool found;

        if (!banger_link_find_index(route, GPOINTER_TO_INT(index), &link, &found, error))
            return NULL;
        if (found && link.type == BANGER_LINK_BRIDGE && !banger_bridge_is_ours(&link))
            g_ptr_array_add(names, g_strdup(link.name));
    }
    return g_steal_pointer(&names);
}
