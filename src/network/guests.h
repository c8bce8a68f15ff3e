/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <net/if.h>
#include <stdbool.h>

#include "network/filter.h"
#include "network/label.h"
#include "network/link.h"
#include "util/settings.h"

/*
 * Registering guests. What is registered stands in the label of the TAP and in the tables: the
 * label is written before, and cleared after, so that it says at least what the tables do, whenever
 * the helper is killed.
 */

/* Who has the address @guest, as the tables say it. */
typedef struct {
    char tap[IFNAMSIZ];       /* "" if no TAP has it */
    char interface[IFNAMSIZ]; /* its packets come in by this */
} BangerGuestOwner;

bool banger_guest_find(const BangerSettings *settings, const BangerAddress *guest,
                       BangerGuestOwner *ret_owner, GError **error);

/*
 * One registration at a time: no other comes between a look and the change that follows; nor does
 * an address that leaves its bridge (network/bridge-address.h). Who wants the lock of the bridges'
 * addresses too has that one first.
 */
GMutex *banger_guest_lock(void);

/*
 * The interface by which packets from the TAP @tap come in: its bridge, or itself. NotManaged if
 * that has a name that we would not give.
 */
bool banger_guest_interface(BangerNetlink *route, const BangerLink *tap, BangerLink *ret_interface,
                            GError **error);

/*
 * Takes @guest out of the tables, with its forwarded ports and its restriction, and out of label
 * and file of its TAP if that is there; forgets its flows and its neighbour entry. Not being
 * registered is a success. @owner is what banger_guest_find() said.
 */
bool banger_guest_remove(const BangerSettings *settings, BangerNetlink *route,
                         const BangerAddress *guest, const BangerGuestOwner *owner, GError **error);

/*
 * Takes all guests of the TAP @tap, whose packets came in by @interface, out of the tables;
 * @gone: and itself, since it is deleted, after which nothing of these guests comes back.
 */
bool banger_guest_remove_tap(const BangerSettings *settings, BangerNetlink *route,
                             const BangerLink *tap, const char *interface, bool gone,
                             GError **error);

/*
 * As banger_guest_remove_tap() of a TAP that is not there, if the tables know one of that name. The
 * file of such a TAP goes in any case.
 */
bool banger_guest_remove_stale(const BangerSettings *settings, BangerNetlink *route,
                               const char *tap, GError **error);

/* LimitsExceeded: the label of @tap is longer than the kernel keeps. Returns false. */
bool banger_guest_fail_alias(const BangerLink *tap, GError **error);

/*
 * Writes @label as the alias of the TAP @tap. Errors: LimitsExceeded if it is longer than the
 * kernel keeps, NotFound, OperationFailed.
 */
bool banger_guest_write_label(BangerNetlink *route, const BangerLink *tap, const BangerLabel *label,
                              GError **error);
