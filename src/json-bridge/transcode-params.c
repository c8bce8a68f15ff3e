/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bridge/base64.h"
#include "bridge/json.h"
#include "bridge/limits.h"
#include "bridge/transcode.h"
#include "util/error.h"

typedef struct {
    sd_bus_message *message;
    size_t room; /* bytes of arguments that still fit */
} Writer;

static bool append_value(Writer *writer, const BangerField *field, struct json_object *value,
                         GError **error);

static bool
bad(GError **error, const BangerField *field, const char *what)
{
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: %s", field->name, what);
}

/* What sd-bus says of a value: only that it is no valid one can be the caller's doing. */
static bool
bus_refused(GError **error, const BangerField *field, int r)
{
    if (r == -EINVAL)
        return bad(error, field, "cannot be carried by D-Bus");
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
    int r;

    if (text == NULL)
        return bad(error, field,
                   json_object_is_type(value, json_type_string) ? "contains a NUL"
                                                                : "must be a string");
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
        return bad(error, field, "must be true or false");
    r = sd_bus_message_append_basic(writer->message, 'b', &boolean);
    return r >= 0 || bus_refused(error, field, r);
}

/* json-c calls a number with a fraction or an exponent a double, and takes an integer that is too
 * large for the largest one it has. */
static bool
append_uint32(Writer *writer, const BangerField *field, struct json_object *value, GError **error)
{
    uint32_t number = 0;
    int r;

    if (value != NULL) {
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
            json_object_get_uint64(value) > UINT32_MAX)
            return bad(error, field, "must be a whole number from 0 to 4294967295");
        number = (uint32_t)json_object_get_uint64(value);
    }
    r = sd_bus_message_append_basic(writer->message, 'u', &number);
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
            return bad(error, field, "must be a string of base64");
        text = json_object_get_string(value);
        length = (size_t)json_object_get_string_len(value);
    }
    if (!banger_base64_check(text, length, &size))
        return bad(error, field, "is not valid base64");
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
            value = banger_json_member(object, member->name);
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
        return bad(error, field, "must be an object");
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
    g_autofree char *members = banger_fields_signature(field->members);
    g_autofree char *contents = g_strdup_printf("(%s)", members);
    size_t n_elements = 0;
    int r;

    if (value != NULL) {
        if (!json_object_is_type(value, json_type_array))
            return bad(error, field, "must be an array");
        n_elements = json_object_array_length(value);
    }
    /* The helper reads no further than this, and so finds no op_id behind it. */
    if (n_elements > field->max)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: more than %u elements",
                                field->name, field->max);
    r = sd_bus_message_open_container(writer->message, 'a', contents);
    if (r < 0)
        return bus_refused(error, field, r);
    for (size_t i = 0; i < n_elements; i++) {
        g_autofree char *name = g_strdup_printf("%s[%zu]", field->name, i);
        BangerField element = *field;

        element.name = name;
        if (!append_struct(writer, &element, json_object_array_get_idx(value, i), error))
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
    if (r >= 0)
        r = sd_bus_message_append_basic(writer->message, 's', member->name);
    if (r >= 0)
        r = sd_bus_message_open_container(writer->message, 'v', contents->str);
    if (r < 0)
        return bus_refused(error, member, r);
    if (!append_value(writer, member, value, error))
        return false;
    r = sd_bus_message_close_container(writer->message);
    if (r >= 0)
        r = sd_bus_message_close_container(writer->message);
    return r >= 0 || bus_refused(error, member, r);
}

static bool
append_dict(Writer *writer, const BangerField *field, struct json_object *value, GError **error)
{
    int r;

    if (value != NULL && !json_object_is_type(value, json_type_object))
        return bad(error, field, "must be an object");
    r = sd_bus_message_open_container(writer->message, 'a', "{sv}");
    if (r < 0)
        return bus_refused(error, field, r);
    for (const BangerField *member = field->members; member->name != NULL; member++) {
        struct json_object *member_value =
            value != NULL ? banger_json_member(value, member->name) : NULL;

        if (member_value == NULL && (member->flags & BANGER_FIELD_OPTIONAL) != 0)
            continue;
        if (!append_entry(writer, member, member_value, error))
            return false;
    }
    r = sd_bus_message_close_container(writer->message);
    return r >= 0 || bus_refused(error, field, r);
}

static bool
append_value(Writer *writer, const BangerField *field, struct json_object *value, GError **error)
{
    switch (field->type) {
    case BANGER_TYPE_STRING:
        return append_string(writer, field, value, error);
    case BANGER_TYPE_BOOLEAN:
        return append_boolean(writer, field, value, error);
    case BANGER_TYPE_UINT32:
        return append_uint32(writer, field, value, error);
    case BANGER_TYPE_BYTES:
        return append_bytes(writer, field, value, error);
    case BANGER_TYPE_STRUCT:
        return append_struct(writer, field, value, error);
    case BANGER_TYPE_ARRAY:
        return append_array(writer, field, value, error);
    case BANGER_TYPE_DICT:
        return append_dict(writer, field, value, error);
    }
    g_assert_not_reached();
}

/* The value of the argument @field, number @index, in @params; NULL if it is absent or null. */
static struct json_object *
find_argument(const BangerField *field, size_t index, struct json_object *params)
{
    if (params == NULL)
        return NULL;
    if (json_object_is_type(params, json_type_array))
        return json_object_array_get_idx(params, index);
    return field->type == BANGER_TYPE_DICT ? params : banger_json_member(params, field->name);
}

bool
banger_transcode_params(const BangerField *fields, struct json_object *params,
                        sd_bus_message *message, GError **error)
{
    Writer writer = {message, BANGER_BUS_ARGUMENTS_MAX};

    if (params != NULL && !json_object_is_type(params, json_type_object) &&
        !json_object_is_type(params, json_type_array))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "params: must be an object");
    for (size_t i = 0; fields[i].name != NULL; i++)
        if (!append_value(&writer, &fields[i], find_argument(&fields[i], i, params), error))
            return false;
    return true;
}
