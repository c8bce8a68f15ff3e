/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <net/if.h>
#include <stdbool.h>

#include "model/address.h"
#include "util/settings.h"

/* What is registered of one guest, for who changes that and may have to take it back. */
typedef struct {
    BangerAddress guest;
    char tap[IFNAMSIZ]; /* "" if it is not registered, and then the rest is empty */
    bool nat;           /* it may leave its bridge */
    GStrv egress;       /* NULL: unrestricted */
    GArray *forwards;   /* of BangerForward */
} BangerGuestState;

/* Reads what is registered of @guest. Errors: those of banger_filter_find(), OperationFailed. */
bool banger_guest_state_read(const BangerSettings *settings, const BangerAddress *guest,
                             BangerGuestState *ret_state, GError **error);

void banger_guest_state_clear(BangerGuestState *state);

/*
 * Makes what is registered of the guest what @state says; goes on when a part of it fails. @tap is
 * the TAP that the guest may be registered for now.
 */
void banger_guest_state_restore(const BangerSettings *settings, const BangerGuestState *state,
                                const char *tap);

/*
 * Notes at the TAP @tap that it is that of the machine @vm_id, or of none (""). *@ret_before, which
 * may be NULL, is who it was of; free with g_free(). Errors: NotFound, LimitsExceeded,
 * OperationFailed.
 */
bool banger_tap_note_machine(const char *tap, const char *vm_id, char **ret_before, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerGuestState, banger_guest_state_clear)
