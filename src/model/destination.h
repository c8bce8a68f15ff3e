/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/address.h"

/* Networks, and what a guest may reach of them. All pure. */

/* An address with the length of its network; its other bits are 0 where it names a network. */
typedef struct {
    BangerAddress address;
    uint8_t prefix;
} BangerSubnet;

/*
 * Parses "ADDRESS/PREFIX", or "ADDRESS" for that address alone, with no bit set outside of the
 * prefix. Any address will do, also one that names no host. Errors: BadParams.
 */
bool banger_subnet_parse(const char *text, BangerSubnet *ret_subnet, GError **error);

/* "ADDRESS/PREFIX". Free with g_free(). */
char *banger_subnet_format(const BangerSubnet *subnet);

/* Whether all of @inner lies in @outer. False for different families. */
bool banger_subnet_contains(const BangerSubnet *outer, const BangerSubnet *inner);

/* Whether @a and @b have an address in common. */
bool banger_subnet_overlaps(const BangerSubnet *a, const BangerSubnet *b);

/* A network that a guest may reach, of which a port or a protocol. */
typedef struct {
    BangerSubnet subnet;
    const char *protocol; /* "tcp", "udp", or NULL: any */
    unsigned int port;    /* 0: any */
} BangerDestination;

#define BANGER_DESTINATION_NONE "none"
#define BANGER_DESTINATION_ALL "*"

/*
 * Parses "ADDRESS[/PREFIX]", "IPv4[/PREFIX]:PORT" or "[IPv6[/PREFIX]]:PORT", each with "/tcp" or
 * "/udp" after it or without. Errors: BadParams.
 */
bool banger_destination_parse(const char *text, BangerDestination *ret_destination, GError **error);

/* The canonical text of a destination, or one of the two above. Errors: BadParams. */
bool banger_destination_normalize(const char *text, char **ret_text, GError **error);
