/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bridge/json.h"

#include <string.h>

struct json_object *
banger_json_member(struct json_object *object, const char *name)
{
    struct json_object *found = NULL;
    struct lh_entry *member;

    if (json_object_object_get_ex(object, name, &found))
        return found;
    lh_foreach(json_object_get_object(object),
               member) if (g_ascii_strcasecmp(lh_entry_k(member), name) == 0) found =
        lh_entry_v(member);
    return found;
}

const char *
banger_json_text(struct json_object *value)
{
    const char *text;

    if (!json_object_is_type(value, json_type_string))
        return NULL;
    text = json_object_get_string(value);
    return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

/* A number, a length with its padding, or the signature of a variant and its own. */
#define VALUE_SIZE 16u

size_t
banger_json_weight(struct json_object *value)
{
    size_t weight = VALUE_SIZE;

    if (json_object_is_type(value, json_type_string))
        return weight + (size_t)json_object_get_string_len(value);
    if (json_object_is_type(value, json_type_array))
        for (size_t i = 0; i < json_object_array_length(value); i++)
            weight += banger_json_weight(json_object_array_get_idx(value, i));
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, name, member)
        {
            weight += strlen(name) + banger_json_weight(member);
        }
    }
    return weight;
}
