/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "network/network-settings.h"

/*
 * The tables `inet banger` and `bridge banger` as nft(8) wants them: their sets, and their rules,
 * which depend on nothing but [Network] of helper.conf. docs/network.md shows them and says why
 * each rule is there. Whoever changes a rule changes nothing else: the comment of both tables has a
 * checksum of them, by which an upgraded helper, or one with another configuration, sees that a
 * table is of another kind, and replaces it.
 */

#define BANGER_FILTER_TABLE "banger"

/* Every rule of ours, wherever it is, and both tables have a comment that begins like this. */
#define BANGER_FILTER_MARK "org.banger.Helper1/"
#define BANGER_FILTER_COMMENT BANGER_FILTER_MARK "2 "

/* The top byte of the packet mark. */
#define BANGER_FILTER_MARK_MASK "0xff000000"
#define BANGER_FILTER_MARK_REST "0x00ffffff"
#define BANGER_FILTER_MARK_PASS                                                                    \
    "0xba000000" /* passed by us, between our forward and unmark chains */
#define BANGER_FILTER_MARK_OPEN                                                                    \
    "0xbc000000" /* from a TAP of an adopted bridge, not registered yet */

typedef enum {
    /* bridge banger */
    BANGER_SET_TAPS,    /* our TAPs, whose frames are checked */
    BANGER_SET_OPEN,    /* TAPs of an adopted bridge */
    BANGER_SET_HAS_MAC, /* TAPs with a noted Ethernet address */
    BANGER_SET_MACS,    /* TAP and that */
    BANGER_SET_HAS4,    /* TAPs with a registered address of the family */
    BANGER_SET_HAS6,
    BANGER_SET_SOURCE4, /* TAP and its addresses */
    BANGER_SET_SOURCE6,
    BANGER_SET_TARGET6, /* the same, as what neighbour discovery speaks of */
    /*
     * All registered addresses, and the bridges' own; the comment of an element is TAP and
     * interface, or "bridge" and the bridge.
     */
    BANGER_SET_KNOWN4,
    BANGER_SET_KNOWN6,
    BANGER_SET_KNOWN_TARGET6,
    /* inet banger */
    BANGER_SET_BRIDGES,
    BANGER_SET_PAIRS,   /* each bridge with itself */
    BANGER_SET_GUESTS4, /* address and bridge of guests that may leave */
    BANGER_SET_GUESTS6,
    BANGER_SET_CLOSED4, /* links that stood when we switched forwarding on */
    BANGER_SET_CLOSED6,
    BANGER_SET_UPLINKS,   /* bridges by which a default route goes */
    BANGER_SET_ZONED,     /* our bridges that are in firewalld's zone */
    BANGER_MAP_FORWARDS4, /* protocol and port of the host, to address and port of a guest */
    BANGER_MAP_FORWARDS6,
    BANGER_MAP_EGRESS4, /* address and bridge, to a chain */
    BANGER_MAP_EGRESS6,
    BANGER_N_SETS,
} BangerSetId;

/* The parts of keys and data, a letter each. */
#define BANGER_PART_NAME 'n' /* of an interface */
#define BANGER_PART_IPV4 '4'
#define BANGER_PART_IPV6 '6'
#define BANGER_PART_TARGET 't' /* an IPv6 address as 16 bytes of the packet */
#define BANGER_PART_MAC 'm'
#define BANGER_PART_PROTOCOL 'p'
#define BANGER_PART_PORT 's'
#define BANGER_PART_INDEX 'i' /* of an interface */

typedef struct {
    uint8_t family; /* NFPROTO_BRIDGE or NFPROTO_INET */
    const char *name;
    const char *type; /* as nft declares it */
    const char *key;  /* letters */
    const char *data; /* letters; NULL: a set, or a map to verdicts */
    bool is_kept;     /* no link's label says what is in it */
} BangerSet;

extern const BangerSet banger_sets[BANGER_N_SETS];

/* Whether [Network] says how many elements the set may have. */
bool banger_set_is_bounded(BangerSetId id);

typedef struct {
    uint8_t family;
    const char *name;
    const char *hook; /* NULL: a chain that others jump to */
} BangerChain;

extern const BangerChain banger_chains[];
extern const size_t banger_n_chains;

typedef struct {
    uint8_t family;
    const char *chain;
    char *rule;
    char *comment; /* the whole of it */
} BangerFilterRule;

/* "inet" or "bridge". */
const char *banger_filter_family_name(uint8_t family);

/* The rules for @settings, in order, as a GPtrArray of BangerFilterRule. */
GPtrArray *banger_filter_rules(const BangerNetworkSettings *settings);

/* The comment of both tables for @settings and their @rules. Free with g_free(). */
char *banger_filter_table_comment(const BangerNetworkSettings *settings, const GPtrArray *rules);

/* Appends the commands that make both tables with their sets, chains and @rules, all sets empty. */
void banger_filter_append_tables(GString *commands, const BangerNetworkSettings *settings,
                                 const GPtrArray *rules);
