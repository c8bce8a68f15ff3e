/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/settings.h"

/*
 * What each user may cost (model/bounds.h), by uid. One user's calls never use up more than that
 * user's share, and what was not authorized yet is counted apart from what runs, so that strangers
 * who wait for polkit can keep neither root nor the owner from anything.
 *
 * A user is trusted who is root or the owner, or had a call authorized less than a minute ago.
 * Everyone else is a stranger, and has budgets: for calls, for the bytes of replies to them (a
 * reader that never reads fills the bus's queue with those), and for records in the journal.
 *
 * Used from the main thread alone.
 */
typedef struct BangerLimits BangerLimits;

/* The one user that all names stand for whose user is not known, yet or for good. */
#define BANGER_LIMITS_UNKNOWN_UID ((uid_t)-1)

/* One call's place within the limits. Zeroed: it has none. */
typedef struct {
    enum {
        BANGER_ADMISSION_NONE,
        BANGER_ADMISSION_WAITING, /* to be authorized */
        BANGER_ADMISSION_RUNNING, /* or for its turn */
    } state;
    uid_t uid;
    size_t bytes;
} BangerAdmission;

/* How many calls of a user were refused without a record of their own. */
typedef void (*BangerLimitsUnrecorded)(uid_t uid, uint64_t n_calls, void *user_data);

/* @settings must outlive it. @unrecorded is called from the main loop, now and then. */
BangerLimits *banger_limits_new(const BangerSettings *settings, BangerLimitsUnrecorded unrecorded,
                                void *user_data);

/* No admission may be left. Calls unrecorded() for what it was not called for yet. */
void banger_limits_free(BangerLimits *limits);

bool banger_limits_is_trusted(const BangerLimits *limits, uid_t uid);

/* polkit's rules changed: who was allowed something by them may be no more. */
void banger_limits_forget_trust(BangerLimits *limits);

/*
 * Whether a call of @uid may be looked at: a trusted user's always, a stranger's within the
 * budgets (there is one more for calls that polkit decides) and while fewer than
 * BANGER_OPERATIONS_PER_UID_MAX are in flight.
 */
bool banger_limits_may_call(BangerLimits *limits, uid_t uid, bool polkit_decides);

/* Whether @bytes may be sent to @uid as the reply to a call that was not authorized. */
bool banger_limits_may_reply(BangerLimits *limits, uid_t uid, size_t bytes);

/*
 * As banger_limits_may_reply(), for a reply that is sent whatever it costs: the next ones are not.
 */
void banger_limits_charge_reply(BangerLimits *limits, uid_t uid, size_t bytes);

/* Whether a call of @uid that was refused may have a record of its own. root's always may. */
bool banger_limits_may_record(BangerLimits *limits, uid_t uid);

/* A call of @uid was refused, and has no record. */
void banger_limits_count_unrecorded(BangerLimits *limits, uid_t uid);

/*
 * Admits a call of @uid with @bytes of arguments to wait for its authorization. Errors:
 * LimitsExceeded, with the limit that was met.
 */
bool banger_limits_admit(BangerLimits *limits, uid_t uid, size_t bytes,
                         BangerAdmission *ret_admission, GError **error);

/*
 * The call was authorized: it is an operation from here on. Errors: LimitsExceeded; it still waits.
 */
bool banger_limits_start(BangerLimits *limits, BangerAdmission *admission, GError **error);

/* The call has ended, wherever it was. */
void banger_limits_release(BangerLimits *limits, BangerAdmission *admission);
