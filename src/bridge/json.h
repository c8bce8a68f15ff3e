/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <json-c/json.h>

/*
 * The member @name of @object, or NULL if it is absent or null. The exact name is preferred; else
 * the last member whose name differs in (ASCII) case alone. Of members of the very same name json-c
 * keeps the last one.
 */
struct json_object *banger_json_member(struct json_object *object, const char *name);

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
