/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/fault.h"

#define RPC_INVALID_PARAMS (-32602)
#define RPC_HELPER_ERRORS (-32000)

static const struct {
    const char *json_code;
    int rpc_code;
    const char *rpc_message;
} kinds[] = {
    [BANGER_FAULT_UNREADABLE] = {"bad_request", -32700, "Parse error"},
    [BANGER_FAULT_BAD_REQUEST] = {"bad_request", -32600, "Invalid Request"},
    [BANGER_FAULT_BAD_VERSION] = {"bad_version", -32600, "Invalid Request"},
    [BANGER_FAULT_UNKNOWN_METHOD] = {"unknown_method", -32601, "Method not found"},
};

BangerFault *
banger_fault_new(BangerFaultKind kind, char *message)
{
    BangerFault *fault = g_new0(BangerFault, 1);

    fault->kind = kind;
    fault->message = message;
    return fault;
}

BangerFault *
banger_fault_from_error(const GError *error)
{
    BangerFault *fault = banger_fault_new(BANGER_FAULT_CALL, g_strdup(error->message));

    fault->dbus_name = g_strdup(banger_error_dbus_name(banger_error_code(error)));
    return fault;
}

BangerFault *
banger_fault_from_bus(const sd_bus_error *error)
{
    BangerFault *fault = banger_fault_new(
        BANGER_FAULT_CALL, g_strdup(error->message != NULL ? error->message : error->name));

    fault->dbus_name = g_strdup(error->name);
    return fault;
}

void
banger_fault_free(BangerFault *fault)
{
    if (fault == NULL)
        return;
    g_free(fault->dbus_name);
    g_free(fault->message);
    g_free(fault);
}

const char *
banger_fault_json_code(const BangerFault *fault)
{
    if (fault->kind == BANGER_FAULT_CALL)
        return banger_error_json_code(banger_error_from_dbus_name(fault->dbus_name));
    return kinds[fault->kind].json_code;
}

int
banger_fault_rpc_code(const BangerFault *fault)
{
    BangerErrorCode code;

    if (fault->kind != BANGER_FAULT_CALL)
        return kinds[fault->kind].rpc_code;
    code = banger_error_from_dbus_name(fault->dbus_name);
    return code == BANGER_ERROR_BAD_PARAMS ? RPC_INVALID_PARAMS : RPC_HELPER_ERRORS - (int)code;
}

const char *
banger_fault_rpc_message(const BangerFault *fault)
{
    return fault->kind == BANGER_FAULT_CALL ? NULL : kinds[fault->kind].rpc_message;
}
