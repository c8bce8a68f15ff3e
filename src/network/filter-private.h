/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "network/filter.h"
#include "network/netlink.h"

/* What the parts of network/filter.h share. */

typedef enum {
    BANGER_TABLES_ABSENT,
    BANGER_TABLES_WHOLE,
    BANGER_TABLES_BROKEN, /* ours, of another version or configuration, or something is missing */
    BANGER_TABLES_FIRST,  /* of version 1.0 */
} BangerTables;

typedef struct {
    const BangerSettings *settings;
    const GPtrArray *rules; /* of BangerFilterRule */
    const char *comment;    /* of the tables */
    GString *warnings;
} BangerFilterContext;

/* Says what there is. Errors: NotManaged for a table of another program's. */
bool banger_filter_look(const BangerFilterContext *context, BangerNetlink *netlink,
                        BangerTables *ret_tables, GError **error);

/* Writes the tables anew from what there is of ours; leaves none if that is nothing. */
bool banger_filter_restore(const BangerFilterContext *context, BangerNetlink *netlink,
                           BangerTables tables, GError **error);

/* Whether any link of this host is ours. */
bool banger_filter_any_link(bool *ret_any, GError **error);

/* Deletes those of the tables that are there. */
bool banger_filter_delete_tables(GError **error);
