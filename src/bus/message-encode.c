/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "bus/message.h"

static int encode_field(sd_bus_message *message, const BangerField *field, const void *base);

static int
encode_boolean(sd_bus_message *message, bool boolean)
{
    int value = boolean;

    return sd_bus_message_append_basic(message, 'b', &value);
}

static int
encode_bytes(sd_bus_message *message, GBytes *bytes)
{
    size_t size;
    const void *data = g_bytes_get_data(bytes, &size);

    return sd_bus_message_append_array(message, 'y', data, size);
}

static int
encode_fields(sd_bus_message *message, const BangerField *fields, const void *base)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        int r = encode_field(message, field, base);

        if (r < 0)
            return r;
    }
    return 0;
}

static int
encode_struct(sd_bus_message *message, const BangerField *members, const void *base)
{
    g_autofree char *contents = banger_fields_signature(members);
    int r = sd_bus_message_open_container(message, 'r', contents);

    if (r < 0)
        return r;
    r = encode_fields(message, members, base);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int
encode_array(sd_bus_message *message, const BangerField *field, const GArray *array)
{
    g_autoptr(GString) signature = g_string_new(NULL);
    int r;

    banger_field_append_signature(field, signature);
    r = sd_bus_message_open_container(message, 'a', signature->str + 1);
    for (unsigned int i = 0; r >= 0 && i < array->len; i++) {
        const void *element = array->data + i * field->size;

        r = field->type == BANGER_TYPE_LIST ? encode_field(message, field->members, element)
                                            : encode_struct(message, field->members, element);
    }
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int
encode_field(sd_bus_message *message, const BangerField *field, const void *base)
{
    const void *member = BANGER_CONST_MEMBER(base, field, void);

    switch (field->type) {
    case BANGER_TYPE_STRING:
    case BANGER_TYPE_OBJECT_PATH:
        return sd_bus_message_append_basic(message, banger_type_code(field->type),
                                           *(char *const *)member);
    case BANGER_TYPE_BOOLEAN:
        return encode_boolean(message, *(const bool *)member);
    case BANGER_TYPE_UINT16:
    case BANGER_TYPE_INT32:
    case BANGER_TYPE_UINT32:
    case BANGER_TYPE_UINT64:
    case BANGER_TYPE_DOUBLE:
        return sd_bus_message_append_basic(message, banger_type_code(field->type), member);
    case BANGER_TYPE_BYTES:
        return encode_bytes(message, *(GBytes *const *)member);
    case BANGER_TYPE_STRUCT:
        return encode_struct(message, field->members, member);
    case BANGER_TYPE_ARRAY:
    case BANGER_TYPE_LIST:
        return encode_array(message, field, *(GArray *const *)member);
    case BANGER_TYPE_HANDLE:
    case BANGER_TYPE_DICT:
    case BANGER_TYPE_MAP:
        break; /* in requests only */
    }
    return -EOPNOTSUPP;
}

int
banger_message_encode(sd_bus_message *message, const BangerMethod *method, const BangerReply *reply)
{
    return encode_fields(message, method->out, reply);
}
