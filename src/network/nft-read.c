/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "network/nft-private.h"
#include "util/error.h"

/* What libnftnl, and so nft and iptables alike, puts a comment under in a rule's user data. */
#define USERDATA_COMMENT 0

static struct nl_msg *
new_request(int type, int flags, uint8_t family)
{
    const struct nfgenmsg header = {.nfgen_family = family, .version = NFNETLINK_V0};

    return banger_netlink_message(NFNL_SUBSYS_NFTABLES << 8 | type, flags, &header, sizeof header);
}

/* The error that @errnum of the kernel's is; EINVAL and EOPNOTSUPP: it has no such subsystem. */
static BangerErrorCode
code_of(int errnum)
{
    return errnum == EINVAL || errnum == EOPNOTSUPP ? BANGER_ERROR_NOT_SUPPORTED
                                                    : banger_netlink_code(errnum);
}

static bool
is_answer(struct nlmsghdr *header, int type)
{
    return header->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | type);
}

static void
free_rule(void *user_data)
{
    BangerNftRule *rule = user_data;

    g_free(rule->chain);
    g_free(rule->comment);
    g_free(rule->from);
    g_free(rule->to);
    g_free(rule->target);
    g_free(rule);
}

/* The comment in a rule's user data: one-byte type, one-byte length, value, and so on. */
static char *
find_userdata_comment(struct nlattr *attribute)
{
    const uint8_t *data = nla_data(attribute);
    size_t left = (size_t)nla_len(attribute);

    while (left >= 2 && left - 2 >= data[1]) {
        if (data[0] == USERDATA_COMMENT)
            return g_strndup((const char *)data + 2, data[1]);
        left -= (size_t)data[1] + 2;
        data += (size_t)data[1] + 2;
    }
    return NULL;
}

static char *
find_comment(struct nlattr **rule)
{
    char *comment = NULL;

    if (rule[NFTA_RULE_USERDATA] != NULL)
        comment = find_userdata_comment(rule[NFTA_RULE_USERDATA]);
    if (comment == NULL && rule[NFTA_RULE_EXPRESSIONS] != NULL)
        comment = banger_nft_match_comment(rule[NFTA_RULE_EXPRESSIONS]);
    return comment != NULL ? comment : g_strdup("");
}

/* Appends the rule of @header to @rules; @all: what it does as well. */
static void
add_rule(struct nlmsghdr *header, GPtrArray *rules, bool all)
{
    struct nlattr *attributes[NFTA_RULE_MAX + 1] = {NULL};
    BangerNftRule *rule;

    if (!is_answer(header, NFT_MSG_NEWRULE) ||
        nlmsg_parse(header, sizeof(struct nfgenmsg), attributes, NFTA_RULE_MAX, NULL) < 0 ||
        attributes[NFTA_RULE_CHAIN] == NULL || attributes[NFTA_RULE_HANDLE] == NULL)
        return;
    rule = g_new0(BangerNftRule, 1);
    rule->chain = g_strndup(nla_data(attributes[NFTA_RULE_CHAIN]),
                            (gsize)nla_len(attributes[NFTA_RULE_CHAIN]));
    rule->comment = find_comment(attributes);
    rule->handle = be64toh(nla_get_u64(attributes[NFTA_RULE_HANDLE]));
    if (all && attributes[NFTA_RULE_EXPRESSIONS] != NULL)
        banger_nft_read_rule(attributes[NFTA_RULE_EXPRESSIONS], rule);
    g_ptr_array_add(rules, rule);
}

static void
collect_rule(struct nlmsghdr *header, void *user_data)
{
    add_rule(header, user_data, false);
}

static void
collect_rule_in_full(struct nlmsghdr *header, void *user_data)
{
    add_rule(header, user_data, true);
}

static void
forget_list(void *user_data)
{
    g_ptr_array_set_size(user_data, 0);
}

static GPtrArray *
list_rules(BangerNetlink *netlink, uint8_t family, const char *table, const char *chain,
           BangerNetlinkReply *collect, GError **error)
{
    g_autoptr(GPtrArray) rules = g_ptr_array_new_with_free_func(free_rule);
    g_autoptr(BangerNetlinkMessage) message = new_request(NFT_MSG_GETRULE, NLM_F_DUMP, family);
    int errnum;

    (void)nla_put_string(message, NFTA_RULE_TABLE, table);
    if (chain != NULL)
        (void)nla_put_string(message, NFTA_RULE_CHAIN, chain);
    errnum = banger_netlink_dump(netlink, message, forget_list, collect, rules);
    if (errnum != 0 && errnum != ENOENT) {
        (void)banger_set_error(error, code_of(errnum),
                               "cannot list the rules of the nftables table %s: %s", table,
                               banger_netlink_words(netlink));
        return NULL;
    }
    return g_steal_pointer(&rules);
}

GPtrArray *
banger_nft_rules(BangerNetlink *netlink, uint8_t family, const char *table, const char *chain,
                 GError **error)
{
    return list_rules(netlink, family, table, chain, collect_rule, error);
}

GPtrArray *
banger_nft_rules_in_full(BangerNetlink *netlink, uint8_t family, const char *table,
                         const char *chain, GError **error)
{
    return list_rules(netlink, family, table, chain, collect_rule_in_full, error);
}

static void
free_base_chain(void *user_data)
{
    BangerNftBaseChain *chain = user_data;

    g_free(chain->table);
    g_free(chain->name);
    g_free(chain);
}

static void
collect_forward_chain(struct nlmsghdr *header, void *user_data)
{
    struct nlattr *attributes[NFTA_CHAIN_MAX + 1] = {NULL};
    struct nlattr *hook[NFTA_HOOK_MAX + 1] = {NULL};
    const struct nfgenmsg *info = nlmsg_data(header);
    BangerNftBaseChain *chain;

    if (!is_answer(header, NFT_MSG_NEWCHAIN) ||
        nlmsg_parse(header, sizeof *info, attributes, NFTA_CHAIN_MAX, NULL) < 0 ||
        attributes[NFTA_CHAIN_HOOK] == NULL || attributes[NFTA_CHAIN_TABLE] == NULL ||
        attributes[NFTA_CHAIN_NAME] == NULL ||
        nla_parse_nested(hook, NFTA_HOOK_MAX, attributes[NFTA_CHAIN_HOOK], NULL) < 0 ||
        hook[NFTA_HOOK_HOOKNUM] == NULL ||
        ntohl(nla_get_u32(hook[NFTA_HOOK_HOOKNUM])) != NF_INET_FORWARD)
        return;
    if (info->nfgen_family != NFPROTO_INET && info->nfgen_family != NFPROTO_IPV4 &&
        info->nfgen_family != NFPROTO_IPV6)
        return;
    chain = g_new0(BangerNftBaseChain, 1);
    chain->family = info->nfgen_family;
    chain->table = g_strdup(nla_get_string(attributes[NFTA_CHAIN_TABLE]));
    chain->name = g_strdup(nla_get_string(attributes[NFTA_CHAIN_NAME]));
    chain->drops = attributes[NFTA_CHAIN_POLICY] != NULL &&
                   ntohl(nla_get_u32(attributes[NFTA_CHAIN_POLICY])) == NF_DROP;
    g_ptr_array_add(user_data, chain);
}

GPtrArray *
banger_nft_forward_chains(BangerNetlink *netlink, GError **error)
{
    g_autoptr(GPtrArray) chains = g_ptr_array_new_with_free_func(free_base_chain);
    g_autoptr(BangerNetlinkMessage) message =
        new_request(NFT_MSG_GETCHAIN, NLM_F_DUMP, NFPROTO_UNSPEC);
    int errnum = banger_netlink_dump(netlink, message, forget_list, collect_forward_chain, chains);

    if (errnum == 0)
        return g_steal_pointer(&chains);
    (void)banger_set_error(error, code_of(errnum), "cannot list the nftables chains: %s",
                           banger_netlink_words(netlink));
    return NULL;
}

bool
banger_nft_chain_exists(BangerNetlink *netlink, uint8_t family, const char *table,
                        const char *chain, bool *ret_exists, GError **error)
{
    g_autoptr(BangerNetlinkMessage) message = new_request(NFT_MSG_GETCHAIN, 0, family);
    int errnum;

    (void)nla_put_string(message, NFTA_CHAIN_TABLE, table);
    (void)nla_put_string(message, NFTA_CHAIN_NAME, chain);
    errnum = banger_netlink_run(netlink, message, NULL, NULL);
    /* EAFNOSUPPORT: a kernel without this family, and so without the chain. */
    if (errnum != 0 && errnum != ENOENT && errnum != EAFNOSUPPORT)
        return banger_set_error(error, banger_netlink_code(errnum),
                                "cannot look up the nftables chain %s %s: %s", table, chain,
                                banger_netlink_words(netlink));
    *ret_exists = errnum == 0;
    return true;
}

static void
take_table(struct nlmsghdr *header, void *user_data)
{
    struct nlattr *attributes[NFTA_TABLE_MAX + 1] = {NULL};
    BangerNftTable *table = user_data;

    if (!is_answer(header, NFT_MSG_NEWTABLE) ||
        nlmsg_parse(header, sizeof(struct nfgenmsg), attributes, NFTA_TABLE_MAX, NULL) < 0)
        return;
    if (attributes[NFTA_TABLE_USERDATA] != NULL && table->comment == NULL)
        table->comment = find_userdata_comment(attributes[NFTA_TABLE_USERDATA]);
    if (attributes[NFTA_TABLE_USE] != NULL)
        table->use = ntohl(nla_get_u32(attributes[NFTA_TABLE_USE]));
}

bool
banger_nft_find_table(BangerNetlink *netlink, uint8_t family, const char *name,
                      BangerNftTable *ret_table, GError **error)
{
    g_autoptr(BangerNetlinkMessage) message = new_request(NFT_MSG_GETTABLE, 0, family);
    BangerNftTable table = {0};
    int errnum;

    (void)nla_put_string(message, NFTA_TABLE_NAME, name);
    errnum = banger_netlink_run(netlink, message, take_table, &table);
    /* EAFNOSUPPORT: a kernel without this family, and so without the table. */
    if (errnum != 0 && errnum != ENOENT && errnum != EAFNOSUPPORT)
        return banger_set_error(error, code_of(errnum), "cannot look up the nftables table %s: %s",
                                name, banger_netlink_words(netlink));
    table.exists = errnum == 0;
    if (table.comment == NULL)
        table.comment = g_strdup("");
    *ret_table = table;
    return true;
}

void
banger_nft_table_clear(BangerNftTable *table)
{
    g_clear_pointer(&table->comment, g_free);
}

static void
collect_elements(struct nlmsghdr *header, void *user_data)
{
    struct nlattr *attributes[NFTA_SET_ELEM_LIST_MAX + 1] = {NULL};
    struct nlattr *element;
    int left;

    if (!is_answer(header, NFT_MSG_NEWSETELEM) ||
        nlmsg_parse(header, sizeof(struct nfgenmsg), attributes, NFTA_SET_ELEM_LIST_MAX, NULL) <
            0 ||
        attributes[NFTA_SET_ELEM_LIST_ELEMENTS] == NULL)
        return;
    nla_for_each_nested (element, attributes[NFTA_SET_ELEM_LIST_ELEMENTS], left) {
        struct nlattr *parts[NFTA_SET_ELEM_MAX + 1] = {NULL};
        struct nlattr *value = NULL;

        if (nla_parse_nested(parts, NFTA_SET_ELEM_MAX, element, NULL) == 0 &&
            parts[NFTA_SET_ELEM_KEY] != NULL)
            value = nla_find(nla_data(parts[NFTA_SET_ELEM_KEY]), nla_len(parts[NFTA_SET_ELEM_KEY]),
                             NFTA_DATA_VALUE);
        if (value != NULL)
            g_ptr_array_add(user_data, g_bytes_new(nla_data(value), (gsize)nla_len(value)));
    }
}

GPtrArray *
banger_nft_elements(BangerNetlink *netlink, uint8_t family, const char *table, const char *set,
                    bool *ret_exists, GError **error)
{
    g_autoptr(GPtrArray) elements = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(BangerNetlinkMessage) message = new_request(NFT_MSG_GETSETELEM, NLM_F_DUMP, family);
    int errnum;

    (void)nla_put_string(message, NFTA_SET_ELEM_LIST_TABLE, table);
    (void)nla_put_string(message, NFTA_SET_ELEM_LIST_SET, set);
    errnum = banger_netlink_dump(netlink, message, forget_list, collect_elements, elements);
    if (errnum != 0 && errnum != ENOENT) {
        (void)banger_set_error(error, banger_netlink_code(errnum),
                               "cannot list the nftables set %s %s: %s", table, set,
                               banger_netlink_words(netlink));
        return NULL;
    }
    *ret_exists = errnum == 0;
    return g_steal_pointer(&elements);
}
