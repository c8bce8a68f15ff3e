/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/nft-batch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "util/error.h"

/* What libnftnl, and so nft, puts a comment under in the user data of an element. */
#define USERDATA_COMMENT 0

struct BangerNftBatch {
    GByteArray *messages;
    unsigned int last; /* where the last message begins */
    unsigned int size;
};

static void
append_message(BangerNftBatch *batch, const struct nl_msg *message)
{
    batch->last = batch->messages->len;
    banger_netlink_append(batch->messages, message);
}

static void
append_limit(BangerNftBatch *batch, int type, const uint32_t *generation)
{
    const struct nfgenmsg header = {.version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(type, 0, &header, sizeof header);

    if (generation != NULL)
        (void)nla_put_u32(message, NFNL_BATCH_GENID, htonl(*generation));
    append_message(batch, message);
}

BangerNftBatch *
banger_nft_batch_new(uint32_t generation)
{
    BangerNftBatch *batch = g_new0(BangerNftBatch, 1);

    batch->messages = g_byte_array_new();
    append_limit(batch, NFNL_MSG_BATCH_BEGIN, &generation);
    return batch;
}

void
banger_nft_batch_free(BangerNftBatch *batch)
{
    g_byte_array_unref(batch->messages);
    g_free(batch);
}

static void
put_value(struct nl_msg *message, int type, const uint8_t *value, size_t length)
{
    struct nlattr *nest = nla_nest_start(message, type | NLA_F_NESTED);

    (void)nla_put(message, NFTA_DATA_VALUE, (int)length, value);
    (void)nla_nest_end(message, nest);
}

/* A message about one element: its key alone, or all of it. */
static struct nl_msg *
element_message(int type, int flags, const BangerNftElement *element, bool all)
{
    const struct nfgenmsg header = {.nfgen_family = element->family, .version = NFNETLINK_V0};
    struct nl_msg *message =
        banger_netlink_message(NFNL_SUBSYS_NFTABLES << 8 | type, flags, &header, sizeof header);
    struct nlattr *list, *item;

    (void)nla_put_string(message, NFTA_SET_ELEM_LIST_TABLE, element->table);
    (void)nla_put_string(message, NFTA_SET_ELEM_LIST_SET, element->set);
    list = nla_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
    item = nla_nest_start(message, NFTA_LIST_ELEM | NLA_F_NESTED);
    put_value(message, NFTA_SET_ELEM_KEY, element->key, element->key_length);
    if (all && element->data_length > 0)
        put_value(message, NFTA_SET_ELEM_DATA, element->data, element->data_length);
    if (all && element->comment[0] != '\0') {
        uint8_t userdata[2 + sizeof element->comment] = {USERDATA_COMMENT};
        size_t length = strlen(element->comment) + 1;

        userdata[1] = (uint8_t)length;
        memcpy(userdata + 2, element->comment, length);
        (void)nla_put(message, NFTA_SET_ELEM_USERDATA, (int)length + 2, userdata);
    }
    (void)nla_nest_end(message, item);
    (void)nla_nest_end(message, list);
    return message;
}

void
banger_nft_batch_add(BangerNftBatch *batch, const BangerNftElement *element)
{
    g_autoptr(BangerNetlinkMessage) message =
        element_message(NFT_MSG_NEWSETELEM, NLM_F_CREATE, element, true);

    append_message(batch, message);
    batch->size++;
}

void
banger_nft_batch_delete(BangerNftBatch *batch, const BangerNftElement *element)
{
    g_autoptr(BangerNetlinkMessage) message =
        element_message(NFT_MSG_DELSETELEM, 0, element, false);

    append_message(batch, message);
    batch->size++;
}

void
banger_nft_batch_delete_chain(BangerNftBatch *batch, uint8_t family, const char *table,
                              const char *chain)
{
    const struct nfgenmsg header = {.nfgen_family = family, .version = NFNETLINK_V0};
    g_autoptr(BangerNetlinkMessage) message = banger_netlink_message(
        NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELCHAIN, 0, &header, sizeof header);

    (void)nla_put_string(message, NFTA_CHAIN_TABLE, table);
    (void)nla_put_string(message, NFTA_CHAIN_NAME, chain);
    append_message(batch, message);
    batch->size++;
}

unsigned int
banger_nft_batch_size(const BangerNftBatch *batch)
{
    return batch->size;
}

int
banger_nft_batch_commit(BangerNetlink *netlink, BangerNftBatch *batch)
{
    struct nlmsghdr *last = (struct nlmsghdr *)(void *)(batch->messages->data + batch->last);

    if (batch->size == 0)
        return 0;
    last->nlmsg_flags |= NLM_F_ACK;
    append_limit(batch, NFNL_MSG_BATCH_END, NULL);
    return banger_netlink_run_batch(netlink, batch->messages);
}

static void
take_generation(struct nlmsghdr *header, void *user_data)
{
    struct nlattr *attributes[NFTA_GEN_MAX + 1] = {NULL};

    if (nlmsg_parse(header, sizeof(struct nfgenmsg), attributes, NFTA_GEN_MAX, NULL) >= 0 &&
        attributes[NFTA_GEN_ID] != NULL)
        *(uint32_t *)user_data = ntohl(nla_get_u32(attributes[NFTA_GEN_ID]));
}

static struct nl_msg *
generation_message(void)
{
    const struct nfgenmsg header = {.version = NFNETLINK_V0};

    return banger_netlink_message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0, &header,
                                  sizeof header);
}

bool
banger_nft_generation(BangerNetlink *netlink, uint32_t *ret_generation, GError **error)
{
    g_autoptr(BangerNetlinkMessage) message = generation_message();
    uint32_t generation = 0;
    int errnum = banger_netlink_run(netlink, message, take_generation, &generation);

    if (errnum != 0)
        return banger_set_error(
            error,
            errnum == EINVAL || errnum == EOPNOTSUPP ? BANGER_ERROR_NOT_SUPPORTED
                                                     : banger_netlink_code(errnum),
            "cannot look at the nftables rules: %s", banger_netlink_words(netlink));
    *ret_generation = generation;
    return true;
}

static void
take_userdata(struct nlattr *attribute, BangerNftElement *element)
{
    const uint8_t *data = nla_data(attribute);
    size_t left = (size_t)nla_len(attribute);

    while (left >= 2 && left - 2 >= data[1]) {
        if (data[0] == USERDATA_COMMENT) {
            size_t length = MIN(data[1], sizeof element->comment - 1);

            memcpy(element->comment, data + 2, length);
            element->comment[length] = '\0';
            return;
        }
        left -= (size_t)data[1] + 2;
        data += (size_t)data[1] + 2;
    }
}

static void
take_chain(struct nlattr *verdict, BangerNftElement *element)
{
    struct nlattr *chain = nla_find(nla_data(verdict), nla_len(verdict), NFTA_VERDICT_CHAIN);

    if (chain != NULL)
        (void)nla_strlcpy(element->chain, chain, sizeof element->chain);
}

static void
take_element(struct nlmsghdr *header, void *user_data)
{
    BangerNftElement *element = user_data;
    struct nlattr *attributes[NFTA_SET_ELEM_LIST_MAX + 1] = {NULL};
    struct nlattr *parts[NFTA_SET_ELEM_MAX + 1] = {NULL};
    struct nlattr *item, *value = NULL;

    if (nlmsg_parse(header, sizeof(struct nfgenmsg), attributes, NFTA_SET_ELEM_LIST_MAX, NULL) <
            0 ||
        attributes[NFTA_SET_ELEM_LIST_ELEMENTS] == NULL)
        return;
    item = nla_find(nla_data(attributes[NFTA_SET_ELEM_LIST_ELEMENTS]),
                    nla_len(attributes[NFTA_SET_ELEM_LIST_ELEMENTS]), NFTA_LIST_ELEM);
    if (item == NULL || nla_parse_nested(parts, NFTA_SET_ELEM_MAX, item, NULL) < 0)
        return;
    if (parts[NFTA_SET_ELEM_USERDATA] != NULL)
        take_userdata(parts[NFTA_SET_ELEM_USERDATA], element);
    if (parts[NFTA_SET_ELEM_DATA] != NULL) {
        struct nlattr *data = parts[NFTA_SET_ELEM_DATA];
        struct nlattr *verdict = nla_find(nla_data(data), nla_len(data), NFTA_DATA_VERDICT);

        value = nla_find(nla_data(data), nla_len(data), NFTA_DATA_VALUE);
        if (verdict != NULL)
            take_chain(verdict, element);
    }
    if (value != NULL && (size_t)nla_len(value) <= sizeof element->data) {
        element->data_length = (size_t)nla_len(value);
        memcpy(element->data, nla_data(value), element->data_length);
    }
}

bool
banger_nft_find_elements(BangerNetlink *netlink, BangerNftElement *elements, unsigned int n,
                         bool *ret_found, uint32_t *ret_generation, GError **error)
{
    g_autoptr(BangerNetlinkBundle) bundle = banger_netlink_bundle_new();
    uint32_t generation = 0;
    int errnum;

    for (unsigned int i = 0; i < n; i++) {
        g_autoptr(BangerNetlinkMessage) message =
            element_message(NFT_MSG_GETSETELEM, 0, &elements[i], false);

        banger_netlink_bundle_add(bundle, message, take_element, &elements[i], &ret_found[i]);
    }
    if (ret_generation != NULL) {
        g_autoptr(BangerNetlinkMessage) message = generation_message();

        banger_netlink_bundle_add(bundle, message, take_generation, &generation, NULL);
    }
    errnum = banger_netlink_bundle_run(netlink, bundle);
    if (errnum != 0)
        return banger_set_error(error, banger_netlink_code(errnum),
                                "cannot look up elements of the nftables sets: %s",
                                banger_netlink_words(netlink));
    if (ret_generation != NULL)
        *ret_generation = generation;
    return true;
}

bool
banger_nft_find_element(BangerNetlink *netlink, BangerNftElement *element, bool *ret_found,
                        GError **error)
{
    bool found;

    if (!banger_nft_find_elements(netlink, element, 1, &found, NULL, error))
        return false;
    *ret_found = found;
    return true;
}
