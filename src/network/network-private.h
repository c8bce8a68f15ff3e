/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "network/guests.h"
#include "network/link.h"
#include "util/settings.h"

/* What the methods' files share with network-check.c. */

/*
 * Whether a guest behind @interface, which has @addresses (of BangerLinkAddress), may have the
 * address @guest. Errors: BadParams.
 */
bool banger_nat_check_address(const BangerAddress *guest, const GArray *addresses,
                              const char *interface, GError **error);

/* Whether @guest may be taken from @owner, who has it: AlreadyExists if a VMM has that TAP open. */
bool banger_nat_check_owner(BangerNetlink *route, const BangerAddress *guest,
                            const BangerGuestOwner *owner, GError **error);

/*
 * The reason why the TAP that exists already is not ours to touch, or not of use; NULL if it is.
 * Free with g_free().
 */
char *banger_tap_refuse(const BangerSettings *settings, const BangerLink *tap);
