/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>

#include "bus/message-decode.h"

/* How many entries of a dictionary are looked through for the op_id behind it. */
#define DICT_ENTRIES_MAX 64u

static bool skip_field(sd_bus_message *message, const BangerField *field);

static bool
skip_bytes(sd_bus_message *message)
{
    const void *data;
    size_t size;

    return sd_bus_message_read_array(message, 'y', &data, &size) >= 0;
}

static bool
skip_struct(sd_bus_message *message, const BangerField *members)
{
    return sd_bus_message_enter_container(message, 'r', NULL) > 0 &&
           banger_message_skip_fields(message, members) &&
           sd_bus_message_exit_container(message) >= 0;
}

/* Ends past the array's limit: the answer to so many elements gets an op_id of the helper's. */
static bool
skip_array(sd_bus_message *message, const BangerField *field)
{
    if (sd_bus_message_enter_container(message, 'a', NULL) < 0)
        return false;
    for (uint64_t i = 0; sd_bus_message_at_end(message, false) == 0; i++) {
        if (i > field->max)
            return false;
        if (field->type == BANGER_TYPE_LIST ? !skip_field(message, field->members)
                                            : !skip_struct(message, field->members))
            return false;
    }
    return sd_bus_message_exit_container(message) >= 0;
}

/* A key of the table's with its type, or another with a value of a basic type. */
static bool
skip_entry(sd_bus_message *message, const BangerField *dict)
{
    const BangerField *member;
    g_autoptr(GString) expected = g_string_new(NULL);
    const char *contents;
    const char *key;

    if (sd_bus_message_read_basic(message, 's', &key) <= 0 ||
        sd_bus_message_peek_type(message, NULL, &contents) <= 0)
        return false;
    if (contents[1] == '\0')
        return contents[0] != 'v' && sd_bus_message_skip(message, "v") >= 0;
    member = banger_fields_find(dict->members, key);
    if (member == NULL)
        return false;
    banger_field_append_signature(member, expected);
    return g_str_equal(contents, expected->str) &&
           sd_bus_message_enter_container(message, 'v', contents) > 0 &&
           skip_field(message, member) && sd_bus_message_exit_container(message) >= 0;
}

static bool
skip_dict(sd_bus_message *message, const BangerField *dict)
{
    if (sd_bus_message_enter_container(message, 'a', "{sv}") < 0)
        return false;
    for (unsigned int i = 0; sd_bus_message_enter_container(message, 'e', "sv") > 0; i++)
        if (i >= DICT_ENTRIES_MAX || !skip_entry(message, dict) ||
            sd_bus_message_exit_container(message) < 0)
            return false;
    return sd_bus_message_exit_container(message) >= 0;
}

static bool
skip_map(sd_bus_message *message, const BangerField *map)
{
    if (sd_bus_message_enter_container(message, 'a', "{sa{sv}}") < 0)
        return false;
    for (uint64_t i = 0; sd_bus_message_enter_container(message, 'e', "sa{sv}") > 0; i++)
        if (i > map->max || !banger_message_skip_fields(message, map->members) ||
            sd_bus_message_exit_container(message) < 0)
            return false;
    return sd_bus_message_exit_container(message) >= 0;
}

static bool
skip_field(sd_bus_message *message, const BangerField *field)
{
    char type[] = {banger_type_code(field->type), '\0'};

    switch (field->type) {
    case BANGER_TYPE_BYTES:
        return skip_bytes(message);
    case BANGER_TYPE_STRUCT:
        return skip_struct(message, field->members);
    case BANGER_TYPE_ARRAY:
    case BANGER_TYPE_LIST:
        return skip_array(message, field);
    case BANGER_TYPE_DICT:
        return skip_dict(message, field);
    case BANGER_TYPE_MAP:
        return skip_map(message, field);
    default:
        return sd_bus_message_skip(message, type) >= 0;
    }
}

bool
banger_message_skip_fields(sd_bus_message *message, const BangerField *fields)
{
    for (const BangerField *field = fields; field->name != NULL; field++)
        if (!skip_field(message, field))
            return false;
    return true;
}
