/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/bus-value.h"

#include <string.h>

#include "util/sd-auto.h"

static struct json_object *
read_bytes(sd_bus_message *message)
{
    const void *data;
    size_t size;
    g_autofree char *text = NULL;

    if (sd_bus_message_read_array(message, 'y', &data, &size) < 0)
        return NULL;
    text = g_base64_encode(data, size);
    return json_object_new_string(text);
}

static struct json_object *
read_elements(sd_bus_message *message, char container, const char *contents)
{
    struct json_object *array = json_object_new_array();
    struct json_object *value;

    if (sd_bus_message_enter_container(message, container, contents) < 0)
        return array;
    while (sd_bus_message_at_end(message, false) == 0 && (value = bus_value_read(message)) != NULL)
        (void)json_object_array_add(array, value);
    (void)sd_bus_message_exit_container(message);
    return array;
}

static struct json_object *
read_dictionary(sd_bus_message *message, const char *contents)
{
    struct json_object *object = json_object_new_object();
    g_autofree char *entry = g_strndup(contents + 1, strlen(contents) - 2);

    if (sd_bus_message_enter_container(message, 'a', contents) < 0)
        return object;
    while (sd_bus_message_enter_container(message, 'e', entry) > 0) {
        struct json_object *key = bus_value_read(message);

        if (key != NULL)
            (void)json_object_object_add(object, json_object_get_string(key),
                                         bus_value_read(message));
        json_object_put(key);
        (void)sd_bus_message_exit_container(message);
    }
    (void)sd_bus_message_exit_container(message);
    return object;
}

static struct json_object *
read_variant(sd_bus_message *message, const char *contents)
{
    struct json_object *value;

    if (sd_bus_message_enter_container(message, 'v', contents) < 0)
        return NULL;
    value = bus_value_read(message);
    (void)sd_bus_message_exit_container(message);
    return value;
}

static struct json_object *
read_basic(sd_bus_message *message, char type)
{
    union {
        const char *text;
        uint8_t byte;
        uint16_t half;
        int16_t signed_half;
        uint32_t number;
        int32_t integer;
        uint64_t large;
        int64_t signed_large;
        double real;
        int flag;
    } basic;

    if (sd_bus_message_read_basic(message, type, &basic) <= 0)
        return NULL;
    switch (type) {
    case 's':
    case 'o':
    case 'g':
        return json_object_new_string(basic.text);
    case 'y':
        return json_object_new_int(basic.byte);
    case 'q':
        return json_object_new_int(basic.half);
    case 'n':
        return json_object_new_int(basic.signed_half);
    case 'u':
        return json_object_new_int64(basic.number);
    case 'x':
        return json_object_new_int64(basic.signed_large);
    case 't':
        return json_object_new_uint64(basic.large);
    case 'd':
        return json_object_new_double(basic.real);
    case 'b':
        return json_object_new_boolean(basic.flag);
    default: /* i, and the number of a descriptor */
        return json_object_new_int(basic.integer);
    }
}

struct json_object *
bus_value_read(sd_bus_message *message)
{
    const char *contents;
    char type;

    if (sd_bus_message_peek_type(message, &type, &contents) <= 0)
        return NULL;
    switch (type) {
    case 'a':
        if (contents[0] == '{')
            return read_dictionary(message, contents);
        return g_str_equal(contents, "y") ? read_bytes(message)
                                          : read_elements(message, 'a', contents);
    case 'r':
        return read_elements(message, 'r', contents);
    case 'v':
        return read_variant(message, contents);
    default:
        return read_basic(message, type);
    }
}
