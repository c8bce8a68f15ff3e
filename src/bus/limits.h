/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "model/settings.h"

/*
 * The bounds on calls in flight (model/limits.h), and whom they may hurt: one user's calls never
 * use up more than that user's share, and what nobody has authorised yet is counted apart from what
 * runs, so that strangers who wait for polkit can keep neither root nor the owner from anything.
 *
 * Used from the main thread alone.
 */
typedef struct BangerLimits BangerLimits;

/* One call's place within the limits. Zeroed: it has none. */
typedef struct {
    enum {
        BANGER_ADMISSION_NONE,
        BANGER_ADMISSION_WAITING, /* for polkit's word */
        BANGER_ADMISSION_RUNNING, /* or for its turn */
    } state;
    uid_t uid;
    size_t bytes;
} BangerAdmission;

/* @settings must outlive it. */
BangerLimits *banger_limits_new(const BangerSettings *settings);

/* No admission may be left. */
void banger_limits_free(BangerLimits *limits);

/*
 * Admits a call of @uid with @bytes of arguments to wait for its authorisation. Errors:
 * LimitsExceeded, with the limit that was met.
 */
bool banger_limits_admit(BangerLimits *limits, uid_t uid, size_t bytes,
                         BangerAdmission *ret_admission, GError **error);

/* The call was authorised: it is an operation from here on. Errors: LimitsExceeded; it still waits.
 */
bool banger_limits_start(BangerLimits *limits, BangerAdmission *admission, GError **error);

/* The call has ended, wherever it was. */
void banger_limits_release(BangerLimits *limits, BangerAdmission *admission);
