/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "model/field.h"

/*
 * Between JSON and a message of the bus, by signatures: a structure is an array (or, where its
 * members' names are known, an object), a dictionary an object, ay a text of base64, h the path of
 * a file.
 */

/* Reads the value that is next in @message, a variant's contents too. NULL if it is malformed. */
struct json_object *bus_value_read(sd_bus_message *message);

/*
 * Appends @value as one complete type @signature to @message. @field, which may be NULL, is what
 * the method table says of it: the names of a structure's members and the types of a dictionary's
 * keys. A key that it does not have gets the type that looks most like its value. @name is for
 * errors, which are of BANGER_ERROR: BadParams, or what opening a file met.
 */
bool bus_value_append(sd_bus_message *message, const char *signature, const BangerField *field,
                      const char *name, struct json_object *value, GError **error);

/*
 * What @text, an argument on the command line, is as a value of the type @signature: a text as it
 * is, a number, a boolean (also yes, no, on, off), an array of texts separated by commas, JSON
 * for everything else, and for a variant JSON or else a text. NULL, with an error, if it is none.
 */
struct json_object *bus_value_parse(const char *signature, const char *name, const char *text,
                                    GError **error);
