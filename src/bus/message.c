/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/message.h"

#include <errno.h>
#include <string.h>

#include "model/limits.h"
#include "util/error.h"
#include "util/sd-auto.h"

/* How many entries of a dictionary are looked through for the op_id behind it. */
#define DICT_ENTRIES_MAX 64u

typedef struct {
    sd_bus_message *message;
    size_t bytes; /* of strings and byte arrays, so far */
} Decoder;

static bool decode_fields(Decoder *decoder, const BangerField *fields, void *base, GError **error);

static bool
fail(GError **error, const BangerField *field, int r)
{
    return banger_set_errno(error, BANGER_ERROR_BAD_PARAMS, r < 0 ? -r : EBADMSG,
                            "%s: cannot be read as %s", field->name,
                            field->type == BANGER_TYPE_DICT ? "a dictionary" : "its type");
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
        return fail(error, field, r);
    if (!count_bytes(decoder, strlen(text), error))
        return false;
    *BANGER_MEMBER(base, field, char *) = g_strdup(text);
    return true;
}

static bool
decode_bytes(Decoder *decoder, const BangerField *field, void *base, GError **error)
{
    const void *data;
    size_t size;
    int r = sd_bus_message_read_array(decoder->message, 'y', &data, &size);

    if (r < 0)
        return fail(error, field, r);
    if (!count_bytes(decoder, size, error))
        return false;
    *BANGER_MEMBER(base, field, GBytes *) = g_bytes_new(data, size);
    return true;
}

static bool
decode_struct(Decoder *decoder, const BangerField *field, void *base, GError **error)
{
    int r = sd_bus_message_enter_container(decoder->message, 'r', NULL);

    if (r <= 0)
        return fail(error, field, r);
    if (!decode_fields(decoder, field->members, base, error))
        return false;
    r = sd_bus_message_exit_container(decoder->message);
    return r < 0 ? fail(error, field, r) : true;
}

static bool
decode_array(Decoder *decoder, const BangerField *field, void *base, GError **error)
{
    GArray *array = banger_field_new_array(field);
    int r = sd_bus_message_enter_container(decoder->message, 'a', NULL);

    /* Owned by the request from the start: it frees the elements whatever happens. */
    *BANGER_MEMBER(base, field, GArray *) = array;
    if (r < 0)
        return fail(error, field, r);
    while ((r = sd_bus_message_at_end(decoder->message, false)) == 0) {
        if (array->len >= field->max)
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: more than %u elements",
                                    field->name, field->max);
        g_array_set_size(array, array->len + 1);
        if (!decode_struct(decoder, field, array->data + (array->len - 1) * field->size, error)) {
            g_prefix_error(error, "%s, element %u: ", field->name, array->len - 1);
            return false;
        }
    }
    if (r > 0)
        r = sd_bus_message_exit_container(decoder->message);
    return r < 0 ? fail(error, field, r) : true;
}

static bool
decode_field(Decoder *decoder, const BangerField *field, void *base, GError **error)
{
    switch (field->type) {
    case BANGER_TYPE_STRING:
        return decode_string(decoder, field, base, error);
    case BANGER_TYPE_BOOLEAN: {
        int value;
        int r = sd_bus_message_read_basic(decoder->message, 'b', &value);

        *BANGER_MEMBER(base, field, bool) = r > 0 && value != 0;
        return r > 0 ? true : fail(error, field, r);
    }
    case BANGER_TYPE_UINT32: {
        int r =
            sd_bus_message_read_basic(decoder->message, 'u', BANGER_MEMBER(base, field, uint32_t));

        return r > 0 ? true : fail(error, field, r);
    }
    case BANGER_TYPE_BYTES:
        return decode_bytes(decoder, field, base, error);
    case BANGER_TYPE_STRUCT:
        return decode_struct(decoder, field, BANGER_MEMBER(base, field, void), error);
    case BANGER_TYPE_ARRAY:
        return decode_array(decoder, field, base, error);
    case BANGER_TYPE_DICT:
        break; /* only ever the member of a request, see decode_argument() */
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

/* Reads one key and its value; @seen has a bit for each member met. */
static bool
decode_entry(Decoder *decoder, const BangerField *dict, void *base, guint64 *seen, GError **error)
{
    const char *key;
    const char *contents;
    const BangerField *member = dict->members;
    g_autoptr(GString) expected = g_string_new(NULL);
    int r = sd_bus_message_read_basic(decoder->message, 's', &key);

    if (r <= 0)
        return fail(error, dict, r);
    while (member->name != NULL && !g_str_equal(member->name, key))
        member++;
    if (member->name == NULL)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: unknown key \"%.64s\"",
                                dict->name, key);
    if (*seen & (G_GUINT64_CONSTANT(1) << (member - dict->members)))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: key \"%s\" occurs twice",
                                dict->name, key);
    *seen |= G_GUINT64_CONSTANT(1) << (member - dict->members);

    banger_field_append_signature(member, expected);
    r = sd_bus_message_peek_type(decoder->message, NULL, &contents);
    if (r <= 0)
        return fail(error, dict, r);
    if (!g_str_equal(contents, expected->str))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s: key \"%s\" is of type \"%.32s\", not \"%s\"", dict->name, key,
                                contents, expected->str);
    r = sd_bus_message_enter_container(decoder->message, 'v', contents);
    if (r <= 0)
        return fail(error, member, r);
    if (!decode_field(decoder, member, base, error))
        return false;
    r = sd_bus_message_exit_container(decoder->message);
    return r < 0 ? fail(error, member, r) : true;
}

static bool
decode_dict(Decoder *decoder, const BangerField *dict, void *base, GError **error)
{
    guint64 seen = 0;
    int r = sd_bus_message_enter_container(decoder->message, 'a', "{sv}");

    if (r < 0)
        return fail(error, dict, r);
    while ((r = sd_bus_message_enter_container(decoder->message, 'e', "sv")) > 0) {
        if (!decode_entry(decoder, dict, base, &seen, error))
            return false;
        r = sd_bus_message_exit_container(decoder->message);
        if (r < 0)
            return fail(error, dict, r);
    }
    if (r == 0)
        r = sd_bus_message_exit_container(decoder->message);
    if (r < 0)
        return fail(error, dict, r);
    for (const BangerField *member = dict->members; member->name != NULL; member++)
        if (!(member->flags & BANGER_FIELD_OPTIONAL) &&
            !(seen & (G_GUINT64_CONSTANT(1) << (member - dict->members))))
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s: key \"%s\" is missing",
                                    dict->name, member->name);
    return true;
}

static bool
decode_arguments(Decoder *decoder, const BangerMethod *method, BangerRequest *request,
                 GError **error)
{
    for (const BangerField *field = method->in; field->name != NULL; field++) {
        bool ok = field->type == BANGER_TYPE_DICT
                      ? decode_dict(decoder, field, BANGER_MEMBER(request, field, void), error)
                      : decode_field(decoder, field, request, error);

        if (!ok)
            return false;
    }
    return true;
}

/*
 * Skipping by the table's types rather than by sd_bus_message_skip(), which goes through an array
 * of bytes one by one: a second for 32 MiB, on the thread that every caller waits for.
 */
static bool skip_fields(sd_bus_message *message, const BangerField *fields);
static bool skip_field(sd_bus_message *message, const BangerField *field);

static bool
skip_bytes(sd_bus_message *message)
{
    const void *data;
    size_t size;

    return sd_bus_message_read_array(message, 'y', &data, &size) >= 0;
}

static bool
skip_struct(sd_bus_message *message, const BangerField *field)
{
    return sd_bus_message_enter_container(message, 'r', NULL) > 0 &&
           skip_fields(message, field->members) && sd_bus_message_exit_container(message) >= 0;
}

/* Gives up past the array's limit: who sent that many elements gets an op_id of the helper's. */
static bool
skip_array(sd_bus_message *message, const BangerField *field)
{
    if (sd_bus_message_enter_container(message, 'a', NULL) < 0)
        return false;
    for (unsigned int i = 0; sd_bus_message_at_end(message, false) == 0; i++)
        if (i > field->max || !skip_struct(message, field))
            return false;
    return sd_bus_message_exit_container(message) >= 0;
}

/* A key of the table's with its type, or another with a value of a basic type. */
static bool
skip_entry(sd_bus_message *message, const BangerField *dict)
{
    const BangerField *member = dict->members;
    g_autoptr(GString) expected = g_string_new(NULL);
    const char *contents;
    const char *key;

    if (sd_bus_message_read_basic(message, 's', &key) <= 0 ||
        sd_bus_message_peek_type(message, NULL, &contents) <= 0)
        return false;
    if (contents[1] == '\0')
        return contents[0] != 'v' && sd_bus_message_skip(message, "v") >= 0;
    while (member->name != NULL && !g_str_equal(member->name, key))
        member++;
    if (member->name == NULL)
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
skip_field(sd_bus_message *message, const BangerField *field)
{
    switch (field->type) {
    case BANGER_TYPE_STRING:
        return sd_bus_message_skip(message, "s") >= 0;
    case BANGER_TYPE_BOOLEAN:
        return sd_bus_message_skip(message, "b") >= 0;
    case BANGER_TYPE_UINT32:
        return sd_bus_message_skip(message, "u") >= 0;
    case BANGER_TYPE_BYTES:
        return skip_bytes(message);
    case BANGER_TYPE_STRUCT:
        return skip_struct(message, field);
    case BANGER_TYPE_ARRAY:
        return skip_array(message, field);
    case BANGER_TYPE_DICT:
        return skip_dict(message, field);
    }
    g_assert_not_reached();
}

static bool
skip_fields(sd_bus_message *message, const BangerField *fields)
{
    for (const BangerField *field = fields; field->name != NULL; field++)
        if (!skip_field(message, field))
            return false;
    return true;
}

/* The op_id, the last argument. @at_it: the others were read, it is the next. */
static char *
read_op_id(sd_bus_message *message, const BangerMethod *method, bool at_it)
{
    const char *op_id;

    if (!at_it && (sd_bus_message_rewind(message, true) < 0 || !skip_fields(message, method->in)))
        return g_strdup("");
    if (sd_bus_message_read_basic(message, 's', &op_id) <= 0)
        return g_strdup("");
    return g_strdup(op_id);
}

char *
banger_message_signature(const BangerMethod *method)
{
    g_autofree char *in = banger_fields_signature(method->in);

    return g_strconcat(in, "s", NULL);
}

bool
banger_message_check_signature(sd_bus_message *message, const BangerMethod *method, GError **error)
{
    g_autofree char *expected = banger_message_signature(method);
    const char *got = sd_bus_message_get_signature(message, true);

    if (g_strcmp0(expected, got) == 0)
        return true;
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "%s takes arguments of the signature \"%s\", not \"%s\"",
                            method->dbus_name, expected, got);
}

bool
banger_message_decode(sd_bus_message *message, const BangerMethod *method,
                      BangerRequest **ret_request, GError **error)
{
    BangerRequest *request = g_new0(BangerRequest, 1);
    Decoder decoder = {.message = message};
    bool ok = banger_message_check_signature(message, method, error) &&
              decode_arguments(&decoder, method, request, error);

    banger_fields_fill_absent(method->in, request);
    request->op_id = read_op_id(message, method, ok);
    request->size = decoder.bytes;
    *ret_request = request;
    return ok;
}

static int
make_stub(sd_bus_message *call, sd_bus_message **ret_stub)
{
    g_autoptr(sd_bus_message) stub = NULL;
    uint64_t serial;
    int r = sd_bus_message_new_method_call(
        sd_bus_message_get_bus(call), &stub, NULL, sd_bus_message_get_path(call),
        sd_bus_message_get_interface(call), sd_bus_message_get_member(call));

    if (r >= 0)
        r = sd_bus_message_set_sender(stub, sd_bus_message_get_sender(call));
    if (r >= 0)
        r = sd_bus_message_set_expect_reply(stub, sd_bus_message_get_expect_reply(call));
    if (r >= 0)
        r = sd_bus_message_set_allow_interactive_authorization(
            stub, sd_bus_message_get_allow_interactive_authorization(call));
    if (r >= 0)
        r = sd_bus_message_get_cookie(call, &serial);
    if (r >= 0)
        r = sd_bus_message_seal(stub, serial, 0);
    if (r >= 0)
        *ret_stub = g_steal_pointer(&stub);
    return r;
}

sd_bus_message *
banger_message_make_stub(sd_bus_message *call)
{
    sd_bus_message *stub;

    return make_stub(call, &stub) >= 0 ? stub : sd_bus_message_ref(call);
}

static int
encode_field(sd_bus_message *message, const BangerField *field, const void *base)
{
    switch (field->type) {
    case BANGER_TYPE_STRING:
        return sd_bus_message_append_basic(message, 's', *BANGER_CONST_MEMBER(base, field, char *));
    case BANGER_TYPE_BOOLEAN: {
        int value = *BANGER_CONST_MEMBER(base, field, bool);

        return sd_bus_message_append_basic(message, 'b', &value);
    }
    case BANGER_TYPE_UINT32:
        return sd_bus_message_append_basic(message, 'u',
                                           BANGER_CONST_MEMBER(base, field, uint32_t));
    case BANGER_TYPE_BYTES: {
        size_t size;
        const void *data = g_bytes_get_data(*BANGER_CONST_MEMBER(base, field, GBytes *), &size);

        return sd_bus_message_append_array(message, 'y', data, size);
    }
    case BANGER_TYPE_STRUCT:
    case BANGER_TYPE_ARRAY:
    case BANGER_TYPE_DICT:
        break; /* no method answers with one */
    }
    return -EOPNOTSUPP;
}

int
banger_message_encode(sd_bus_message *message, const BangerMethod *method, const BangerReply *reply)
{
    for (const BangerField *field = method->out; field->name != NULL; field++) {
        int r = encode_field(message, field, reply);

        if (r < 0)
            return r;
    }
    return 0;
}
