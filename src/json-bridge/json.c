/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/json.h"

#include <string.h>

/* Whether @spelling is @name without regard to case and, with @is_loose, to underscores. */
static bool
is_named(const char *spelling, const char *name, bool is_loose)
{
    for (; *name != '\0'; name++) {
        if (is_loose && *name == '_' && *spelling != '_')
            continue;
        if (g_ascii_tolower(*spelling) != g_ascii_tolower(*name))
            return false;
        spelling++;
    }
    return *spelling == '\0';
}

struct json_object *
banger_json_member(struct json_object *object, const char *name, bool is_loose)
{
    struct json_object *found = NULL;
    struct lh_entry *member;

    lh_foreach (json_object_get_object(object), member) {
        if (lh_entry_v(member) != NULL && is_named(lh_entry_k(member), name, is_loose))
            found = lh_entry_v(member);
    }
    return found;
}

bool
banger_json_exact_member(struct json_object *object, const char *name,
                         struct json_object **ret_value)
{
    const struct lh_entry *found = NULL;
    struct lh_entry *member;

    lh_foreach (json_object_get_object(object), member) {
        if (strcmp(lh_entry_k(member), name) == 0)
            found = member;
    }
    if (found != NULL && ret_value != NULL)
        *ret_value = lh_entry_v(found);
    return found != NULL;
}

struct json_object *
banger_json_field(struct json_object *object, const BangerField *field)
{
    return banger_json_member(object, field->name, (field->flags & BANGER_FIELD_BARE_NAME) != 0);
}

struct json_object *
banger_json_argument(const BangerField *field, size_t index, struct json_object *params)
{
    if (params == NULL)
        return NULL;
    if (json_object_is_type(params, json_type_array))
        return json_object_array_get_idx(params, index);
    return field->type == BANGER_TYPE_DICT ? params : banger_json_field(params, field);
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
        json_object_object_foreach (value, name, member) {
            weight += strlen(name) + banger_json_weight(member);
        }
    }
    return weight;
}
