/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <string.h>

#include "network/filter-private.h"
#include "network/nft.h"
#include "util/error.h"

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
 * The rules of the table of the family bridge are listed at once; not so the other's, where each
 * list of networks that guests are restricted to has a chain.
 */
static bool
are_chains_whole(const BangerFilterContext *context, BangerNetlink *netlink, bool *ret_whole,
                 GError **error)
{
    g_autoptr(GPtrArray) of_bridge =
        banger_nft_rules(netlink, NFPROTO_BRIDGE, BANGER_FILTER_TABLE, NULL, error);

    if (of_bridge == NULL)
        return false;
    *ret_whole = true;
    for (size_t i = 0; *ret_whole && i < banger_n_chains; i++) {
        const BangerChain *chain = &banger_chains[i];
        g_autoptr(GPtrArray) found =
            chain->family == NFPROTO_BRIDGE
                ? g_ptr_array_ref(of_bridge)
                : banger_nft_rules(netlink, chain->family, BANGER_FILTER_TABLE, chain->name, error);

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

    *ret_whole = true;
    banger_elements_add_anchors(anchors);
    for (unsigned int i = 0; *ret_whole && i < anchors->len; i++) {
        BangerNftElement *anchor = &g_array_index(anchors, BangerFilterElement, i).element;

        if (!banger_nft_find_element(netlink, anchor, ret_whole, error))
            return false;
    }
    return true;
}

bool
banger_filter_look(const BangerFilterContext *context, BangerNetlink *netlink,
                   BangerTables *ret_tables, GError **error)
{
    static const uint8_t families[] = {NFPROTO_INET, NFPROTO_BRIDGE};
    unsigned int exist = 0, current = 0;
    bool first = false, whole;

    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        g_autofree char *comment = NULL;
        bool exists = false;

        if (!banger_nft_find_table(netlink, families[i], BANGER_FILTER_TABLE, &exists, &comment,
                                   error))
            return false;
        if (!exists)
            continue;
        exist++;
        current += g_str_equal(comment, context->comment) ? 1 : 0;
        if (!is_marked(comment) && !look_at_unmarked(netlink, families[i], &first, error))
            return false;
    }
    if (current < G_N_ELEMENTS(families)) {
        *ret_tables =
            first ? BANGER_TABLES_FIRST : (exist > 0 ? BANGER_TABLES_BROKEN : BANGER_TABLES_ABSENT);
        return true;
    }
    if (!are_chains_whole(context, netlink, &whole, error) ||
        (whole && !are_sets_whole(netlink, &whole, error)))
        return false;
    *ret_tables = whole ? BANGER_TABLES_WHOLE : BANGER_TABLES_BROKEN;
    return true;
}
