/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "model/methods.h"

/*
 * Who may call what. This is the only place that decides it and the only one that knows polkit.
 *
 * uid 0 needs no question. Everyone else is polkit's to judge, with the subject system-bus-name (a
 * pid could be another process by the time polkit looks), the action of the method's row, and as
 * details every scalar argument under its own name, `op_id` and `caller_is_owner`. Whatever is not
 * a clear yes is a no: polkit absent, hanging, restarting, or answering an error.
 *
 * Used from the main thread alone; never blocks.
 */
typedef struct BangerAuth BangerAuth;

/*
 * The verdict on one question: @denial is NULL if the call may go ahead; otherwise AccessDenied, or
 * InteractiveAuthorizationRequired where polkit would ask but the message forbids it. @denial is
 * the callee's to free.
 */
typedef void (*BangerAuthVerdict)(GError *denial, gpointer user_data);

/* @settings must outlive it. Nothing is sent over @bus before the first question to polkit. */
BangerAuth *banger_auth_new(sd_bus *bus, const BangerSettings *settings);

/* Every question must have been answered. */
void banger_auth_free(BangerAuth *auth);

/* The connection @sender is gone: denies its open questions, and ends what polkit asks a
 * person for it. */
void banger_auth_forget(BangerAuth *auth, const char *sender);

/* The service is to end soon: denies the questions that wait for a person, and those that come to
 * it later. */
void banger_auth_stop(BangerAuth *auth);

/*
 * Asks whether the connection @sender (a unique bus name) of user @uid may call @method with
 * @request.
 * @interactive: the caller lets polkit ask a person; the answer may then take two minutes, else
 * twenty seconds, before it counts as a denial. @verdict is called exactly once: for uid 0, and as
 * a denial if polkit cannot be asked, before this returns; otherwise later, from the main loop.
 * @request is only read during this call.
 */
void banger_auth_check(BangerAuth *auth, const BangerMethod *method, const BangerRequest *request,
                       const char *sender, uid_t uid, bool interactive, BangerAuthVerdict verdict,
                       gpointer user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerAuth, banger_auth_free)
