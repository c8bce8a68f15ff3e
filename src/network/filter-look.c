/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <string.h>

#include "network/filter-private.h"
#include "network/nft.h"
#include "util/error.h"

#define FEW_CHAINS 16

static const uint8_t families[] = {NFPROTO_INET, NFPROTO_BRIDGE};

static bool
is_marked(const char *comment)
{
    return g_str_has_prefix(comment, BANGER_FILTER_MARK);
}

/* A table without a comment of ours: of version 1.0, all of whose rules have one, or another's. */
static bool
look_at_unmarked(BangerNetlink *netlink, uint8_t family, bool *ret_first, GError **error)
{
    g_autoptr(GPtrArray) rules =
        banger_nft_rules(netlink, family, BANGER_FILTER_TABLE, NULL, error);
    bool first;

    if (rules == NULL)
        return false;
    first = family == NFPROTO_INET && rules->len > 0;
    for (unsigned int i = 0; i < rules->len; i++)
        first &= is_marked(((const BangerNftRule *)g_ptr_array_index(rules, i))->comment);
    if (!first)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the nftables table %s " BANGER_FILTER_TABLE
                                " exists and is another program's",
                                banger_filter_family_name(family));
    *ret_first = true;
    return true;
}

/*
 * Whether those of @found, the rules of the chain's table or of it alone, that are in @chain are
 * those that should be.
 */
static bool
is_chain_whole(const BangerFilterContext *context, const GPtrArray *found, const BangerChain *chain)
{
    unsigned int seen = 0;

    for (unsigned int i = 0; i < context->rules->len; i++) {
        const BangerFilterRule *rule = g_ptr_array_index(context->rules, i);
        const BangerNftRule *there = NULL;

        if (rule->family != chain->family || !g_str_equal(rule->chain, chain->name))
            continue;
        while (there == NULL && seen < found->len) {
            there = g_ptr_array_index(found, seen++);
            if (!g_str_equal(there->chain, chain->name))
                there = NULL;
        }
        if (there == NULL || !g_str_equal(there->comment, rule->comment))
            return false;
    }
    while (seen < found->len)
        if (g_str_equal(((BangerNftRule *)g_ptr_array_index(found, seen++))->chain, chain->name))
            return false;
    return true;
}

/*
 * Whether all rules of a table with @use objects are to be listed at once, which is the least where
 * there is little besides: each list of networks that guests are restricted to has a chain.
 */
static bool
lists_at_once(uint8_t family, uint32_t use)
{
    uint32_t expected = FEW_CHAINS;

    for (size_t i = 0; i < banger_n_chains; i++)
        expected += banger_chains[i].family == family ? 1 : 0;
    for (BangerSetId id = 0; id < BANGER_N_SETS; id++)
        expected += banger_sets[id].family == family ? 1 : 0;
    return use > 0 && use <= expected;
}

/* Whether the chains of @family are whole, whose table has @use objects. */
static bool
are_chains_whole(const BangerFilterContext *context, BangerNetlink *netlink, uint8_t family,
                 uint32_t use, bool *ret_whole, GError **error)
{
    g_autoptr(GPtrArray) all = NULL;

    if (lists_at_once(family, use)) {
        all = banger_nft_rules(netlink, family, BANGER_FILTER_TABLE, NULL, error);
        if (all == NULL)
            return false;
    }
    *ret_whole = true;
    for (size_t i = 0; *ret_whole && i < banger_n_chains; i++) {
        const BangerChain *chain = &banger_chains[i];
        g_autoptr(GPtrArray) found = NULL;

        if (chain->family != family)
            continue;
        found = all != NULL
                    ? g_ptr_array_ref(all)
                    : banger_nft_rules(netlink, family, BANGER_FILTER_TABLE, chain->name, error);
        if (found == NULL)
            return false;
        *ret_whole = is_chain_whole(context, found, chain);
    }
    return true;
}

/* Whether no set was flushed. */
static bool
are_sets_whole(BangerNetlink *netlink, bool *ret_whole, GError **error)
{
    g_autoptr(GArray) anchors = banger_elements_new();
    BangerNftElement elements[BANGER_N_SETS];
    bool found[BANGER_N_SETS];

    banger_elements_add_anchors(anchors);
    for (unsigned int i = 0; i < anchors->len; i++)
        elements[i] = g_array_index(anchors, BangerFilterElement, i).element;
    if (!banger_nft_find_elements(netlink, elements, anchors->len, found, NULL, error))
        return false;
    *ret_whole = true;
    for (unsigned int i = 0; i < anchors->len; i++)
        *ret_whole &= found[i];
    return true;
}

/* Whether nothing is missing in the tables, which have @use objects. */
static bool
are_tables_whole(const BangerFilterContext *context, BangerNetlink *netlink,
                 const uint32_t use[G_N_ELEMENTS(families)], bool *ret_whole, GError **error)
{
    *ret_whole = true;
    for (size_t i = 0; *ret_whole && i < G_N_ELEMENTS(families); i++)
        if (!are_chains_whole(context, netlink, families[i], use[i], ret_whole, error))
            return false;
    return !*ret_whole || are_sets_whole(netlink, ret_whole, error);
}

bool
banger_filter_look(const BangerFilterContext *context, BangerNetlink *netlink,
                   BangerTables *ret_tables, GError **error)
{
    unsigned int exist = 0, current = 0;
    uint32_t use[G_N_ELEMENTS(families)] = {0};
    bool first = false, whole;

    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        g_auto(BangerNftTable) table = {0};

        if (!banger_nft_find_table(netlink, families[i], BANGER_FILTER_TABLE, &table, error))
            return false;
        if (!table.exists)
            continue;
        exist++;
        current += g_str_equal(table.comment, context->comment) ? 1 : 0;
        use[i] = table.use;
        if (!is_marked(table.comment) && !look_at_unmarked(netlink, families[i], &first, error))
            return false;
    }
    if (current < G_N_ELEMENTS(families)) {
        *ret_tables =
            first ? BANGER_TABLES_FIRST : (exist > 0 ? BANGER_TABLES_BROKEN : BANGER_TABLES_ABSENT);
        return true;
    }
    if (!are_tables_whole(context, netlink, use, &whole, error))
        return false;
    *ret_tables = whole ? BANGER_TABLES_WHOLE : BANGER_TABLES_BROKEN;
    return true;
}
