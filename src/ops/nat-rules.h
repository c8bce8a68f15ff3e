/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* The fixed parts of the table `inet banger` (ops/nat-table.h) and of DOCKER-USER, as nft(8) wants
 * them. Whoever changes a rule changes BANGER_NAT_COMMENT too: that is how an upgraded helper sees
 * that a table is of another version, and replaces it. */

#define BANGER_NAT_TABLE "banger"

/* Every rule of ours, wherever it is, has a comment that begins like this. */
#define BANGER_NAT_COMMENT "org.banger.Helper1/1 "

typedef enum {
    BANGER_NAT_TAPS4,
    BANGER_NAT_TAPS6,
    BANGER_NAT_GUESTS4,
    BANGER_NAT_GUESTS6,
    BANGER_NAT_BRIDGES,
    BANGER_NAT_N_SETS,
} BangerNatSetId;

typedef struct {
    const char *name;
    const char *type;
    int family;         /* of the address an element begins with; 0: no address */
    unsigned int names; /* how many interface names follow */
} BangerNatSet;

extern const BangerNatSet banger_nat_sets[BANGER_NAT_N_SETS];

typedef struct {
    const char *chain;
    const char *rule;
    const char *comment; /* after BANGER_NAT_COMMENT */
} BangerNatRule;

extern const BangerNatRule banger_nat_rules[];
extern const size_t banger_nat_n_rules;

/* The two rules in DOCKER-USER; .chain is not used. */
#define BANGER_NAT_DOCKER_CHAIN "DOCKER-USER"
#define BANGER_NAT_DOCKER_TABLE "filter"
#define BANGER_NAT_N_DOCKER_RULES 2
extern const BangerNatRule banger_nat_docker_rules[BANGER_NAT_N_DOCKER_RULES];

/* Appends the commands that make the table with its sets, chains and rules, all sets empty. */
void banger_nat_append_table(GString *commands);

/* Appends the commands that put our rules first in DOCKER-USER of @family ("ip" or "ip6"). */
void banger_nat_append_docker(GString *commands, const char *family);
