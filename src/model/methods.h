/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/field.h"
#include "model/requests.h"
#include "util/settings.h"

/*
 * The method table: one row a method, and everything about it that is not its work. The D-Bus
 * vtable, the decoders, the polkit check, the journal line, the JSON bridge and the consistency
 * tests all read it. What else belongs to a method is in HACKING.md.
 */

typedef enum {
    BANGER_METHOD_ENSURE_BRIDGE,
    BANGER_METHOD_CREATE_TAP,
    BANGER_METHOD_DELETE_TAP,
    BANGER_METHOD_DELETE_BRIDGE,
    BANGER_METHOD_SYNC_RESOLVER_ROUTING,
    BANGER_METHOD_CLEAR_RESOLVER_ROUTING,
    BANGER_METHOD_ENSURE_NAT,
    BANGER_METHOD_ENSURE_PORT_FORWARD,
    BANGER_METHOD_SET_EGRESS,
    BANGER_METHOD_CREATE_DM_SNAPSHOT,
    BANGER_METHOD_CLEANUP_DM_SNAPSHOT,
    BANGER_METHOD_REMOVE_DM_SNAPSHOT,
    BANGER_METHOD_FSCK_SNAPSHOT,
    BANGER_METHOD_CHECK_IMAGE,
    BANGER_METHOD_READ_EXT4_FILE,
    BANGER_METHOD_READ_EXT4_FILE_TO,
    BANGER_METHOD_WRITE_EXT4_FILES,
    BANGER_METHOD_WRITE_EXT4_FILES_FROM,
    BANGER_METHOD_RESOLVE_FIRECRACKER_BINARY,
    BANGER_METHOD_LAUNCH_FIRECRACKER,
    BANGER_METHOD_ENSURE_SOCKET_ACCESS,
    BANGER_METHOD_FIND_FIRECRACKER_PID,
    BANGER_METHOD_KILL_PROCESS,
    BANGER_METHOD_SIGNAL_PROCESS,
    BANGER_METHOD_PROCESS_RUNNING,
    BANGER_METHOD_CREATE_MACHINE,
    BANGER_METHOD_DESTROY_MACHINE,
    BANGER_METHOD_RECONCILE,
    BANGER_METHOD_STOP_MACHINE,
    BANGER_METHOD_SNAPSHOT_MACHINE,
    BANGER_N_METHODS,
} BangerMethodId;

typedef struct {
    BangerMethodId id;
    const char *dbus_name;  /* "CreateTap" */
    const char *json_name;  /* "priv.create_tap"; NULL: not for JSON */
    const char *action;     /* "org.banger.helper1.create-tap" */
    const BangerField *in;  /* offsets into BangerRequest; op_id is not listed */
    const BangerField *out; /* offsets into BangerReply */

    /* What no single field can say: relations between them. NULL if there are none. */
    bool (*validate)(BangerRequest *request, const BangerSettings *settings, GError **error);

    bool has_job; /* a call can last, and its caller can follow and cancel it (util/job.h) */
} BangerMethod;

/* The row of @id. */
const BangerMethod *banger_method(BangerMethodId id);

/* The row whose D-Bus or JSON name is @name, or NULL. */
const BangerMethod *banger_method_by_dbus_name(const char *name);
const BangerMethod *banger_method_by_json_name(const char *name);

/* Frees @request, decoded for @method, with everything it owns. NULL is allowed. */
void banger_request_free(const BangerMethod *method, BangerRequest *request);

/* Frees what @reply of @method owns; @reply itself is the caller's. */
void banger_reply_clear(const BangerMethod *method, BangerReply *reply);
