/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/destination.h"

/*
 * The group [Network] of helper.conf(5), parsed: which networks and bridges the owner may have, and
 * what their guests reach. All pure; nothing here looks at the host.
 */

typedef struct {
    uint16_t first;
    uint16_t last;
} BangerPortRange;

/* What guests reach of the host itself, besides answers, neighbour discovery and echo. */
typedef enum {
    BANGER_REACH_BRIDGE, /* the addresses of their own bridge, and DHCP */
    BANGER_REACH_ALL,
    BANGER_REACH_NOTHING,
} BangerReach;

typedef struct BangerNetworkSettings {
    GArray *subnets;             /* of BangerSubnet: bridges' networks lie in these */
    bool subnets_are_configured; /* by root; not the defaults */
    uint8_t minimum_prefix4;     /* no network is larger */
    uint8_t minimum_prefix6;
    GStrv bridges;       /* patterns of names */
    GStrv adopt_bridges; /* patterns of names */
    BangerReach guests_reach_host;
    GArray *deny_destinations; /* of BangerSubnet */
    GArray *allow_from;        /* of BangerSubnet */
    GStrv allow_from_links;    /* names of interfaces */
    GArray *routed_guests;     /* of BangerSubnet */
    GArray *forward_ports;     /* of BangerPortRange */
    unsigned int max_bridges;
    unsigned int max_taps;
    unsigned int max_guests; /* of each family */
} BangerNetworkSettings;

/* The names of the keys; NULL at the end. */
extern const char *const banger_network_keys[];

/* The defaults. Free with banger_network_settings_free(). */
BangerNetworkSettings *banger_network_settings_new(void);

void banger_network_settings_free(BangerNetworkSettings *settings);

/*
 * Sets @key, one of banger_network_keys, to what @value says; lists are separated by white space.
 * Errors, OperationFailed, with the part of @value that cannot be right in the message.
 */
bool banger_network_settings_set(BangerNetworkSettings *settings, const char *key,
                                 const char *value, GError **error);

/* Whether all of @subnet lies in one of @list, a GArray of BangerSubnet. */
bool banger_subnet_in_list(const BangerSubnet *subnet, const GArray *list);

/* Whether @name matches one of @patterns ("br-fc*"). */
bool banger_name_matches(const char *name, GStrv patterns);

/* Whether @port is in one of @ranges, a GArray of BangerPortRange. */
bool banger_port_in_ranges(uint16_t port, const GArray *ranges);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerNetworkSettings, banger_network_settings_free)
