/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/types.h>

#include "model/methods.h"

/* What the journal says of one call. */
typedef struct {
    const BangerMethod *method;
    const BangerRequest *request; /* its op_id must be valid */
    const char *sender;
    bool caller_known; /* uid and pid mean something */
    bool authorized;   /* otherwise a caller's text is shortened, and the record may be dropped when
                          the journal is slow */
    uid_t uid;
    pid_t pid;
    gint64 duration_usec;
    const GError *error; /* NULL: the call succeeded */
    const char *warning; /* or NULL */
} BangerCallRecord;

/* Writes the one record of a call that was answered (docs/dbus-api.md, "Journal"). */
void banger_call_record_send(const BangerCallRecord *call);

/* Writes the debug record of a call that has arrived. */
void banger_call_record_send_arrival(const BangerMethod *method, const BangerRequest *request,
                                     const char *sender);

/*
 * Writes that @n_calls of the user @uid (BANGER_LIMITS_UNKNOWN_UID: of callers that the bus did not
 * know) were refused, and have no record.
 */
void banger_call_record_send_unrecorded(uid_t uid, uint64_t n_calls);
