/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "network/netlink.h"

/*
 * nftables. What the kernel has is read by nfnetlink directly: the answers are fixed structures,
 * where the text of libnftables changes with its version, and listing a chain of iptables' through
 * it would load the extensions of iptables into this process. What changes is written by
 * libnftables, one atomic transaction a call.
 */

/*
 * Runs @commands, in the syntax of nft(8), as one transaction: all of them or none. One caller at a
 * time in this process (libnftables has global state); others wait. Errors: OperationFailed with
 * libnftables' message; NotSupported if the library cannot be loaded.
 */
bool banger_nft_run(const char *commands, GError **error);

/* What becomes of each packet that a rule is for. */
typedef enum {
    BANGER_NFT_UNKNOWN, /* it goes on to the next rule, or that cannot be said of all */
    BANGER_NFT_ACCEPTS,
    BANGER_NFT_REFUSES, /* drops or rejects */
    BANGER_NFT_JUMPS,   /* to another chain, and back to the next rule */
    BANGER_NFT_GOES,    /* to another chain, and not back */
    BANGER_NFT_RETURNS,
} BangerNftVerdict;

/* A rule with a comment. */
typedef struct {
    char *chain;
    char *comment; /* "" if it has none */
    uint64_t handle;
    /* Only banger_nft_rules_in_full() looks at what follows. */
    BangerNftVerdict verdict;
    /*
     * The packets that it is for: all that come in by a link or go out by one, whose name it is, or
     * begins with what stands before a "*"; all there are if both are NULL.
     */
    char *from, *to;
    char *target; /* the other chain, or NULL */
} BangerNftRule;

/*
 * The rules of the table @table of @family (NFPROTO_INET, …), in order, chain by chain; only those
 * of @chain if that is not NULL. A table or chain that does not exist has no rules. A GPtrArray of
 * BangerNftRule; NULL with NotSupported (no nftables in this kernel) or OperationFailed. @netlink
 * is a NETLINK_NETFILTER socket.
 */
GPtrArray *banger_nft_rules(BangerNetlink *netlink, uint8_t family, const char *table,
                            const char *chain, GError **error);

/* As banger_nft_rules(), with what each rule does. */
GPtrArray *banger_nft_rules_in_full(BangerNetlink *netlink, uint8_t family, const char *table,
                                    const char *chain, GError **error);

/* A base chain at the hook forward. */
typedef struct {
    uint8_t family; /* NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6 */
    char *table;
    char *name;
    bool drops; /* by policy */
} BangerNftBaseChain;

/*
 * All base chains at the hook forward, as a GPtrArray of BangerNftBaseChain; NULL with
 * OperationFailed. One dump of all chains.
 */
GPtrArray *banger_nft_forward_chains(BangerNetlink *netlink, GError **error);

/* Whether there is such a chain. */
bool banger_nft_chain_exists(BangerNetlink *netlink, uint8_t family, const char *table,
                             const char *chain, bool *ret_exists, GError **error);

typedef struct {
    bool exists;
    char *comment; /* "" without one */
    uint32_t use;  /* how many chains, sets and other objects there are in it; 0: not known */
} BangerNftTable;

/* Looks up the table @name. Clear *@ret_table with banger_nft_table_clear(). */
bool banger_nft_find_table(BangerNetlink *netlink, uint8_t family, const char *name,
                           BangerNftTable *ret_table, GError **error);

void banger_nft_table_clear(BangerNftTable *table);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerNftTable, banger_nft_table_clear)

/*
 * The elements of the set @set of the table @table of @family: their keys as the kernel has
 * them, each part of a concatenation filled up to a multiple of four bytes. A GPtrArray of GBytes;
 * *@ret_exists distinguishes an empty set from none at all. NULL with OperationFailed.
 */
GPtrArray *banger_nft_elements(BangerNetlink *netlink, uint8_t family, const char *table,
                               const char *set, bool *ret_exists, GError **error);
