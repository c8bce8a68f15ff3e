/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "model/field.h"

/*
 * The key file of a machine (bangerctl(1), "MACHINE FILES"): the dictionary that CreateMachine and
 * DestroyMachine take, as an object with its keys.
 */

/*
 * Reads the key file @path. A name that has no "vm_id" has that of the file, without its extension.
 * *@ret_machine is to be freed with json_object_put(). Errors: BadParams, with the file, the group
 * and the key; OperationFailed if a file cannot be read.
 */
bool machine_file_read(const char *path, struct json_object **ret_machine, GError **error);

/* The keys that the dictionary can have: members of the argument "machine" in the method table. */
const BangerField *machine_file_members(void);

/* What the method table says of the argument "machine" itself. */
const BangerField *machine_file_field(void);
