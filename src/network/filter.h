/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/requests.h"
#include "network/filter-element.h"
#include "network/link.h"
#include "network/tap-file.h"
#include "util/settings.h"

/*
 * The tables `inet banger` and `bridge banger`: who is registered, in the kernel.
 *
 * The rules never change while the helper runs; what changes are elements of their sets, a few at a
 * time, asked for together, in one transaction that the kernel refuses if another program changed
 * the rules since they were looked at. What others have is looked at only when another program has
 * changed something (the kernel counts generations), and whether the tables are whole only when it
 * is not known to be none of ours (network/filter-watch.h). If they are not, they are written anew
 * from the labels of our links and the guests' files, as a whole and at once.
 *
 * One caller at a time in this process, as in the kernel. All functions: NotManaged if there is a
 * table of this name of another program's; NotSupported if the kernel lacks something, which is
 * named; LimitsExceeded at a bound of [Network]; Timeout; OperationFailed.
 */

/* Elements to add, and others to take out, which need not be there. */
typedef struct {
    const GArray *add;    /* of BangerFilterElement, or NULL */
    const GArray *remove; /* or NULL */
    const char *commands; /* of nft(8), for what is not an element; or NULL. Without @remove */
} BangerFilterChange;

/* Makes the tables whole, and changes them. */
bool banger_filter_change(const BangerSettings *settings, const BangerFilterChange *change,
                          GError **error);

/* As banger_filter_change(), but the tables go if there is nothing of ours any more. */
bool banger_filter_change_or_end(const BangerSettings *settings, const BangerFilterChange *change,
                                 GError **error);

/* Looks up the one element with the key of @element, and fills in the rest of it. */
bool banger_filter_find(const BangerSettings *settings, BangerFilterElement *element,
                        bool *ret_found, GError **error);

/* Deletes the chain of a list of networks if no guest has that list any more. */
void banger_filter_drop_chain(const char *chain);

/*
 * Fills in @reply->warning with what other programs' rules do to guests, a line each, as it was
 * seen when the tables were last looked at.
 */
void banger_filter_warn(BangerReply *reply);

#ifdef BANGER_TEST_HOOKS
/*
 * Called, where a test has set it, between the steps that another program's transaction could come
 * between: "restored" when the tables were put back, "looked" when a look is over.
 */
extern void (*banger_filter_test_hook)(const char *step);
#endif
