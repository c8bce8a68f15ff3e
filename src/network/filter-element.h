/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "network/filter-rules.h"
#include "network/label.h"
#include "network/link.h"
#include "network/nft-batch.h"

/* The elements that our sets have for a bridge, a TAP, a guest and a forwarded port. */

typedef struct {
    BangerSetId set;
    BangerNftElement element;
} BangerFilterElement;

/* A forwarded port: of the host, to a guest. */
typedef struct {
    uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
    uint16_t host_port;
    BangerAddress guest;
    uint16_t guest_port;
} BangerForward;

/* A GArray of BangerFilterElement. */
GArray *banger_elements_new(void);

/*
 * Appends the elements of our bridge @bridge, whose addresses are those in @addresses (a GArray of
 * BangerLinkAddress) with its index.
 */
void banger_elements_add_bridge(GArray *elements, const BangerLink *bridge,
                                const GArray *addresses);

/* Appends those of one of its addresses. */
void banger_elements_add_bridge_address(GArray *elements, const char *bridge,
                                        const BangerAddress *address);

/* Appends that of the TAP @tap: @open as in its label. */
void banger_elements_add_tap(GArray *elements, const char *tap, bool open);

/* Appends those of the Ethernet address @mac ("02:00:00:00:00:66") of the TAP @tap. */
void banger_elements_add_mac(GArray *elements, const char *tap, const char *mac);

/* Appends those of the guest @guest of the TAP @tap, whose packets come in by @interface. */
void banger_elements_add_guest(GArray *elements, const char *tap, const char *interface,
                               const BangerLabelGuest *guest);

/* Appends the one of them that lets it leave its bridge. */
void banger_elements_add_guest_nat(GArray *elements, const char *interface,
                                   const BangerAddress *guest);

void banger_elements_add_forward(GArray *elements, const BangerForward *forward);

/* Appends one of a set that has names for keys, addresses, or indices of links. */
void banger_elements_add_name(GArray *elements, BangerSetId set, const char *name);
void banger_elements_add_address(GArray *elements, BangerSetId set, const BangerAddress *address);
void banger_elements_add_index(GArray *elements, BangerSetId set, int index);

/*
 * Appends one for each set but those that are kept, that no packet matches and that is never taken
 * out: a set without it was flushed by another program.
 */
void banger_elements_add_anchors(GArray *elements);

/* The element of banger_sets[KNOWN4 or KNOWN6] with @address, its comment not filled in. */
void banger_element_init_known(BangerFilterElement *element, const BangerAddress *address);

/* The element of the map EGRESS4 or EGRESS6 of the guest @address behind @interface. */
void banger_element_init_egress(BangerFilterElement *element, const BangerAddress *address,
                                const char *interface);

/* Appends @elements as commands of nft(8), one for each set. */
void banger_elements_append_commands(const GArray *elements, GString *commands);
