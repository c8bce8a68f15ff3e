/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "auth/auth.h"
#include "auth/polkit.h"

/*
 * A question from banger_auth_check() to its verdict:
 *
 *               its turn                 challenge, and the caller allows it
 *    WAITING --------------> ASKED ----------------------------------> PROMPTING
 *       |                   |  ^ |                                     | ^ |  |
 *       |                   +--+ |                                     +-+ |  |
 *       |           asked again  | polkit's answer         asked again     |  | polkit's answer
 *       |                        v                                         |  v
 *       +------------------> (verdict, freed) <----------------------------|--+
 *       denied early             ^                                         |
 *                                |  polkit's answer                        |
 *                                +--------------------- ABANDONED <--------+
 *                                                       denied early (from ASKED too)
 *
 * "Asked again": see BangerRetryReason. "Denied early": its time ran out, the caller left, or the
 * service stops. polkit cannot be made to forget a question that no person was asked, so the bus
 * counts it until polkit answers: it stays, ABANDONED, with its verdict behind it.
 */
typedef enum {
    BANGER_QUESTION_WAITING,   /* here, for its turn */
    BANGER_QUESTION_ASKED,     /* polkit has it, and answers by its rules */
    BANGER_QUESTION_PROMPTING, /* polkit has it, and asks a person */
    BANGER_QUESTION_ABANDONED, /* polkit has it; the verdict was called */
} BangerQuestionState;

/*
 * Why a question is asked again, each reason once: a polkitd that is replaced and rules that then
 * come to no end are two accidents, and neither is a verdict.
 */
typedef enum {
    BANGER_RETRY_NONE = 0,
    BANGER_RETRY_LOST = 1 << 0,    /* the answer was lost with polkitd */
    BANGER_RETRY_LATE_NO = 1 << 1, /* a no as late as polkit's when it ends its rules */
} BangerRetryReason;

/* Who is kept from polkit by whom. */
typedef enum {
    BANGER_QUESTION_TRUSTED,
    BANGER_QUESTION_STRANGER,
    BANGER_QUESTION_N_CLASSES,
} BangerQuestionClass;

typedef struct {
    BangerAuth *auth;
    BangerQuestionState state;
    BangerQuestionClass class;
    const BangerMethod *method;
    char *sender;
    uid_t uid;
    char **details; /* names and values in turn, NULL-terminated */
    bool interactive;
    unsigned int retried;      /* BangerRetryReason: those that were used */
    GCancellable *cancellable; /* of what polkit asks a person: only while PROMPTING */
    unsigned int timer;
    int64_t asked_at_usec; /* monotonic */
    BangerAuthVerdict verdict;
    void *user_data;
} BangerQuestion;

/* A question, WAITING, about @call. */
BangerQuestion *banger_question_new(BangerAuth *auth, const BangerSettings *settings,
                                    const BangerAuthCall *call);

void banger_question_free(BangerQuestion *question);

/* AccessDenied, because of @reason. */
GError *banger_question_make_denial(const BangerQuestion *question, const char *reason);

/*
 * What polkit's @answer, one of NO, YES and CHALLENGE, means for the call: NULL if it may go ahead.
 */
GError *banger_question_make_verdict(const BangerQuestion *question, BangerPolkitAnswer answer);
