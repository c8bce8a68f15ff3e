/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <netlink/attr.h>

#include "network/nft.h"

/* nft-rule.c: what a rule does, of NFTA_RULE_EXPRESSIONS as the kernel reports them. */

/* Fills in what banger_nft_rules_in_full() looks at. */
void banger_nft_read_rule(struct nlattr *expressions, BangerNftRule *rule);

/*
 * The comment in a rule's expressions: iptables reads the user data, but where it writes a rule, as
 * iptables-restore does with all of them, the comment becomes a match that always matches. NULL if
 * there is none; else g_free().
 */
char *banger_nft_match_comment(struct nlattr *expressions);
