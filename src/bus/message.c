/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/message.h"

#include <string.h>

#include "bus/message-decode.h"
#include "model/value.h"
#include "util/error.h"
#include "util/sd-auto.h"

#define SHORT_TEXT_MAX 64u
#define SHORT_ARGUMENTS_MAX 8u

/* The op_id, the last argument. @at_it: the others were read, it is the next. */
static char *
read_op_id(sd_bus_message *message, const BangerMethod *method, bool at_it)
{
    const char *op_id;

    if (!at_it && (sd_bus_message_rewind(message, true) < 0 ||
                   !banger_message_skip_fields(message, method->in)))
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

/* The arguments of @method as documentation writes them: "s tap_name, s op_id". */
static char *
describe_arguments(const BangerMethod *method)
{
    GString *text = g_string_new(NULL);

    for (const BangerField *field = method->in; field->name != NULL; field++) {
        banger_field_append_signature(field, text);
        g_string_append_printf(text, " %s, ", field->name);
    }
    g_string_append(text, "s op_id");
    return g_string_free(text, FALSE);
}

bool
banger_message_check_signature(sd_bus_message *message, const BangerMethod *method, GError **error)
{
    g_autofree char *expected = banger_message_signature(method);
    const char *got = sd_bus_message_get_signature(message, true);
    g_autofree char *arguments = NULL;

    if (g_strcmp0(expected, got) == 0)
        return true;
    arguments = describe_arguments(method);
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "%s(%s) was called with arguments of the signature \"%s\"",
                            method->dbus_name, arguments, got);
}

bool
banger_message_decode(sd_bus_message *message, const BangerMethod *method,
                      const BangerSettings *settings, BangerRequest **ret_request, GError **error)
{
    BangerRequest *request = g_new0(BangerRequest, 1);
    bool ok =
        banger_message_check_signature(message, method, error) &&
        banger_message_decode_fields(message, method->in, settings, request, &request->size, error);

    banger_fields_fill_absent(method->in, request);
    request->op_id = read_op_id(message, method, ok);
    *ret_request = request;
    return ok;
}

static bool
set_machine(const BangerField *field, BangerRequest *request, pid_t leader,
            const BangerSettings *settings, GError **error)
{
    if (field->type == BANGER_TYPE_STRING)
        return banger_value_parse(field, request->machine, settings, request, error);
    banger_field_set_number(field, request, (uint64_t)leader);
    return leader != 0 ||
           banger_set_error(error, BANGER_ERROR_NOT_FOUND,
                            "the machine %s has no process at the moment", request->machine);
}

bool
banger_message_decode_machine(sd_bus_message *message, const BangerMethod *method,
                              const char *vm_id, pid_t leader, const BangerSettings *settings,
                              BangerRequest **ret_request, GError **error)
{
    BangerRequest *request = g_new0(BangerRequest, 1);
    bool ok;

    request->op_id = g_strdup("");
    request->machine = g_strdup(vm_id);
    ok = set_machine(&method->in[0], request, leader, settings, error) &&
         banger_message_decode_fields(message, method->in + 1, settings, request, &request->size,
                                      error);
    banger_fields_fill_absent(method->in, request);
    *ret_request = request;
    return ok;
}

char *
banger_message_read_op_id(sd_bus_message *message, const BangerMethod *method)
{
    return read_op_id(message, method, false);
}

static int
make_stub(sd_bus_message *call, sd_bus_message **ret_stub)
{
    g_autoptr(sd_bus_message) stub = NULL;
    uint64_t serial;
    int r = sd_bus_message_new_method_call(
        sd_bus_message_get_bus(call), &stub, NULL, sd_bus_message_get_path(call),
        sd_bus_message_get_interface(call), sd_bus_message_get_member(call));

    if (r < 0)
        return r;
    r = sd_bus_message_set_sender(stub, sd_bus_message_get_sender(call));
    if (r < 0)
        return r;
    r = sd_bus_message_set_expect_reply(stub, sd_bus_message_get_expect_reply(call));
    if (r < 0)
        return r;
    r = sd_bus_message_set_allow_interactive_authorization(
        stub, sd_bus_message_get_allow_interactive_authorization(call));
    if (r < 0)
        return r;
    r = sd_bus_message_get_cookie(call, &serial);
    if (r < 0)
        return r;
    r = sd_bus_message_seal(stub, serial, 0);
    if (r < 0)
        return r;
    *ret_stub = g_steal_pointer(&stub);
    return 0;
}

sd_bus_message *
banger_message_make_stub(sd_bus_message *call)
{
    sd_bus_message *stub;

    return make_stub(call, &stub) >= 0 ? stub : sd_bus_message_ref(call);
}

int
banger_message_reply_error(sd_bus_message *call, const GError *error)
{
    return sd_bus_reply_method_errorf(call, banger_error_dbus_name(banger_error_code(error)), "%s",
                                      error->message);
}

static bool
is_short_text(const char *text)
{
    return text == NULL || strlen(text) <= SHORT_TEXT_MAX;
}

/*
 * Reads the next argument: a number, a short text, or a variant (@may_be_variant) with one of
 * those.
 */
static bool
read_short_argument(sd_bus_message *message, char type, const char *contents, bool may_be_variant)
{
    const char signature[] = {type, '\0'};
    const char *text;

    switch (type) {
    case SD_BUS_TYPE_STRING:
    case SD_BUS_TYPE_OBJECT_PATH:
    case SD_BUS_TYPE_SIGNATURE:
        return sd_bus_message_read_basic(message, type, &text) > 0 && is_short_text(text);
    case SD_BUS_TYPE_VARIANT:
        return may_be_variant && contents[1] == '\0' &&
               sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, contents) > 0 &&
               read_short_argument(message, contents[0], NULL, false) &&
               sd_bus_message_exit_container(message) >= 0;
    case SD_BUS_TYPE_ARRAY:
    case SD_BUS_TYPE_STRUCT:
    case SD_BUS_TYPE_STRUCT_BEGIN:
        return false;
    default:
        return sd_bus_message_skip(message, signature) >= 0;
    }
}

bool
banger_message_is_short(sd_bus_message *message)
{
    const char *contents;
    char type;
    bool is_short = is_short_text(sd_bus_message_get_interface(message)) &&
                    is_short_text(sd_bus_message_get_member(message));

    for (unsigned int i = 0; is_short && sd_bus_message_peek_type(message, &type, &contents) > 0;
         i++)
        is_short = i < SHORT_ARGUMENTS_MAX && read_short_argument(message, type, contents, true);
    (void)sd_bus_message_rewind(message, true);
    return is_short;
}
