/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/address.h"

/*
 * The alias (IFLA_IFALIAS) of our links: the mark that a link is ours, and after it what only we
 * know of it. It is the record from which the tables are put back when another program flushed
 * them:
 *
 *     org.banger.Helper1 vm=ID mac=02:00:00:00:00:66 open more 172.16.0.2 fd00::2!
 *
 * "open", on a TAP: it stood on a bridge when that was adopted, and its guest is not registered
 * yet. "at=SECONDS": when it was made, since the boot (CLOCK_BOOTTIME). "more", on a TAP: it has a
 * file in /run/banger-helper/net. "adopted", on a bridge: its MAC is the one it had. "forwarding4",
 * "forwarding6", on a bridge: it was we who switched forwarding on.
 */

#define BANGER_LABEL_GUESTS_MAX 4 /* addresses of one TAP */

typedef struct {
    BangerAddress address;
    bool nat; /* it may leave its bridge; "!" after the address if not */
} BangerLabelGuest;

typedef struct {
    char vm[65];        /* "" if none */
    uint64_t made_at_s; /* 0: not known */
    char mac[18];       /* of what the TAP sends, "02:00:00:00:00:66"; "" if it may be any */
    bool open;
    bool more;
    bool adopted;
    bool forwarding4;
    bool forwarding6;
    unsigned int n_guests;
    BangerLabelGuest guests[BANGER_LABEL_GUESTS_MAX];
} BangerLabel;

/* Whether @alias is a label of ours. */
bool banger_label_is_ours(const char *alias);

/* What @alias says; all empty if it is not a label of ours. What is not understood is left out. */
void banger_label_parse(const char *alias, BangerLabel *ret_label);

/*
 * The alias that says what @label does, or NULL if that takes more than the kernel keeps. Free with
 * g_free().
 */
char *banger_label_format(const BangerLabel *label);

/* The alias of a link that is made now. Free with g_free(). */
char *banger_label_format_new(void);

/* The place of @address among the guests of @label, or -1. */
int banger_label_find_guest(const BangerLabel *label, const BangerAddress *address);

/* Whether @label has a guest of @family. */
bool banger_label_has_family(const BangerLabel *label, int family);
