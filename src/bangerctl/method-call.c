/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bangerctl/bus-value.h"
#include "bangerctl/commands.h"
#include "bangerctl/introspection.h"
#include "bangerctl/progress.h"
#include "bangerctl/text-domain.h"
#include "model/methods.h"
#include "util/op-id.h"
#include "util/sd-auto.h"

#define OP_ID "op_id"
#define DICTIONARY "a{sv}"

/* What is called, and with what. */
typedef struct {
    const char *member;
    MethodArguments arguments;
    const BangerMethod *method; /* its row, if this version knows it */
    struct json_object *values; /* by the names of the arguments */
} Call;

static const MethodArgument *
find_argument(const GArray *arguments, const char *name)
{
    for (unsigned int i = 0; i < arguments->len; i++) {
        const MethodArgument *argument = &g_array_index(arguments, MethodArgument, i);

        if (g_str_equal(argument->name, name))
            return argument;
    }
    return NULL;
}

/* The argument that is a dictionary, whose keys can be given as if they were arguments. */
static const MethodArgument *
find_dictionary(const GArray *arguments)
{
    for (unsigned int i = 0; i < arguments->len; i++) {
        const MethodArgument *argument = &g_array_index(arguments, MethodArgument, i);

        if (g_str_equal(argument->type, DICTIONARY))
            return argument;
    }
    return NULL;
}

static const BangerField *
find_row_field(const Call *call, const char *name)
{
    return call->method != NULL ? banger_fields_find(call->method->in, name) : NULL;
}

/* The arguments as a person reads them: "bridge_name s, op_id s". Free with g_free(). */
static char *
describe_arguments(const GArray *arguments)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned int i = 0; i < arguments->len; i++) {
        const MethodArgument *argument = &g_array_index(arguments, MethodArgument, i);

        g_string_append_printf(text, "%s%s %s", i > 0 ? ", " : "", argument->name, argument->type);
    }
    return g_strdup(text->str);
}

/*
 * KEY=VALUE where KEY is one of the dictionary's: its type is the table's, or what it looks like.
 */
static bool
add_entry(Call *call, const MethodArgument *dictionary, const char *key, const char *text,
          GError **error)
{
    const BangerField *field = find_row_field(call, dictionary->name);
    const BangerField *member =
        field != NULL && field->members != NULL ? banger_fields_find(field->members, key) : NULL;
    g_autoptr(GString) signature = g_string_new(NULL);
    struct json_object *object = NULL, *value;

    if (member != NULL)
        banger_field_append_signature(member, signature);
    else
        g_string_assign(signature, "v");
    value = bus_value_parse(signature->str, key, text, error);
    if (value == NULL)
        return false;
    if (!json_object_object_get_ex(call->values, dictionary->name, &object)) {
        object = json_object_new_object();
        (void)json_object_object_add(call->values, dictionary->name, object);
    }
    (void)json_object_object_add(object, key, value);
    return true;
}

static ClientStatus
refuse_argument(const Call *call, const char *text)
{
    g_autofree char *arguments = describe_arguments(call->arguments.in);

    return command_refuse_usage(_("%s: %s; its arguments are: %s"), call->member, text, arguments);
}

static ClientStatus
add_argument(Call *call, const char *pair)
{
    const char *equals = strchr(pair, '=');
    g_autofree char *key = g_strndup(pair, equals != NULL ? (gsize)(equals - pair) : 0);
    const MethodArgument *argument = find_argument(call->arguments.in, key);
    g_autoptr(GError) error = NULL;
    struct json_object *value;

    if (equals == NULL || key[0] == '\0')
        return command_refuse_usage(_("\"%s\" is not KEY=VALUE"), pair);
    if (argument != NULL) {
        value = bus_value_parse(argument->type, key, equals + 1, &error);
        if (value == NULL)
            return refuse_argument(call, error->message);
        (void)json_object_object_add(call->values, key, value);
        return CLIENT_OK;
    }
    argument = find_dictionary(call->arguments.in);
    if (argument == NULL) {
        g_autofree char *text = g_strdup_printf(_("it has no argument %s"), key);

        return refuse_argument(call, text);
    }
    if (!add_entry(call, argument, key, equals + 1, &error))
        return refuse_argument(call, error->message);
    return CLIENT_OK;
}

static ClientStatus
append_arguments(const Call *call, sd_bus_message *message)
{
    for (unsigned int i = 0; i < call->arguments.in->len; i++) {
        const MethodArgument *argument = &g_array_index(call->arguments.in, MethodArgument, i);
        g_autoptr(GError) error = NULL;
        struct json_object *value = NULL;

        if (!json_object_object_get_ex(call->values, argument->name, &value)) {
            g_autofree char *text = g_strdup_printf(_("%s is missing"), argument->name);

            return refuse_argument(call, text);
        }
        if (!bus_value_append(message, argument->type, find_row_field(call, argument->name),
                              argument->name, value, &error))
            return refuse_argument(call, error->message);
    }
    return CLIENT_OK;
}

static void
print_reply(const CommandContext *context, const Call *call, sd_bus_message *reply)
{
    struct json_object *object = json_object_new_object();

    for (unsigned int i = 0; i < call->arguments.out->len; i++)
        (void)json_object_object_add(object,
                                     g_array_index(call->arguments.out, MethodArgument, i).name,
                                     bus_value_read(reply));
    (void)output_properties(&context->output, object, NULL);
    json_object_put(object);
}

/* Sends the call, with an op_id of its own where none was given. */
static ClientStatus
send_call(const CommandContext *context, Call *call)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *op_id = NULL;
    sd_bus_message *message;
    ClientStatus status;

    if (client_member_text(call->values, OP_ID)[0] == '\0' &&
        find_argument(call->arguments.in, OP_ID) != NULL) {
        g_autofree char *minted = banger_op_id_mint();

        (void)json_object_object_add(call->values, OP_ID, json_object_new_string(minted));
    }
    op_id = g_strdup(client_member_text(call->values, OP_ID));
    message = client_message(context->bus, call->member);
    status = append_arguments(call, message);
    if (status != CLIENT_OK) {
        sd_bus_message_unref(message);
        return status;
    }
    status = progress_call(context->bus, message, op_id, &reply);
    if (status == CLIENT_OK)
        print_reply(context, call, reply);
    return status;
}

ClientStatus
command_call(const CommandContext *context, char **arguments)
{
    Call call = {.member = arguments[0], .method = banger_method_by_dbus_name(arguments[0])};
    ClientStatus status = introspection_find(context->bus, arguments[0], &call.arguments);

    if (status != CLIENT_OK)
        return status;
    call.values = json_object_new_object();
    for (char **pair = arguments + 1; status == CLIENT_OK && *pair != NULL; pair++)
        status = add_argument(&call, *pair);
    if (status == CLIENT_OK)
        status = send_call(context, &call);
    json_object_put(call.values);
    introspection_clear(&call.arguments);
    return status;
}
