/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The error doctrine, for every file of this project:
 *
 *  - There is one GError domain, BANGER_ERROR, and one enum. The table in error.c has for each code
 *    its D-Bus error name and its JSON code; nothing else knows either.
 *  - A function that can fail takes `GError **error` last and returns false, NULL or -1. Its
 *    outputs (`ret_…`) are untouched on failure. The layer that answers the caller logs once;
 *    nothing below it logs.
 *  - A message is for the person who called: what was attempted, on what, and why it failed, with
 *    the text of the kernel or the library at the end. It has no full stop and no op_id: the layer
 *    that answers adds " (OP_ID)".
 *  - Errors of other GError domains never leave the file that met them: they are rewritten by
 *    banger_set_error() with the text of the original at the end.
 */
#define BANGER_ERROR (banger_error_quark())

typedef enum {
    BANGER_ERROR_BAD_PARAMS,       /* an argument is malformed or outside what banger manages */
    BANGER_ERROR_NOT_FOUND,        /* the object named does not exist */
    BANGER_ERROR_ALREADY_EXISTS,   /* the name is taken by something that is not the same object */
    BANGER_ERROR_BUSY,             /* in use, and stayed so until the time limit */
    BANGER_ERROR_NOT_MANAGED,      /* it exists, but is not managed */
    BANGER_ERROR_NOT_SUPPORTED,    /* this host lacks what it takes */
    BANGER_ERROR_TIMEOUT,          /* a bounded wait ran out */
    BANGER_ERROR_OPERATION_FAILED, /* anything else */
    BANGER_ERROR_ACCESS_DENIED,    /* polkit said no, or could not be asked */
    BANGER_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, /* polkit would ask, the message forbids it */
    BANGER_ERROR_LIMITS_EXCEEDED, /* too many operations in flight, or too large a message */
    BANGER_ERROR_N_CODES,
} BangerErrorCode;

GQuark banger_error_quark(void);

/* The D-Bus error name of @code, e.g. "org.banger.Helper1.Error.Busy". Static. */
const char *banger_error_dbus_name(BangerErrorCode code);

/* The JSON code of @code, e.g. "operation_failed". Static. */
const char *banger_error_json_code(BangerErrorCode code);

/*
 * The code whose D-Bus error name is @dbus_name; BANGER_ERROR_OPERATION_FAILED for a name that is
 * not in the table (an error of the bus itself, for one).
 */
BangerErrorCode banger_error_from_dbus_name(const char *dbus_name);

/* The code of @error; BANGER_ERROR_OPERATION_FAILED if it is of another domain. */
BangerErrorCode banger_error_code(const GError *error);

/* Sets @error (which may be NULL) to @code and the formatted message. Always returns false. */
bool banger_set_error(GError **error, BangerErrorCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/*
 * As banger_set_error(), with ": " and the text of the errno value @errnum (positive) at the end.
 */
bool banger_set_errno(GError **error, BangerErrorCode code, int errnum, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* The analyzer does not see into another file: that the outputs of who failed are never used. */
#if defined(__clang_analyzer__) && !defined(BANGER_ERROR_IS_DEFINED_HERE)
#define banger_set_error(...) (banger_set_error(__VA_ARGS__), false)
#define banger_set_errno(...) (banger_set_errno(__VA_ARGS__), false)
#endif
