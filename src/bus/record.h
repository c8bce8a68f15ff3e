/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/types.h>

#include "model/methods.h"

/* What the journal is told of one call. */
typedef struct {
    const BangerMethod *method;
    const BangerRequest *request; /* its op_id must be valid */
    const char *sender;
    bool caller_known; /* uid and pid mean something */
    uid_t uid;
    pid_t pid;
    gint64 duration_usec;
    const GError *error; /* NULL: the call succeeded */
} BangerCallRecord;

/* Writes the one record of a call that was answered (dbus-api: "helper rpc completed", "… failed").
 */
void banger_call_record_send(const BangerCallRecord *call);

/* Writes the debug record of a call that has arrived. */
void banger_call_record_send_arrival(const BangerMethod *method, const BangerRequest *request,
                                     const char *sender);
