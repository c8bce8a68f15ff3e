/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/forward-walk.h"

#include <string.h>

#define DEPTH_MAX 16    /* the kernel's own limit (NFT_JUMP_STACK_SIZE) */
#define CHAINS_MAX 256  /* that are read for one base chain; what is behind more is passed over */
#define RULES_MAX 20000 /* of one walk, which may come by a chain again and again */

typedef struct {
    BangerNetlink *netlink;
    const BangerNftBaseChain *base;
    GHashTable *chains; /* by name: the rules, of BangerNftRule */
} Table;

/* The way of one kind of packet. */
typedef struct {
    const char *bridge;
    bool outgoing; /* to the bridge, not from it */
    unsigned int left;
    unsigned int depth;
    struct {
        const GPtrArray *rules;
        unsigned int next;
    } places[DEPTH_MAX + 1];
} Walk;

/* Whether @name is what a rule is for: a name, or what one begins with and "*". */
static bool
is_meant(const char *meant, const char *name)
{
    size_t length = strlen(meant);

    if (length > 0 && meant[length - 1] == '*')
        return strncmp(meant, name, length - 1) == 0;
    return g_str_equal(meant, name);
}

static bool
is_for(const BangerNftRule *rule, const Walk *walk)
{
    if (rule->from != NULL)
        return !walk->outgoing && is_meant(rule->from, walk->bridge);
    return rule->to == NULL || (walk->outgoing && is_meant(rule->to, walk->bridge));
}

/* The rules of the chain @name, read once; NULL if the kernel does not say. */
static const GPtrArray *
find_rules(const Table *table, const char *name, GError **error)
{
    GPtrArray *rules = g_hash_table_lookup(table->chains, name);

    if (rules != NULL)
        return rules;
    if (g_hash_table_size(table->chains) < CHAINS_MAX)
        rules = banger_nft_rules_in_full(table->netlink, table->base->family, table->base->table,
                                         name, error);
    else
        rules = g_ptr_array_new();
    if (rules != NULL)
        g_hash_table_insert(table->chains, g_strdup(name), rules);
    return rules;
}

/* Goes on with the chain that @rule names. False if it cannot be read. */
static bool
follow_rule(const Table *table, Walk *walk, const BangerNftRule *rule, GError **error)
{
    const GPtrArray *rules;

    if (rule->verdict == BANGER_NFT_JUMPS && walk->depth == DEPTH_MAX)
        return true;
    rules = find_rules(table, rule->target, error);
    if (rules == NULL)
        return false;
    if (rule->verdict == BANGER_NFT_JUMPS)
        walk->depth++;
    walk->places[walk->depth].rules = rules;
    walk->places[walk->depth].next = 0;
    return true;
}

/* The rule that decides of the packets, *@ret_rule: NULL if none does. */
static bool
find_end(const Table *table, Walk *walk, const BangerNftRule **ret_rule, GError **error)
{
    *ret_rule = NULL;
    for (; walk->left > 0; walk->left--) {
        const GPtrArray *rules = walk->places[walk->depth].rules;
        const BangerNftRule *rule;

        if (walk->places[walk->depth].next >= rules->len) {
            if (walk->depth == 0)
                return true;
            walk->depth--;
            continue;
        }
        rule = g_ptr_array_index(rules, walk->places[walk->depth].next++);
        if (!is_for(rule, walk))
            continue;
        if (rule->verdict == BANGER_NFT_ACCEPTS || rule->verdict == BANGER_NFT_REFUSES) {
            *ret_rule = rule;
            return true;
        }
        if (rule->verdict == BANGER_NFT_RETURNS)
            walk->places[walk->depth].next = rules->len;
        else if (rule->verdict != BANGER_NFT_UNKNOWN && !follow_rule(table, walk, rule, error))
            return false;
    }
    return true;
}

/* Whether a packet may end in the chain: by its policy, or a rule, for whatever link that is. */
static bool
may_drop(const Table *table, bool *ret_may, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    bool may = table->base->drops;

    g_ptr_array_add(names, table->base->name);
    for (unsigned int i = 0; !may && i < names->len; i++) {
        const GPtrArray *rules = find_rules(table, g_ptr_array_index(names, i), error);

        if (rules == NULL)
            return false;
        for (unsigned int j = 0; !may && j < rules->len; j++) {
            const BangerNftRule *rule = g_ptr_array_index(rules, j);

            may = rule->verdict == BANGER_NFT_REFUSES;
            if (rule->target != NULL && g_hash_table_add(seen, rule->target))
                g_ptr_array_add(names, rule->target);
        }
    }
    *ret_may = may;
    return true;
}

/* As banger_forward_walk(), of what comes from @bridge, or goes to it. */
static bool
walk_once(const Table *table, const char *bridge, bool outgoing, char **ret_how, GError **error)
{
    const GPtrArray *base = find_rules(table, table->base->name, error);
    Walk walk = {.bridge = bridge, .outgoing = outgoing, .left = RULES_MAX};
    const BangerNftRule *end;

    if (base == NULL)
        return false;
    walk.places[0].rules = base;
    if (!find_end(table, &walk, &end, error))
        return false;
    *ret_how = NULL;
    if (end == NULL)
        *ret_how = table->base->drops ? g_strdup("by policy") : NULL;
    else if (end->verdict == BANGER_NFT_REFUSES && end == g_ptr_array_index(base, base->len - 1))
        *ret_how = g_strdup("by its last rule");
    else if (end->verdict == BANGER_NFT_REFUSES)
        *ret_how = g_strdup_printf("by a rule of the chain %s", end->chain);
    return true;
}

static void
free_rules(void *rules)
{
    g_ptr_array_unref(rules);
}

bool
banger_forward_walk(BangerNetlink *netlink, const BangerNftBaseChain *chain,
                    BangerForwardBridges *list, void *user_data, char **ret_how, GError **error)
{
    g_autoptr(GHashTable) chains =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_rules);
    const Table table = {netlink, chain, chains};
    const GPtrArray *bridges;
    char *how = NULL;
    bool may;

    if (!may_drop(&table, &may, error))
        return false;
    bridges = may ? list(user_data, error) : NULL;
    if (may && bridges == NULL)
        return false;
    for (unsigned int i = 0; may && how == NULL && i < 2 * bridges->len; i++)
        if (!walk_once(&table, g_ptr_array_index(bridges, i / 2), i % 2 == 1, &how, error))
            return false;
    *ret_how = how;
    return true;
}
