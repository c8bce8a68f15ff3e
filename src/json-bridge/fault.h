/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

#include "util/error.h"

/* Why a request is not answered with a result, in the terms of both forms of the protocol. */
typedef enum {
    BANGER_FAULT_UNREADABLE,     /* bad_request, -32700: not JSON, too large, too deep, too slow */
    BANGER_FAULT_BAD_REQUEST,    /* bad_request, -32600: JSON, but no request */
    BANGER_FAULT_BAD_VERSION,    /* bad_version */
    BANGER_FAULT_UNKNOWN_METHOD, /* unknown_method, -32601 */
    BANGER_FAULT_CALL,           /* by the D-Bus error's name; BadParams is -32602 */
} BangerFaultKind;

typedef struct {
    BangerFaultKind kind;
    char *dbus_name; /* BANGER_FAULT_CALL: the D-Bus error's name, of the table or of the bus */
    char *message;
} BangerFault;

/* Takes @message. */
BangerFault *banger_fault_new(BangerFaultKind kind, char *message);

/* A BANGER_FAULT_CALL by the code of @error. */
BangerFault *banger_fault_from_error(const GError *error);

/* A BANGER_FAULT_CALL by the name and message of @error, which the helper or the bus sent. */
BangerFault *banger_fault_from_bus(const sd_bus_error *error);

void banger_fault_free(BangerFault *fault);

/* The code of @fault in the older protocol. Static. */
const char *banger_fault_json_code(const BangerFault *fault);

/*
 * The code of @fault in JSON-RPC 2.0. A D-Bus error of the table is -32000 less its number in
 * BangerErrorCode: -32001 (NotFound) to -32010 (LimitsExceeded); any other is OperationFailed.
 */
int banger_fault_rpc_code(const BangerFault *fault);

/* The name the JSON-RPC 2.0 specification gives the code of @fault; NULL for a fault of a call. */
const char *banger_fault_rpc_message(const BangerFault *fault);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerFault, banger_fault_free)
