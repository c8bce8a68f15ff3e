/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>

#include "json-bridge/base64.h"
#include "json-bridge/transcode.h"
#include "util/error.h"
#include "util/json-string.h"

/*
 * All functions return what sd-bus returns: negative if the message is not as expected. Its
 * signature was compared before, so that this can only be a dictionary's doing.
 */
static int read_value(const BangerField *field, sd_bus_message *message, GString *out);

/* A string or an object path. */
static int
read_string(const BangerField *field, sd_bus_message *message, GString *out)
{
    const char *text;
    int r = sd_bus_message_read_basic(message, banger_type_code(field->type), &text);

    if (r > 0)
        banger_json_append_string(out, text);
    return r;
}

static int
read_boolean(sd_bus_message *message, GString *out)
{
    int boolean;
    int r = sd_bus_message_read_basic(message, 'b', &boolean);

    if (r > 0)
        g_string_append(out, boolean ? "true" : "false");
    return r;
}

static int
read_number(const BangerField *field, sd_bus_message *message, GString *out)
{
    BangerField whole = {.type = field->type};
    uint64_t place; /* for a number of any size */
    int r = sd_bus_message_read_basic(message, banger_type_code(field->type), &place);

    if (r <= 0)
        return r;
    if (field->type == BANGER_TYPE_INT32)
        g_string_append_printf(out, "%d", (int)banger_field_number(&whole, &place));
    else
        g_string_append_printf(out, "%" G_GUINT64_FORMAT, banger_field_number(&whole, &place));
    return r;
}

/* JSON has neither infinities nor what is no number: 0. */
static int
read_double(sd_bus_message *message, GString *out)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    double number;
    int r = sd_bus_message_read_basic(message, 'd', &number);

    if (r > 0)
        g_string_append(out, isfinite(number) ? g_ascii_dtostr(text, sizeof text, number) : "0");
    return r;
}

static int
read_bytes(sd_bus_message *message, GString *out)
{
    const void *data;
    size_t size;
    int r = sd_bus_message_read_array(message, 'y', &data, &size);

    if (r < 0)
        return r;
    g_string_append_c(out, '"');
    banger_base64_append(out, data, size);
    g_string_append_c(out, '"');
    return 1;
}

/* The name of an object's next member. */
static void
append_name(GString *out, const char *name)
{
    if (out->str[out->len - 1] != '{')
        g_string_append_c(out, ',');
    banger_json_append_string(out, name);
    g_string_append_c(out, ':');
}

static int
read_members(const BangerField *members, sd_bus_message *message, GString *out)
{
    g_string_append_c(out, '{');
    for (const BangerField *member = members; member->name != NULL; member++) {
        int r;

        append_name(out, member->name);
        r = read_value(member, message, out);
        if (r <= 0)
            return r < 0 ? r : -EBADMSG;
    }
    g_string_append_c(out, '}');
    return 1;
}

/* Returns 0 where there is no further struct. */
static int
read_struct(const BangerField *field, sd_bus_message *message, GString *out)
{
    g_autofree char *contents = banger_fields_signature(field->members);
    int r = sd_bus_message_enter_container(message, 'r', contents);

    if (r <= 0)
        return r;
    r = read_members(field->members, message, out);
    if (r < 0)
        return r;
    r = sd_bus_message_exit_container(message);
    return r < 0 ? r : 1;
}

static int
read_array(const BangerField *field, sd_bus_message *message, GString *out)
{
    g_autoptr(GString) signature = g_string_new(NULL);
    int r;

    banger_field_append_signature(field, signature);
    r = sd_bus_message_enter_container(message, 'a', signature->str + 1);
    if (r <= 0)
        return r;
    g_string_append_c(out, '[');
    for (unsigned int i = 0; sd_bus_message_at_end(message, 0) == 0; i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        r = field->type == BANGER_TYPE_LIST ? read_value(field->members, message, out)
                                            : read_struct(field, message, out);
        if (r <= 0)
            return r < 0 ? r : -EBADMSG;
    }
    g_string_append_c(out, ']');
    r = sd_bus_message_exit_container(message);
    return r < 0 ? r : 1;
}

/* The value of the dictionary's key @name: in @out if it is one of @members, else skipped. */
static int
read_entry_value(const BangerField *members, const char *name, sd_bus_message *message,
                 GString *out)
{
    const BangerField *member = banger_fields_find(members, name);
    g_autoptr(GString) contents = g_string_new(NULL);
    int r;

    if (member == NULL)
        return sd_bus_message_skip(message, "v");
    banger_field_append_signature(member, contents);
    append_name(out, name);
    r = sd_bus_message_enter_container(message, 'v', contents->str);
    if (r <= 0)
        return r;
    r = read_value(member, message, out);
    return r <= 0 ? r : sd_bus_message_exit_container(message);
}

static int
read_entry(const BangerField *field, sd_bus_message *message, GString *out)
{
    const char *name;
    int r = sd_bus_message_read_basic(message, 's', &name);

    if (r < 0)
        return r;
    if (field->type == BANGER_TYPE_DICT)
        return read_entry_value(field->members, name, message, out);
    append_name(out, name);
    return read_value(&field->members[1], message, out);
}

/* A dictionary (DICT or MAP) with entries of the types @entry. */
static int
read_dict(const BangerField *field, const char *entry, sd_bus_message *message, GString *out)
{
    g_autofree char *contents = g_strconcat("{", entry, "}", NULL);
    int r = sd_bus_message_enter_container(message, 'a', contents);

    if (r <= 0)
        return r;
    g_string_append_c(out, '{');
    while ((r = sd_bus_message_enter_container(message, 'e', entry)) > 0) {
        r = read_entry(field, message, out);
        if (r >= 0)
            r = sd_bus_message_exit_container(message);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    g_string_append_c(out, '}');
    r = sd_bus_message_exit_container(message);
    return r < 0 ? r : 1;
}

static int
read_value(const BangerField *field, sd_bus_message *message, GString *out)
{
    switch (field->type) {
    case BANGER_TYPE_STRING:
    case BANGER_TYPE_OBJECT_PATH:
        return read_string(field, message, out);
    case BANGER_TYPE_BOOLEAN:
        return read_boolean(message, out);
    case BANGER_TYPE_UINT16:
    case BANGER_TYPE_INT32:
    case BANGER_TYPE_UINT32:
    case BANGER_TYPE_UINT64:
        return read_number(field, message, out);
    case BANGER_TYPE_DOUBLE:
        return read_double(message, out);
    case BANGER_TYPE_BYTES:
        return read_bytes(message, out);
    case BANGER_TYPE_STRUCT:
        return read_struct(field, message, out);
    case BANGER_TYPE_ARRAY:
    case BANGER_TYPE_LIST:
        return read_array(field, message, out);
    case BANGER_TYPE_DICT:
        return read_dict(field, "sv", message, out);
    case BANGER_TYPE_MAP:
        return read_dict(field, "sa{sv}", message, out);
    case BANGER_TYPE_HANDLE:
        break; /* of methods that JSON does not have */
    }
    g_assert_not_reached();
}

bool
banger_transcode_reply(const BangerField *fields, sd_bus_message *message, GString *out,
                       GError **error)
{
    g_autofree char *signature = banger_fields_signature(fields);
    int r;

    if (!sd_bus_message_has_signature(message, signature))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "the helper's reply has the types \"%s\" instead of \"%s\"",
                                sd_bus_message_get_signature(message, 1), signature);
    r = read_members(fields, message, out);
    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                "the helper's reply cannot be read");
    return true;
}
