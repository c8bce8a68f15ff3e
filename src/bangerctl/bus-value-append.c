/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>

#include "bangerctl/bus-value.h"
#include "util/error.h"
#include "util/fd.h"

static bool
refuse_value(GError **error, const char *name, const char *what)
{
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: %s", name, what);
}

/* What sd-bus says of a value that it cannot carry. */
static bool
check_result(int r, const char *name, GError **error)
{
    return r >= 0 || banger_set_errno(error, BANGER_ERROR_BAD_PARAMS, -r,
                                      "%s: cannot be carried by D-Bus", name);
}

static bool
append_text(sd_bus_message *message, char type, const char *name, struct json_object *value,
            GError **error)
{
    if (!json_object_is_type(value, json_type_string))
        return refuse_value(error, name, "must be a text");
    return check_result(sd_bus_message_append_basic(message, type, json_object_get_string(value)),
                        name, error);
}

static bool
append_number(sd_bus_message *message, char type, const char *name, struct json_object *value,
              GError **error)
{
    static const struct {
        char type;
        int64_t min;
        uint64_t max;
    } ranges[] = {
        {'y', 0, UINT8_MAX},         {'q', 0, UINT16_MAX},        {'n', INT16_MIN, INT16_MAX},
        {'u', 0, UINT32_MAX},        {'i', INT32_MIN, INT32_MAX}, {'t', 0, UINT64_MAX},
        {'x', INT64_MIN, INT64_MAX},
    };
    const int64_t number = json_object_get_int64(value);
    const uint64_t large = number < 0 ? 0 : json_object_get_uint64(value);
    union {
        uint8_t byte;
        uint16_t half;
        uint32_t word;
        uint64_t large;
    } basic;

    for (size_t i = 0; i < G_N_ELEMENTS(ranges); i++)
        if (ranges[i].type == type) {
            if (!json_object_is_type(value, json_type_int) || number < ranges[i].min ||
                large > ranges[i].max)
                return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                        "%s: must be a whole number from %" G_GINT64_FORMAT
                                        " to %" G_GUINT64_FORMAT,
                                        name, ranges[i].min, ranges[i].max);
        }
    if (type == 'y')
        basic.byte = (uint8_t)large;
    else if (type == 'q' || type == 'n')
        basic.half = (uint16_t)(number < 0 ? (uint64_t)number : large);
    else if (type == 'u' || type == 'i')
        basic.word = (uint32_t)(number < 0 ? (uint64_t)number : large);
    else
        basic.large = number < 0 ? (uint64_t)number : large;
    return check_result(sd_bus_message_append_basic(message, type, &basic), name, error);
}

static bool
append_real(sd_bus_message *message, const char *name, struct json_object *value, GError **error)
{
    double real = json_object_get_double(value);

    if (!json_object_is_type(value, json_type_double) && !json_object_is_type(value, json_type_int))
        return refuse_value(error, name, "must be a number");
    return check_result(sd_bus_message_append_basic(message, 'd', &real), name, error);
}

static bool
append_flag(sd_bus_message *message, const char *name, struct json_object *value, GError **error)
{
    int flag = json_object_get_boolean(value);

    if (!json_object_is_type(value, json_type_boolean))
        return refuse_value(error, name, "must be true or false");
    return check_result(sd_bus_message_append_basic(message, 'b', &flag), name, error);
}

/*
 * The file that @value names: to be written, and made, if ">" precedes its path; else to be read.
 */
static bool
append_file(sd_bus_message *message, const char *name, struct json_object *value, GError **error)
{
    const char *path =
        json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    banger_autofd int fd = -1;

    fd = path[0] == '>' ? open(path + 1, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
                        : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "%s: cannot open %s",
                                name, path[0] == '>' ? path + 1 : path);
    return check_result(sd_bus_message_append_basic(message, 'h', &fd), name, error);
}

static bool
append_bytes(sd_bus_message *message, const char *name, struct json_object *value, GError **error)
{
    g_autofree guchar *data = NULL;
    gsize size = 0;

    if (!json_object_is_type(value, json_type_string))
        return refuse_value(error, name, "must be a text of base64");
    if (json_object_get_string_len(value) > 0)
        data = g_base64_decode(json_object_get_string(value), &size);
    return check_result(sd_bus_message_append_array(message, 'y', data, size), name, error);
}

/* How long the complete type at @signature is. */
static size_t
type_length(const char *signature)
{
    const char *c = signature;
    int depth = 0;

    for (;; c++) {
        if (*c == 'a')
            continue;
        if (*c == '(' || *c == '{')
            depth++;
        else if (*c == ')' || *c == '}')
            depth--;
        if (depth <= 0 || *c == '\0')
            return (size_t)(c - signature) + (*c != '\0');
    }
}

static bool
append_members(sd_bus_message *message, const char *contents, const BangerField *members,
               const char *name, struct json_object *value, GError **error)
{
    const bool named = json_object_is_type(value, json_type_object) && members != NULL;
    const char *type = contents;

    if (!named && !json_object_is_type(value, json_type_array))
        return refuse_value(error, name, "must be an array");
    for (size_t i = 0; *type != '\0'; i++) {
        const size_t length = type_length(type);
        g_autofree char *one = g_strndup(type, length);
        const BangerField *member = members != NULL ? &members[i] : NULL;
        g_autofree char *whole = member != NULL ? g_strdup_printf("%s.%s", name, member->name)
                                                : g_strdup_printf("%s[%zu]", name, i);
        struct json_object *part = NULL;

        if (named)
            (void)json_object_object_get_ex(value, member->name, &part);
        else
            part = json_object_array_get_idx(value, i);
        if (part == NULL)
            return refuse_value(error, whole, "is missing");
        if (!bus_value_append(message, one, member, whole, part, error))
            return false;
        type += length;
    }
    return true;
}

static bool
append_struct(sd_bus_message *message, const char *signature, const BangerField *field,
              const char *name, struct json_object *value, GError **error)
{
    g_autofree char *contents = g_strndup(signature + 1, strlen(signature) - 2);

    return check_result(sd_bus_message_open_container(message, 'r', contents), name, error) &&
           append_members(message, contents, field != NULL ? field->members : NULL, name, value,
                          error) &&
           check_result(sd_bus_message_close_container(message), name, error);
}

/* The signature of a value that nothing is known of. */
static const char *
guess_signature(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_boolean:
        return "b";
    case json_type_int:
        return json_object_get_int64(value) < 0                       ? "x"
               : json_object_get_uint64(value) > (uint64_t)UINT32_MAX ? "t"
                                                                      : "u";
    case json_type_double:
        return "d";
    case json_type_array:
        return "as";
    case json_type_object:
        return "a{sv}";
    default:
        return "s";
    }
}

static bool
append_variant(sd_bus_message *message, const BangerField *field, const char *name,
               struct json_object *value, GError **error)
{
    g_autoptr(GString) signature = g_string_new(NULL);

    if (field != NULL)
        banger_field_append_signature(field, signature);
    else
        g_string_append(signature, guess_signature(value));
    return check_result(sd_bus_message_open_container(message, 'v', signature->str), name, error) &&
           bus_value_append(message, signature->str, field, name, value, error) &&
           check_result(sd_bus_message_close_container(message), name, error);
}

/* What the table says of the value of the key @key: a member of a dictionary, or that of a map. */
static const BangerField *
find_member(const BangerField *field, const char *key)
{
    if (field == NULL || field->members == NULL)
        return NULL;
    return field->type == BANGER_TYPE_MAP ? &field->members[1]
                                          : banger_fields_find(field->members, key);
}

static bool
append_dictionary(sd_bus_message *message, const char *contents, const BangerField *field,
                  const char *name, struct json_object *value, GError **error)
{
    g_autofree char *entry = g_strndup(contents + 1, strlen(contents) - 2);

    if (!json_object_is_type(value, json_type_object) || entry[0] != 's')
        return refuse_value(error, name, "must be an object");
    if (!check_result(sd_bus_message_open_container(message, 'a', contents), name, error))
        return false;
    json_object_object_foreach (value, key, member) {
        const BangerField *known = find_member(field, key);

        if (!check_result(sd_bus_message_open_container(message, 'e', entry), name, error) ||
            !check_result(sd_bus_message_append_basic(message, 's', key), name, error) ||
            !(entry[1] == 'v' ? append_variant(message, known, key, member, error)
                              : bus_value_append(message, entry + 1, known, key, member, error)) ||
            !check_result(sd_bus_message_close_container(message), name, error))
            return false;
    }
    return check_result(sd_bus_message_close_container(message), name, error);
}

static bool
append_array(sd_bus_message *message, const char *contents, const BangerField *field,
             const char *name, struct json_object *value, GError **error)
{
    BangerField element = {0};

    if (!json_object_is_type(value, json_type_array))
        return refuse_value(error, name, "must be an array");
    if (!check_result(sd_bus_message_open_container(message, 'a', contents), name, error))
        return false;
    if (field != NULL) {
        element = *field;
        element.type = BANGER_TYPE_STRUCT;
    }
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        g_autofree char *one = g_strdup_printf("%s[%zu]", name, i);

        if (!bus_value_append(message, contents, field != NULL ? &element : NULL, one,
                              json_object_array_get_idx(value, i), error))
            return false;
    }
    return check_result(sd_bus_message_close_container(message), name, error);
}

bool
bus_value_append(sd_bus_message *message, const char *signature, const BangerField *field,
                 const char *name, struct json_object *value, GError **error)
{
    switch (signature[0]) {
    case 's':
    case 'o':
    case 'g':
        return append_text(message, signature[0], name, value, error);
    case 'b':
        return append_flag(message, name, value, error);
    case 'd':
        return append_real(message, name, value, error);
    case 'h':
        return append_file(message, name, value, error);
    case 'v':
        return append_variant(message, field, name, value, error);
    case '(':
        return append_struct(message, signature, field, name, value, error);
    case 'a':
        if (signature[1] == 'y')
            return append_bytes(message, name, value, error);
        if (signature[1] == '{')
            return append_dictionary(message, signature + 1, field, name, value, error);
        return append_array(message, signature + 1, field, name, value, error);
    default:
        return append_number(message, signature[0], name, value, error);
    }
}

static struct json_object *
parse_flag(const char *text)
{
    static const char *const yes[] = {"true", "yes", "on", "1", NULL};
    static const char *const no[] = {"false", "no", "off", "0", NULL};

    if (g_strv_contains(yes, text))
        return json_object_new_boolean(true);
    return g_strv_contains(no, text) ? json_object_new_boolean(false) : NULL;
}

static struct json_object *
parse_list(const char *text)
{
    struct json_object *array = json_object_new_array();
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    for (char **part = parts; *part != NULL; part++)
        (void)json_object_array_add(array, json_object_new_string(*part));
    return array;
}

static struct json_object *
parse_json(const char *text)
{
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *value = json_tokener_parse_ex(tokener, text, -1);

    if (value == NULL || json_tokener_get_error(tokener) != json_tokener_success ||
        text[json_tokener_get_parse_end(tokener)] != '\0')
        g_clear_pointer(&value, json_object_put);
    json_tokener_free(tokener);
    return value;
}

static struct json_object *
parse_number(const char *text)
{
    guint64 large;
    gint64 number;

    if (g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &large, NULL))
        return json_object_new_uint64(large);
    if (g_ascii_string_to_signed(text, 10, G_MININT64, -1, &number, NULL))
        return json_object_new_int64(number);
    return NULL;
}

struct json_object *
bus_value_parse(const char *signature, const char *name, const char *text, GError **error)
{
    struct json_object *value;

    if (strchr("sogh", signature[0]) != NULL)
        return json_object_new_string(text);
    if (signature[0] == 'b')
        value = parse_flag(text);
    else if (g_str_equal(signature, "as") && text[0] != '[')
        value = parse_list(text);
    else if (strchr("ynqiuxt", signature[0]) != NULL)
        value = parse_number(text);
    else
        value = parse_json(text);
    if (value == NULL && signature[0] == 'v')
        value = json_object_new_string(text);
    if (value == NULL)
        (void)banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                               "%s: \"%s\" is no value of the type %s", name, text, signature);
    return value;
}
