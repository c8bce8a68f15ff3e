/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BANGER_ERROR_IS_DEFINED_HERE
#include "util/error.h"

#include <string.h>

GQuark
banger_error_quark(void)
{
    return g_quark_from_static_string("banger-error-quark");
}

#define HELPER "org.banger.Helper1.Error."
#define FREEDESKTOP "org.freedesktop.DBus.Error."

static const struct {
    const char *dbus_name;
    const char *json_code;
} codes[BANGER_ERROR_N_CODES] = {
    [BANGER_ERROR_BAD_PARAMS] = {HELPER "BadParams", "bad_params"},
    [BANGER_ERROR_NOT_FOUND] = {HELPER "NotFound", "operation_failed"},
    [BANGER_ERROR_ALREADY_EXISTS] = {HELPER "AlreadyExists", "operation_failed"},
    [BANGER_ERROR_BUSY] = {HELPER "Busy", "operation_failed"},
    [BANGER_ERROR_NOT_MANAGED] = {HELPER "NotManaged", "operation_failed"},
    [BANGER_ERROR_NOT_SUPPORTED] = {HELPER "NotSupported", "operation_failed"},
    [BANGER_ERROR_TIMEOUT] = {HELPER "Timeout", "operation_failed"},
    [BANGER_ERROR_OPERATION_FAILED] = {HELPER "OperationFailed", "operation_failed"},
    [BANGER_ERROR_ACCESS_DENIED] = {FREEDESKTOP "AccessDenied", "unauthorized"},
    [BANGER_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED] = {FREEDESKTOP
                                                         "InteractiveAuthorizationRequired",
                                                         "unauthorized"},
    [BANGER_ERROR_LIMITS_EXCEEDED] = {FREEDESKTOP "LimitsExceeded", "operation_failed"},
};

const char *
banger_error_dbus_name(BangerErrorCode code)
{
    g_assert(code < BANGER_ERROR_N_CODES);
    return codes[code].dbus_name;
}

const char *
banger_error_json_code(BangerErrorCode code)
{
    g_assert(code < BANGER_ERROR_N_CODES);
    return codes[code].json_code;
}

BangerErrorCode
banger_error_from_dbus_name(const char *dbus_name)
{
    for (BangerErrorCode code = 0; code < BANGER_ERROR_N_CODES; code++)
        if (g_strcmp0(codes[code].dbus_name, dbus_name) == 0)
            return code;
    return BANGER_ERROR_OPERATION_FAILED;
}

BangerErrorCode
banger_error_code(const GError *error)
{
    if (error->domain != BANGER_ERROR)
        return BANGER_ERROR_OPERATION_FAILED;
    return (BangerErrorCode)error->code;
}

bool
banger_set_error(GError **error, BangerErrorCode code, const char *format, ...)
{
    va_list args;

    if (error == NULL)
        return false;
    va_start(args, format);
    g_propagate_error(error, g_error_new_valist(BANGER_ERROR, (int)code, format, args));
    va_end(args);
    return false;
}

bool
banger_set_errno(GError **error, BangerErrorCode code, int errnum, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    if (error == NULL)
        return false;
    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    return banger_set_error(error, code, "%s: %s", message, g_strerror(errnum));
}
