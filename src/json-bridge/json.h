/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "model/field.h"

/*
 * The members of an object as banger_json_parse() makes it: with all those of one name.
 *
 * banger_json_member() takes them as the older clients' encoder has them: the value of the last one
 * that is not null and has the name @name without regard to (ASCII) case; NULL if there is none.
 * With @is_loose a name without the underscores of @name is the same name.
 */
struct json_object *banger_json_member(struct json_object *object, const char *name, bool is_loose);

/*
 * The value of the last member of @object whose name is exactly @name; false, with *@ret_value
 * untouched, if there is none. @ret_value may be NULL.
 */
bool banger_json_exact_member(struct json_object *object, const char *name,
                              struct json_object **ret_value);

/*
 * The value of the argument @field, number @index, in @params: NULL, an object, or an array of the
 * arguments in their order. NULL if it is absent or null. The members of a dictionary are those of
 * the params themselves.
 */
struct json_object *banger_json_argument(const BangerField *field, size_t index,
                                         struct json_object *params);

/* As banger_json_member() of the name of @field. */
struct json_object *banger_json_field(struct json_object *object, const BangerField *field);

/*
 * The text of the string @value, or NULL if @value is not a string or contains a NUL, which no
 * argument may. Belongs to @value.
 */
const char *banger_json_text(struct json_object *value);

/* As many bytes as the arguments @value take in a message, or a few more. */
size_t banger_json_weight(struct json_object *value);

static inline void
banger_json_put(struct json_object *value)
{
    (void)json_object_put(value);
}

typedef struct json_object BangerJson;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerJson, banger_json_put)
