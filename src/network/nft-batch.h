/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "network/netlink.h"

/*
 * Elements of nftables sets, by nfnetlink: one transaction of as many messages as there are
 * changes, whose cost does not depend on what else is in the sets or in the tables of others.
 * libnftables would list these first.
 */

#define BANGER_NFT_KEY_MAX 48

/*
 * One element of a set or map. Each part of a key or of data is filled up to a multiple of 4 bytes.
 */
typedef struct {
    uint8_t family; /* NFPROTO_INET, NFPROTO_BRIDGE */
    const char *table;
    const char *set;
    uint8_t key[BANGER_NFT_KEY_MAX];
    size_t key_length;
    uint8_t data[BANGER_NFT_KEY_MAX]; /* of a map */
    size_t data_length;               /* 0: a set */
    char chain[64];                   /* of a map to verdicts, only read: "jump" to it */
    char comment[64];                 /* "" if none */
} BangerNftElement;

typedef struct BangerNftBatch BangerNftBatch;

/*
 * A transaction that the kernel refuses with ERESTART if its rules are not those of @generation any
 * more. Free with banger_nft_batch_free().
 */
BangerNftBatch *banger_nft_batch_new(uint32_t generation);

void banger_nft_batch_free(BangerNftBatch *batch);

/* Adds the element; one that is there already stays as it is. */
void banger_nft_batch_add(BangerNftBatch *batch, const BangerNftElement *element);

/* Takes the element out, which must be there: the transaction fails if not. */
void banger_nft_batch_delete(BangerNftBatch *batch, const BangerNftElement *element);

/* Deletes the chain with its rules; the transaction fails if anything leads to it. */
void banger_nft_batch_delete_chain(BangerNftBatch *batch, uint8_t family, const char *table,
                                   const char *chain);

/* How many changes there are. */
unsigned int banger_nft_batch_size(const BangerNftBatch *batch);

/* Commits all of them or none; 0, or the positive errno (banger_netlink_run_batch()). */
int banger_nft_batch_commit(BangerNetlink *netlink, BangerNftBatch *batch);

/*
 * The number of the rules' present generation: each change by any program counts it up by one.
 * Errors: NotSupported without nftables, OperationFailed.
 */
bool banger_nft_generation(BangerNetlink *netlink, uint32_t *ret_generation, GError **error);

/*
 * Looks up the elements with the keys of the @n @elements, together, and fills in their data and
 * comments. @ret_found[i] is false if that one is not there, and if there is no such set.
 * *@ret_generation, which may be NULL, is the generation when all had been looked up: if it was the
 * same before, they were all there, or not, at one time. Errors: OperationFailed, Timeout.
 */
bool banger_nft_find_elements(BangerNetlink *netlink, BangerNftElement *elements, unsigned int n,
                              bool *ret_found, uint32_t *ret_generation, GError **error);

/* As banger_nft_find_elements(), of one. */
bool banger_nft_find_element(BangerNetlink *netlink, BangerNftElement *element, bool *ret_found,
                             GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerNftBatch, banger_nft_batch_free)
