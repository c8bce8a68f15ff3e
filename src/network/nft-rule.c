/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <string.h>

#include "network/nft-private.h"

/* One expression of a rule. */
typedef struct {
    struct nlattr *name;
    struct nlattr *data; /* never NULL */
} Expression;

static bool
read_expression(struct nlattr *element, Expression *ret_expression)
{
    struct nlattr *attributes[NFTA_EXPR_MAX + 1] = {NULL};

    if (nla_parse_nested(attributes, NFTA_EXPR_MAX, element, NULL) < 0 ||
        attributes[NFTA_EXPR_NAME] == NULL || attributes[NFTA_EXPR_DATA] == NULL)
        return false;
    *ret_expression = (Expression){attributes[NFTA_EXPR_NAME], attributes[NFTA_EXPR_DATA]};
    return true;
}

static bool
is_named(const Expression *expression, const char *name)
{
    return nla_strcmp(expression->name, name) == 0;
}

/* What iptables' comment match says; NULL if the expression is another one. */
static char *
read_match_comment(const Expression *expression)
{
    struct nlattr *match[NFTA_MATCH_MAX + 1] = {NULL};

    if (!is_named(expression, "match") ||
        nla_parse_nested(match, NFTA_MATCH_MAX, expression->data, NULL) < 0 ||
        match[NFTA_MATCH_NAME] == NULL || nla_strcmp(match[NFTA_MATCH_NAME], "comment") != 0 ||
        match[NFTA_MATCH_INFO] == NULL)
        return NULL;
    return g_strndup(nla_data(match[NFTA_MATCH_INFO]), (gsize)nla_len(match[NFTA_MATCH_INFO]));
}

char *
banger_nft_match_comment(struct nlattr *expressions)
{
    struct nlattr *element;
    int left;

    nla_for_each_nested (element, expressions, left) {
        Expression expression;
        char *comment;

        if (!read_expression(element, &expression))
            continue;
        comment = read_match_comment(&expression);
        if (comment != NULL)
            return comment;
    }
    return NULL;
}

/* Takes the verdict @data of an immediate into @rule. Whether it is a known one. */
static bool
take_verdict_data(struct nlattr *data, BangerNftRule *rule)
{
    struct nlattr *verdict[NFTA_VERDICT_MAX + 1] = {NULL};
    struct nlattr *nested = nla_find(nla_data(data), nla_len(data), NFTA_DATA_VERDICT);
    int32_t code;

    if (nested == NULL || nla_parse_nested(verdict, NFTA_VERDICT_MAX, nested, NULL) < 0 ||
        verdict[NFTA_VERDICT_CODE] == NULL)
        return false;
    code = (int32_t)ntohl(nla_get_u32(verdict[NFTA_VERDICT_CODE]));
    if ((code == NFT_JUMP || code == NFT_GOTO) && verdict[NFTA_VERDICT_CHAIN] != NULL) {
        rule->verdict = code == NFT_JUMP ? BANGER_NFT_JUMPS : BANGER_NFT_GOES;
        rule->target = g_strndup(nla_data(verdict[NFTA_VERDICT_CHAIN]),
                                 (gsize)nla_len(verdict[NFTA_VERDICT_CHAIN]));
    } else if (code == NF_ACCEPT) {
        rule->verdict = BANGER_NFT_ACCEPTS;
    } else if (code == NF_DROP) {
        rule->verdict = BANGER_NFT_REFUSES;
    } else if (code == NFT_RETURN) {
        rule->verdict = BANGER_NFT_RETURNS;
    } else
        return false;
    return true;
}

/* The expression is a verdict: nft's, or iptables' REJECT, which is a target of its own. */
static bool
take_verdict(const Expression *expression, BangerNftRule *rule)
{
    struct nlattr *attributes[MAX(NFTA_IMMEDIATE_MAX, NFTA_TARGET_MAX) + 1] = {NULL};

    if (is_named(expression, "immediate"))
        return nla_parse_nested(attributes, NFTA_IMMEDIATE_MAX, expression->data, NULL) >= 0 &&
               attributes[NFTA_IMMEDIATE_DATA] != NULL &&
               take_verdict_data(attributes[NFTA_IMMEDIATE_DATA], rule);
    if (!is_named(expression, "reject") &&
        !(is_named(expression, "target") &&
          nla_parse_nested(attributes, NFTA_TARGET_MAX, expression->data, NULL) >= 0 &&
          attributes[NFTA_TARGET_NAME] != NULL &&
          nla_strcmp(attributes[NFTA_TARGET_NAME], "REJECT") == 0))
        return false;
    rule->verdict = BANGER_NFT_REFUSES;
    return true;
}

/* Whether the expression lets every packet through to the next one. */
static bool
is_neutral(const Expression *expression)
{
    g_autofree char *comment = read_match_comment(expression);

    return comment != NULL || is_named(expression, "counter") || is_named(expression, "log");
}

/* The key that the expression loads, if it loads one of a packet's (NFT_META_…); else -1. */
static int64_t
loaded_key(const Expression *expression)
{
    struct nlattr *meta[NFTA_META_MAX + 1] = {NULL};

    if (!is_named(expression, "meta") ||
        nla_parse_nested(meta, NFTA_META_MAX, expression->data, NULL) < 0 ||
        meta[NFTA_META_KEY] == NULL || meta[NFTA_META_DREG] == NULL)
        return -1;
    return ntohl(nla_get_u32(meta[NFTA_META_KEY]));
}

/*
 * The name that the expression compares with, with "*" behind it if more may follow there; NULL if
 * it is another one.
 */
static char *
compared_name(const Expression *expression)
{
    struct nlattr *compare[NFTA_CMP_MAX + 1] = {NULL};
    struct nlattr *value;
    g_autofree char *name = NULL;

    if (!is_named(expression, "cmp") ||
        nla_parse_nested(compare, NFTA_CMP_MAX, expression->data, NULL) < 0 ||
        compare[NFTA_CMP_OP] == NULL || ntohl(nla_get_u32(compare[NFTA_CMP_OP])) != NFT_CMP_EQ ||
        compare[NFTA_CMP_DATA] == NULL)
        return NULL;
    value = nla_find(nla_data(compare[NFTA_CMP_DATA]), nla_len(compare[NFTA_CMP_DATA]),
                     NFTA_DATA_VALUE);
    if (value == NULL)
        return NULL;
    name = g_strndup(nla_data(value), (gsize)nla_len(value));
    return strlen(name) < (size_t)nla_len(value) ? g_steal_pointer(&name)
                                                 : g_strconcat(name, "*", NULL);
}

/* Takes the next expression of a rule; *@key is what the one before loaded, -1 without. */
static bool
take_expression(const Expression *expression, int64_t *key, BangerNftRule *rule)
{
    int64_t loaded = *key;
    char **name = loaded == NFT_META_IIFNAME ? &rule->from : &rule->to;

    *key = -1;
    if (loaded >= 0)
        return rule->from == NULL && rule->to == NULL &&
               (*name = compared_name(expression)) != NULL;
    *key = loaded_key(expression);
    if (*key >= 0)
        return *key == NFT_META_IIFNAME || *key == NFT_META_OIFNAME;
    return is_neutral(expression) || take_verdict(expression, rule);
}

void
banger_nft_read_rule(struct nlattr *expressions, BangerNftRule *rule)
{
    bool known = true;
    int64_t key = -1;
    struct nlattr *element;
    int left;

    nla_for_each_nested (element, expressions, left) {
        Expression expression;

        known = known && read_expression(element, &expression) &&
                take_expression(&expression, &key, rule);
    }
    if (known)
        return;
    rule->verdict = BANGER_NFT_UNKNOWN;
    g_clear_pointer(&rule->from, g_free);
    g_clear_pointer(&rule->to, g_free);
    g_clear_pointer(&rule->target, g_free);
}
