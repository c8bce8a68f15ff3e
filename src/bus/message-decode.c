/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/message-decode.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "model/bounds.h"
#include "model/value.h"
#include "util/error.h"

typedef struct {
    sd_bus_message *message;
    const BangerSettings *settings;
    size_t bytes; /* of strings and byte arrays, so far */
} Decoder;

static bool decode_field(Decoder *decoder, const BangerField *field, void *base, GError **error);
static bool decode_fields(Decoder *decoder, const BangerField *fields, void *base, GError **error);

static bool
refuse_value(GError **error, const BangerField *field, int r)
{
    bool is_dict = field->type == BANGER_TYPE_DICT || field->type == BANGER_TYPE_MAP;

    return banger_set_errno(error, BANGER_ERROR_BAD_PARAMS, r < 0 ? -r : EBADMSG,
                            "%s: cannot be read as %s", field->name,
                            is_dict ? "a dictionary" : "its type");
}

static bool
count_bytes(Decoder *decoder, size_t bytes, GError **error)
{
    decoder->bytes += bytes;
    if (decoder->bytes > BANGER_MESSAGE_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "the arguments of one call are over the limit of %u bytes",
                                BANGER_MESSAGE_MAX);
    return true;
}

static bool
decode_string(Decoder *decoder, const BangerField *field, void *base, GError **error)
{
    const char *text;
    int r = sd_bus_message_read_basic(decoder->message, 's', &text);

    if (r <= 0)
        return refuse_value(error, field, r);
    if (!count_bytes(decoder, strlen(text), error))
        return false;
    if (banger_value_parse(field, text, decoder->settings, base, error))
        return true;
    g_prefix_error(error, "%s: ", field->name);
    return false;
}

/* A boolean or a whole number. */
static bool
decode_number(Decoder *decoder, const BangerField *field, void *base, GError **error)
{
    union {
        int boolean;
        uint16_t uint16;
        uint32_t uint32;
        uint64_t uint64;
    } value;
    int r = sd_bus_message_read_basic(decoder->message, banger_type_code(field->type), &value);

    if (r <= 0)
        return refuse_value(error, field, r);
    if (field->type == BANGER_TYPE_BOOLEAN)
        banger_field_set_number(field, base, value.boolean != 0);
    else if (field->type == BANGER_TYPE_UINT16)
        banger_field_set_number(field, base, value.uint16);
    else if (field->type == BANGER_TYPE_UINT32)
        banger_field_set_number(field, base, value.uint32);
    else
        banger_field_set_number(field, base, value.uint64);
    return true;
}

/* The descriptor is the message's: the request gets one of its own. */
static bool
decode_handle(Decoder *decoder, const BangerField *field, void *base, GError **error)
{
    int fd;
    int r = sd_bus_message_read_basic(decoder->message, 'h', &fd);

    if (r <= 0)
        return refuse_value(error, field, r);
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "%s: cannot keep the descriptor", field->name);
    *BANGER_MEMBER(base, field, BangerHandle) = (BangerHandle){.is_open = true, .fd = fd};
    return true;
}

static bool
decode_bytes(Decoder *decoder, const BangerField *field, void *base, GError **error)
{
    const void *data;
    size_t size;
    int r = sd_bus_message_read_array(decoder->message, 'y', &data, &size);

    if (r < 0)
        return refuse_value(error, field, r);
    if (!count_bytes(decoder, size, error))
        return false;
    *BANGER_MEMBER(base, field, GBytes *) = g_bytes_new(data, size);
    return true;
}

/* The errors of this one do not name the struct: an element of an array has a number too. */
static bool
decode_struct(Decoder *decoder, const BangerField *members, void *base, GError **error)
{
    int r = sd_bus_message_enter_container(decoder->message, 'r', NULL);

    if (r > 0) {
        if (!decode_fields(decoder, members, base, error))
            return false;
        r = sd_bus_message_exit_container(decoder->message);
        if (r >= 0)
            return true;
    }
    return banger_set_errno(error, BANGER_ERROR_BAD_PARAMS, r < 0 ? -r : EBADMSG,
                            "cannot be read as a structure");
}

static bool
decode_element(Decoder *decoder, const BangerField *field, void *element, GError **error)
{
    return field->type == BANGER_TYPE_LIST ? decode_field(decoder, field->members, element, error)
                                           : decode_struct(decoder, field->members, element, error);
}

static bool
refuse_length(GError **error, const BangerField *field)
{
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "%s: more than %" G_GUINT64_FORMAT " elements", field->name,
                            field->max);
}

/* Makes the array. The request owns it from the start, and frees the elements whatever happens. */
static GArray *
start_array(const BangerField *field, void *base)
{
    GArray *array = banger_field_new_array(field);

    *BANGER_MEMBER(base, field, GArray *) = array;
    return array;
}

static bool
decode_array(Decoder *decoder, const BangerField *field, void *base, GError **error)
{
    GArray *array = start_array(field, base);
    int r = sd_bus_message_enter_container(decoder->message, 'a', NULL);

    if (r < 0)
        return refuse_value(error, field, r);
    while ((r = sd_bus_message_at_end(decoder->message, false)) == 0) {
        if (array->len >= field->max)
            return refuse_length(error, field);
        g_array_set_size(array, array->len + 1);
        if (!decode_element(decoder, field, array->data + (array->len - 1) * field->size, error)) {
            g_prefix_error(error, "%s: element %u: ", field->name, array->len - 1);
            return false;
        }
    }
    if (r > 0)
        r = sd_bus_message_exit_container(decoder->message);
    return r < 0 ? refuse_value(error, field, r) : true;
}

/* Whether no element of @array before the last has its key, by the key's canonical spelling. */
static bool
check_key(const BangerField *map, const GArray *array, GError **error)
{
    const BangerField *key = map->members;
    g_autofree char *last = banger_value_format(key, array->data + (array->len - 1) * map->size);

    for (unsigned int i = 0; i + 1 < array->len; i++) {
        g_autofree char *other = banger_value_format(key, array->data + i * map->size);

        if (g_str_equal(last, other))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: key \"%s\" occurs twice",
                                    map->name, last);
    }
    return true;
}

static bool
decode_map(Decoder *decoder, const BangerField *map, void *base, GError **error)
{
    GArray *array = start_array(map, base);
    int r = sd_bus_message_enter_container(decoder->message, 'a', "{sa{sv}}");

    if (r < 0)
        return refuse_value(error, map, r);
    while ((r = sd_bus_message_enter_container(decoder->message, 'e', "sa{sv}")) > 0) {
        if (array->len >= map->max)
            return refuse_length(error, map);
        g_array_set_size(array, array->len + 1);
        if (!decode_fields(decoder, map->members, array->data + (array->len - 1) * map->size,
                           error)) {
            g_prefix_error(error, "%s: ", map->name);
            return false;
        }
        if (!check_key(map, array, error))
            return false;
        r = sd_bus_message_exit_container(decoder->message);
        if (r < 0)
            return refuse_value(error, map, r);
    }
    if (r == 0)
        r = sd_bus_message_exit_container(decoder->message);
    return r < 0 ? refuse_value(error, map, r) : true;
}

/* The value of the key @member, in its variant. */
static bool
decode_variant(Decoder *decoder, const BangerField *dict, const BangerField *member, void *base,
               GError **error)
{
    g_autoptr(GString) expected = g_string_new(NULL);
    const char *contents;
    int r = sd_bus_message_peek_type(decoder->message, NULL, &contents);

    if (r <= 0)
        return refuse_value(error, dict, r);
    banger_field_append_signature(member, expected);
    if (!g_str_equal(contents, expected->str))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s: key \"%s\" is of type \"%.32s\", not \"%s\"", dict->name,
                                member->name, contents, expected->str);
    r = sd_bus_message_enter_container(decoder->message, 'v', contents);
    if (r <= 0)
        return refuse_value(error, member, r);
    if (!decode_field(decoder, member, base, error)) {
        g_prefix_error(error, "%s: ", dict->name);
        return false;
    }
    r = sd_bus_message_exit_container(decoder->message);
    return r < 0 ? refuse_value(error, member, r) : true;
}

/* Reads one key and its value; @seen has a bit for each member met. */
static bool
decode_entry(Decoder *decoder, const BangerField *dict, void *base, uint64_t *seen, GError **error)
{
    const BangerField *member;
    const char *key;
    uint64_t bit;
    int r = sd_bus_message_read_basic(decoder->message, 's', &key);

    if (r <= 0)
        return refuse_value(error, dict, r);
    member = banger_fields_find(dict->members, key);
    if (member == NULL)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: unknown key \"%.64s\"",
                                dict->name, key);
    bit = UINT64_C(1) << (member - dict->members);
    if (*seen & bit)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: key \"%s\" occurs twice",
                                dict->name, key);
    *seen |= bit;
    if (member->flags & BANGER_FIELD_PRESENCE)
        *(bool *)((char *)base + member->presence) = true;
    return decode_variant(decoder, dict, member, base, error);
}

/* What @member is where it was left out. */
static bool
set_default(Decoder *decoder, const BangerField *member, void *base, GError **error)
{
    if (member->default_text != NULL)
        return banger_value_parse(member, member->default_text, decoder->settings, base, error);
    if (member->default_number != 0)
        banger_field_set_number(member, base, member->default_number);
    return true;
}

/* Looks after the keys of @dict that are not in @seen. */
static bool
complete_dict(Decoder *decoder, const BangerField *dict, uint64_t seen, void *base, GError **error)
{
    for (const BangerField *member = dict->members; member->name != NULL; member++) {
        if (seen & (UINT64_C(1) << (member - dict->members)))
            continue;
        if (!(member->flags & BANGER_FIELD_OPTIONAL))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: key \"%s\" is missing",
                                    dict->name, member->name);
        if (!set_default(decoder, member, base, error))
            return false;
    }
    return true;
}

static bool
decode_dict(Decoder *decoder, const BangerField *dict, void *base, GError **error)
{
    uint64_t seen = 0;
    int r = sd_bus_message_enter_container(decoder->message, 'a', "{sv}");

    if (r < 0)
        return refuse_value(error, dict, r);
    while ((r = sd_bus_message_enter_container(decoder->message, 'e', "sv")) > 0) {
        if (!decode_entry(decoder, dict, base, &seen, error))
            return false;
        r = sd_bus_message_exit_container(decoder->message);
        if (r < 0)
            return refuse_value(error, dict, r);
    }
    if (r == 0)
        r = sd_bus_message_exit_container(decoder->message);
    if (r < 0)
        return refuse_value(error, dict, r);
    return complete_dict(decoder, dict, seen, base, error);
}

static bool
decode_field(Decoder *decoder, const BangerField *field, void *base, GError **error)
{
    switch (field->type) {
    case BANGER_TYPE_STRING:
        return decode_string(decoder, field, base, error);
    case BANGER_TYPE_BOOLEAN:
    case BANGER_TYPE_UINT16:
    case BANGER_TYPE_UINT32:
    case BANGER_TYPE_UINT64:
        return decode_number(decoder, field, base, error);
    case BANGER_TYPE_HANDLE:
        return decode_handle(decoder, field, base, error);
    case BANGER_TYPE_BYTES:
        return decode_bytes(decoder, field, base, error);
    case BANGER_TYPE_STRUCT:
        if (decode_struct(decoder, field->members, BANGER_MEMBER(base, field, void), error))
            return true;
        g_prefix_error(error, "%s: ", field->name);
        return false;
    case BANGER_TYPE_ARRAY:
    case BANGER_TYPE_LIST:
        return decode_array(decoder, field, base, error);
    case BANGER_TYPE_DICT:
        return decode_dict(decoder, field, BANGER_MEMBER(base, field, void), error);
    case BANGER_TYPE_MAP:
        return decode_map(decoder, field, base, error);
    case BANGER_TYPE_OBJECT_PATH:
    case BANGER_TYPE_INT32:
    case BANGER_TYPE_DOUBLE:
        break; /* in replies only */
    }
    g_assert_not_reached();
}

static bool
decode_fields(Decoder *decoder, const BangerField *fields, void *base, GError **error)
{
    for (const BangerField *field = fields; field->name != NULL; field++)
        if (!decode_field(decoder, field, base, error))
            return false;
    return true;
}

bool
banger_message_decode_fields(sd_bus_message *message, const BangerField *fields,
                             const BangerSettings *settings, void *base, size_t *ret_bytes,
                             GError **error)
{
    Decoder decoder = {.message = message, .settings = settings};
    bool ok = decode_fields(&decoder, fields, base, error);

    *ret_bytes = decoder.bytes;
    return ok;
}
