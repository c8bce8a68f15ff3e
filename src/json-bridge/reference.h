/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <json-c/json.h>

#include "model/methods.h"

/*
 * What the older helper, whose clients the JSON socket serves, takes in another way than the method
 * table says. Pure.
 */

/*
 * The params of a call of @method as the helper takes them, from those of the caller, which may be
 * NULL, an object or an array:
 *
 *  - SyncResolverRouting does nothing if the bridge or the server is empty, whatever the other is.
 *  - ProcessRunning is false for a number that no process can have.
 *
 * The caller owns the reference.
 */
struct json_object *banger_reference_params(const BangerMethod *method, struct json_object *params);

/*
 * The path @text of an argument of @kind, as the older helper cleans it: without repeated slashes,
 * "." and "..". NULL if @kind is not one that is cleaned, or @text is clean. Free with g_free().
 */
char *banger_reference_clean_path(BangerKind kind, const char *text);
