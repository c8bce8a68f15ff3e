/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "json-bridge/base64.h"
#include "json-bridge/bridge-limits.h"
#include "json-bridge/json.h"
#include "json-bridge/reference.h"
#include "json-bridge/transcode.h"
#include "util/error.h"

typedef struct {
    sd_bus_message *message;
    size_t room; /* bytes of arguments that still fit */
} Writer;

static bool append_value(Writer *writer, const BangerField *field, struct json_object *value,
                         GError **error);

static bool
refuse_value(GError **error, const BangerField *field, const char *what)
{
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: %s", field->name, what);
}

/* What sd-bus says of a value: only that it is no valid one can be the caller's doing. */
static bool
bus_refused(GError **error, const BangerField *field, int r)
{
    if (r == -EINVAL)
        return refuse_value(error, field, "cannot be carried by D-Bus");
    return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r, "%s: cannot be encoded",
                            field->name);
}

static bool
take_room(Writer *writer, const BangerField *field, size_t size, GError **error)
{
    if (size > writer->room)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "%s: the arguments are larger than the %u bytes that the bus takes",
                                field->name, BANGER_BUS_ARGUMENTS_MAX);
    writer->room -= size;
    return true;
}

static bool
append_string(Writer *writer, const BangerField *field, struct json_object *value, GError **error)
{
    const char *text = value != NULL ? banger_json_text(value) : "";
    g_autofree char *clean = NULL;
    int r;

    if (text == NULL)
        return refuse_value(error, field,
                            json_object_is_type(value, json_type_string) ? "contains a NUL"
                                                                         : "must be a string");
    clean = banger_reference_clean_path(field->kind, text);
    if (clean != NULL)
        text = clean;
    if (!take_room(writer, field, strlen(text), error))
        return false;
    r = sd_bus_message_append_basic(writer->message, 's', text);
    return r >= 0 || bus_refused(error, field, r);
}

static bool
append_boolean(Writer *writer, const BangerField *field, struct json_object *value, GError **error)
{
    int boolean = json_object_get_boolean(value);
    int r;

    if (value != NULL && !json_object_is_type(value, json_type_boolean))
        return refuse_value(error, field, "must be true or false");
    r = sd_bus_message_append_basic(writer->message, 'b', &boolean);
    return r >= 0 || bus_refused(error, field, r);
}

static uint64_t
largest_number(BangerType type)
{
    if (type == BANGER_TYPE_UINT16)
        return UINT16_MAX;
    return type == BANGER_TYPE_UINT32 ? UINT32_MAX : UINT64_MAX;
}

/*
 * json-c calls a number with a fraction or an exponent a double, and takes an integer that is too
 * large for the largest one it has.
 */
static bool
append_number(Writer *writer, const BangerField *field, struct json_object *value, GError **error)
{
    const uint64_t max = largest_number(field->type);
    BangerField whole = {.type = field->type};
    uint64_t place = 0; /* for a number of any size */
    int r;

    if (value != NULL) {
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
            json_object_get_uint64(value) > max)
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "%s: must be a whole number from 0 to %" G_GUINT64_FORMAT,
                                    field->name, max);
        banger_field_set_number(&whole, &place, json_object_get_uint64(value));
    }
    r = sd_bus_message_append_basic(writer->message, banger_type_code(field->type), &place);
    return r >= 0 || bus_refused(error, field, r);
}

static bool
append_bytes(Writer *writer, const BangerField *field, struct json_object *value, GError **error)
{
    const char *text = "";
    size_t length = 0, size;
    void *space;
    int r;

    if (value != NULL) {
        if (!json_object_is_type(value, json_type_string))
            return refuse_value(error, field, "must be a string of base64");
        text = json_object_get_string(value);
        length = (size_t)json_object_get_string_len(value);
    }
    if (!banger_base64_check(text, length, &size))
        return refuse_value(error, field, "is not valid base64");
    if (!take_room(writer, field, size, error))
        return false;
    r = sd_bus_message_append_array_space(writer->message, 'y', size, &space);
    if (r < 0)
        return bus_refused(error, field, r);
    if (size > 0)
        banger_base64_decode(text, length, space);
    return true;
}

/* The members of a struct, in their order. @object may be NULL: zero values. */
static bool
append_members(Writer *writer, const BangerField *members, struct json_object *object,
               GError **error)
{
    for (const BangerField *member = members; member->name != NULL; member++) {
        struct json_object *value = NULL;

        if (object != NULL)
            value = banger_json_field(object, member);
        if (!append_value(writer, member, value, error))
            return false;
    }
    return true;
}

static bool
append_struct(Writer *writer, const BangerField *field, struct json_object *value, GError **error)
{
    g_autofree char *contents = banger_fields_signature(field->members);
    int r;

    if (value != NULL && !json_object_is_type(value, json_type_object))
        return refuse_value(error, field, "must be an object");
    if (!take_room(writer, field, sizeof(uint64_t), error))
        return false;
    r = sd_bus_message_open_container(writer->message, 'r', contents);
    if (r < 0)
        return bus_refused(error, field, r);
    if (!append_members(writer, field->members, value, error)) {
        g_prefix_error(error, "%s.", field->name);
        return false;
    }
    r = sd_bus_message_close_container(writer->message);
    return r >= 0 || bus_refused(error, field, r);
}

static bool
append_array(Writer *writer, const BangerField *field, struct json_object *value, GError **error)
{
    g_autoptr(GString) signature = g_string_new(NULL);
    size_t n_elements = 0;
    int r;

    if (value != NULL) {
        if (!json_object_is_type(value, json_type_array))
            return refuse_value(error, field, "must be an array");
        n_elements = json_object_array_length(value);
    }
    /* The helper reads no further than this, and so finds no op_id behind it. */
    if (n_elements > field->max)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s: more than %" G_GUINT64_FORMAT " elements", field->name,
                                field->max);
    banger_field_append_signature(field, signature);
    r = sd_bus_message_open_container(writer->message, 'a', signature->str + 1);
    if (r < 0)
        return bus_refused(error, field, r);
    for (size_t i = 0; i < n_elements; i++) {
        g_autofree char *name = g_strdup_printf("%s[%zu]", field->name, i);
        BangerField element = field->type == BANGER_TYPE_LIST ? *field->members : *field;

        element.name = name;
        if (field->type == BANGER_TYPE_ARRAY)
            element.type = BANGER_TYPE_STRUCT;
        if (!append_value(writer, &element, json_object_array_get_idx(value, i), error))
            return false;
    }
    r = sd_bus_message_close_container(writer->message);
    return r >= 0 || bus_refused(error, field, r);
}

static bool
append_entry(Writer *writer, const BangerField *member, struct json_object *value, GError **error)
{
    g_autoptr(GString) contents = g_string_new(NULL);
    int r;

    banger_field_append_signature(member, contents);
    r = sd_bus_message_open_container(writer->message, 'e', "sv");
    if (r < 0)
        return bus_refused(error, member, r);
    r = sd_bus_message_append_basic(writer->message, 's', member->name);
    if (r < 0)
        return bus_refused(error, member, r);
    r = sd_bus_message_open_container(writer->message, 'v', contents->str);
    if (r < 0)
        return bus_refused(error, member, r);
    if (!append_value(writer, member, value, error))
        return false;
    r = sd_bus_message_close_container(writer->message);
    if (r < 0)
        return bus_refused(error, member, r);
    r = sd_bus_message_close_container(writer->message);
    return r >= 0 || bus_refused(error, member, r);
}

static bool
append_dict(Writer *writer, const BangerField *field, struct json_object *value, GError **error)
{
    int r;

    if (value != NULL && !json_object_is_type(value, json_type_object))
        return refuse_value(error, field, "must be an object");
    r = sd_bus_message_open_container(writer->message, 'a', "{sv}");
    if (r < 0)
        return bus_refused(error, field, r);
    for (const BangerField *member = field->members; member->name != NULL; member++) {
        struct json_object *member_value = value != NULL ? banger_json_field(value, member) : NULL;

        if (member_value == NULL && (member->flags & BANGER_FIELD_OPTIONAL) != 0 &&
            (member->flags & BANGER_FIELD_JSON_ZERO) == 0)
            continue;
        if (!append_entry(writer, member, member_value, error))
            return false;
    }
    r = sd_bus_message_close_container(writer->message);
    return r >= 0 || bus_refused(error, field, r);
}

/* A dictionary that is not the argument itself. */
static bool
append_inner_dict(Writer *writer, const BangerField *field, struct json_object *value,
                  GError **error)
{
    if (value != NULL && !json_object_is_type(value, json_type_object))
        return refuse_value(error, field, "must be an object");
    if (append_dict(writer, field, value, error))
        return true;
    g_prefix_error(error, "%s.", field->name);
    return false;
}

/* One entry of a{sa{sv}}: the key as it is, and its dictionary. */
static bool
append_map_entry(Writer *writer, const BangerField *map, const char *key, struct json_object *value,
                 GError **error)
{
    BangerField dict = map->members[1];
    int r;

    dict.name = key;
    if (!take_room(writer, map, strlen(key) + 1, error))
        return false;
    r = sd_bus_message_open_container(writer->message, 'e', "sa{sv}");
    if (r < 0)
        return bus_refused(error, map, r);
    r = sd_bus_message_append_basic(writer->message, 's', key);
    if (r < 0)
        return bus_refused(error, map, r);
    if (!append_inner_dict(writer, &dict, value, error)) {
        g_prefix_error(error, "%s.", map->name);
        return false;
    }
    r = sd_bus_message_close_container(writer->message);
    return r >= 0 || bus_refused(error, map, r);
}

static bool
append_map(Writer *writer, const BangerField *map, struct json_object *value, GError **error)
{
    int r;

    if (value != NULL && !json_object_is_type(value, json_type_object))
        return refuse_value(error, map, "must be an object");
    if (value != NULL && (uint64_t)json_object_object_length(value) > map->max)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s: more than %" G_GUINT64_FORMAT " members", map->name, map->max);
    r = sd_bus_message_open_container(writer->message, 'a', "{sa{sv}}");
    if (r < 0)
        return bus_refused(error, map, r);
    if (value != NULL) {
        json_object_object_foreach (value, key, member) {
            struct json_object *last = NULL;

            (void)banger_json_exact_member(value, key, &last);
            if (member == last && !append_map_entry(writer, map, key, member, error))
                return false;
        }
    }
    r = sd_bus_message_close_container(writer->message);
    return r >= 0 || bus_refused(error, map, r);
}

static bool
append_value(Writer *writer, const BangerField *field, struct json_object *value, GError **error)
{
    switch (field->type) {
    case BANGER_TYPE_STRING:
        return append_string(writer, field, value, error);
    case BANGER_TYPE_BOOLEAN:
        return append_boolean(writer, field, value, error);
    case BANGER_TYPE_UINT16:
    case BANGER_TYPE_UINT32:
    case BANGER_TYPE_UINT64:
        return append_number(writer, field, value, error);
    case BANGER_TYPE_BYTES:
        return append_bytes(writer, field, value, error);
    case BANGER_TYPE_STRUCT:
        return append_struct(writer, field, value, error);
    case BANGER_TYPE_ARRAY:
    case BANGER_TYPE_LIST:
        return append_array(writer, field, value, error);
    case BANGER_TYPE_DICT:
        return append_inner_dict(writer, field, value, error);
    case BANGER_TYPE_MAP:
        return append_map(writer, field, value, error);
    case BANGER_TYPE_HANDLE:
    case BANGER_TYPE_OBJECT_PATH:
    case BANGER_TYPE_INT32:
    case BANGER_TYPE_DOUBLE:
        break; /* of methods that JSON does not have, and of replies */
    }
    g_assert_not_reached();
}

bool
banger_transcode_params(const BangerField *fields, struct json_object *params,
                        sd_bus_message *message, GError **error)
{
    Writer writer = {message, BANGER_BUS_ARGUMENTS_MAX};

    if (params != NULL && !json_object_is_type(params, json_type_object) &&
        !json_object_is_type(params, json_type_array))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "params: must be an object");
    for (size_t i = 0; fields[i].name != NULL; i++) {
        struct json_object *argument = banger_json_argument(&fields[i], i, params);
        bool ok = fields[i].type == BANGER_TYPE_DICT
                      ? append_dict(&writer, &fields[i], argument, error)
                      : append_value(&writer, &fields[i], argument, error);

        if (!ok)
            return false;
    }
    return true;
}
