/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The TAPs and bridges of ours that there are, as the kernel knows them: rtnetlink(7), and for the
 * name servers systemd-resolved. Nothing is changed.
 */

typedef struct {
    char *name;
    char *bridge; /* the one it is a port of, or "" */
    uid_t owner;  /* UINT32_MAX: everybody may open it */
    uint32_t mtu;
    bool attached;      /* a program has it open */
    bool nat;           /* a guest of it may leave its bridge */
    char **guest_ips;   /* the addresses registered for it */
    uint64_t made_at_s; /* by banger_uptime_s(); 0: not known */
    char *machine;      /* the vm_id of the machine it was registered for, or "" */
} BangerTapInfo;

typedef struct {
    char *name;
    char **addresses; /* "172.16.0.1/24", without link-local ones */
    unsigned int ports;
    uint64_t made_at_s; /* as in BangerTapInfo */
    char *resolver;     /* the name server that resolved asks on it ("172.16.0.1:53"), or "" */
} BangerBridgeInfo;

/* Frees a BangerTapInfo. */
void banger_tap_info_free(gpointer tap);

/* Frees a BangerBridgeInfo. */
void banger_bridge_info_free(gpointer bridge);

/*
 * Adds the TAPs that bear our mark to @taps, name to BangerTapInfo, and our bridges to @bridges,
 * name to BangerBridgeInfo; either may be NULL. One dump of the links, one of the addresses, and
 * with @resolvers one question to resolved, which is not started for it and has half a second: the
 * resolver is "" without an answer. The keys are parts of the values. Errors: Timeout,
 * OperationFailed.
 */
bool banger_network_list(GHashTable *taps, GHashTable *bridges, bool resolvers, GError **error);

/* As banger_network_list(), of the TAP @name alone, if it is one of ours. */
bool banger_network_find_tap(const char *name, GHashTable *taps, GError **error);
