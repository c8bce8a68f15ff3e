/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/methods.h"

/*
 * Who may call what. This is the only room that decides it and the only one that knows polkit.
 *
 * uid 0 needs no question. Everyone else is decided by polkit, with the subject system-bus-name (a
 * pid could be another process by the time polkit looks), the action of the method's row, and the
 * details of the request. Whatever is not a clear yes is a no: polkit absent, hanging, or answering
 * an error. Only a question whose answer was lost because polkitd ended, or whose no came as late
 * as the one that polkitd gives for rules that come to no end, is asked again, once for each.
 *
 * polkitd answers one question after the other, so what it has before it is what everyone waits
 * for: few questions are open at a time, fewer of users who are not known to be allowed anything,
 * and the others wait here, in turn by uid.
 *
 * Used from the main thread alone; never blocks.
 */
typedef struct BangerAuth BangerAuth;

/* One call that asks to be authorized. */
typedef struct {
    const BangerMethod *method;
    const BangerRequest *request; /* only read during banger_auth_check() */
    const char *sender;           /* the unique bus name of the caller's connection … */
    uid_t uid;                    /* … and its user */
    bool interactive; /* the caller lets polkit ask a person; the answer may then take two minutes,
                         else twenty seconds, before it counts as a denial */
    bool trusted;     /* the user is known to be allowed something: does not wait for strangers */
    bool no_reply;    /* the caller does not wait for the answer: behind those who do */
} BangerAuthCall;

/*
 * The verdict on one question: @denial is NULL if the call may go ahead; otherwise AccessDenied,
 * InteractiveAuthorizationRequired where polkit would ask but the message forbids it, or
 * LimitsExceeded where as many calls as may wait for a person already. @denial is the callee's to
 * free.
 */
typedef void (*BangerAuthVerdict)(GError *denial, void *user_data);

/* polkit's rules changed, or polkitd went or came: who was allowed something may be no more. */
typedef void (*BangerAuthChanged)(void *user_data);

/* @settings must outlive it. Nothing is sent before the first question to polkit. */
BangerAuth *banger_auth_new(const BangerSettings *settings, BangerAuthChanged changed,
                            void *user_data);

/* Every question must have been answered, and the main loop have ended. */
void banger_auth_free(BangerAuth *auth);

/*
 * The connection @sender is gone: denies its open questions, and ends what polkit asks a
 * person for it.
 */
void banger_auth_forget(BangerAuth *auth, const char *sender);

/*
 * The service is to end soon: denies the questions that wait for a person, and those that come to
 * it later.
 */
void banger_auth_stop(BangerAuth *auth);

/*
 * Asks whether @call may go ahead. @verdict is called exactly once: for uid 0 before this returns,
 * otherwise later, from the main loop.
 */
void banger_auth_check(BangerAuth *auth, const BangerAuthCall *call, BangerAuthVerdict verdict,
                       void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerAuth, banger_auth_free)
