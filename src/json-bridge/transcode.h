/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "model/field.h"

/*
 * Between JSON and D-Bus, by the field descriptors of the method table; nothing here knows a
 * method.
 *
 *     STRING   s           a string without NUL; OBJECT_PATH, o, too
 *     BOOLEAN  b           true, false
 *     UINT32   u           a whole number, written without fraction and exponent; q, i and t too
 *     DOUBLE   d           a number
 *     BYTES    ay          a string of base64
 *     STRUCT   (…)         an object
 *     ARRAY    a(…)        an array of objects
 *     LIST     as          an array of strings; or of other values
 *     DICT     a{sv}       an object; as an argument its members are those of the params themselves
 *     MAP      a{sa{sv}}   an object of objects, whose own names are taken as they are
 *
 * As the older clients' encoder has it: names match without regard to case, unknown members are
 * ignored, and what is absent or null is the zero value of its type. An optional member of a
 * dictionary that is absent or null is left out.
 */

/*
 * Appends the arguments @fields of a call to @message. @params is an object, an array of the
 * arguments in their order (trailing ones may be missing), or NULL for none.
 *
 * Errors: BadParams, with the member's name first in the message; LimitsExceeded if the arguments
 * are too large for the bus. @message is of no use then.
 */
bool banger_transcode_params(const BangerField *fields, struct json_object *params,
                             sd_bus_message *message, GError **error);

/*
 * Appends the arguments @fields of the reply @message to @out as one JSON object.
 *
 * Errors: OperationFailed if the reply is not of the types that @fields say. @out is of no use
 * then.
 */
bool banger_transcode_reply(const BangerField *fields, sd_bus_message *message, GString *out,
                            GError **error);
