/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/envelope.h"

#include <string.h>

#include "json-bridge/bridge-limits.h"
#include "json-bridge/json.h"
#include "util/json-string.h"
#include "util/op-id.h"
#include "util/text.h"

#define NAME_MAX_SHOWN 64 /* bytes of an unknown method's name in a message */

/* A BANGER_FAULT_CALL is BadParams here, which the helper itself would say. */
static void G_GNUC_PRINTF(3, 4)
    set_fault(BangerEnvelope *envelope, BangerFaultKind kind, const char *format, ...)
{
    va_list args;

    if (envelope->fault != NULL)
        return;
    va_start(args, format);
    envelope->fault = banger_fault_new(kind, g_strdup_vprintf(format, args));
    va_end(args);
    if (kind == BANGER_FAULT_CALL)
        envelope->fault->dbus_name = g_strdup(banger_error_dbus_name(BANGER_ERROR_BAD_PARAMS));
}

/*
 * The caller's op_id, if @value is one. One that is malformed is refused here, and so never makes a
 * record or an answer of its own.
 */
static void
take_op_id(BangerEnvelope *envelope, struct json_object *value)
{
    const char *op_id = value != NULL ? banger_json_text(value) : "";

    if (op_id != NULL && op_id[0] == '\0')
        return;
    if (op_id != NULL && banger_op_id_is_valid(op_id)) {
        envelope->op_id = g_strdup(op_id);
        envelope->op_id_is_callers = true;
        return;
    }
    set_fault(envelope, BANGER_FAULT_CALL,
              "op_id: must be 1 to %d characters of A-Z a-z 0-9 . _ : - that begin "
              "with a letter or digit",
              BANGER_OP_ID_MAX);
}

static void
take_method(BangerEnvelope *envelope, struct json_object *value)
{
    const char *name = banger_json_text(value);

    if (value != NULL && name == NULL) {
        set_fault(envelope, BANGER_FAULT_BAD_REQUEST, "method: must be a string without NUL");
        return;
    }
    if (name == NULL) {
        /* JSON-RPC demands one; in the older protocol what is absent is the empty string. */
        set_fault(envelope,
                  envelope->dialect == BANGER_DIALECT_JSONRPC ? BANGER_FAULT_BAD_REQUEST
                                                              : BANGER_FAULT_UNKNOWN_METHOD,
                  "the request has no method");
        return;
    }
    envelope->method_name = g_strdup(name);
    envelope->method = banger_method_by_json_name(name);
    if (envelope->method == NULL) {
        g_autofree char *shown = g_strndup(name, NAME_MAX_SHOWN);
        g_autofree char *valid = banger_text_make_printable(shown, -1);

        set_fault(envelope, BANGER_FAULT_UNKNOWN_METHOD, "unknown method %s", valid);
    }
}

static void
open_legacy(BangerEnvelope *envelope, struct json_object *request)
{
    struct json_object *version = banger_json_member(request, "version", false);
    struct json_object *params = banger_json_member(request, "params", false);

    if (version != NULL &&
        (!json_object_is_type(version, json_type_int) || json_object_get_int64(version) != 1))
        set_fault(envelope, BANGER_FAULT_BAD_VERSION, "version: must be 1");
    take_method(envelope, banger_json_member(request, "method", false));
    if (params != NULL && !json_object_is_type(params, json_type_object))
        set_fault(envelope, BANGER_FAULT_CALL, "params: must be an object");
    else
        envelope->params = json_object_get(params);
    take_op_id(envelope, banger_json_member(request, "op_id", false));
}

/*
 * Keeps the id as text. json-c keeps the text of a number with a fraction, but takes an integer
 * that does not fit 64 bits for another one: that cannot be echoed.
 */
static void
take_id(BangerEnvelope *envelope, struct json_object *value)
{
    const char *text;

    if (value == NULL)
        return;
    if (!json_object_is_type(value, json_type_string) &&
        !json_object_is_type(value, json_type_int) &&
        !json_object_is_type(value, json_type_double)) {
        set_fault(envelope, BANGER_FAULT_BAD_REQUEST, "id: must be a string, a number or null");
        return;
    }
    text = json_object_to_json_string_ext(value,
                                          JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (strlen(text) > BANGER_RPC_ID_MAX || (json_object_is_type(value, json_type_int) &&
                                             (json_object_get_uint64(value) == UINT64_MAX ||
                                              json_object_get_int64(value) == INT64_MIN))) {
        set_fault(envelope, BANGER_FAULT_BAD_REQUEST, "id: is too large");
        return;
    }
    g_free(envelope->id);
    envelope->id = g_strdup(text);
}

/*
 * Positional params may have one element more than the method has arguments: as on the bus, the
 * last one is the op_id.
 */
static void
take_rpc_params(BangerEnvelope *envelope, struct json_object *params)
{
    size_t n_arguments = 0;

    if (params == NULL)
        return;
    if (json_object_is_type(params, json_type_object)) {
        take_op_id(envelope, banger_json_member(params, "op_id", false));
    } else if (!json_object_is_type(params, json_type_array)) {
        return;
    } else if (envelope->method != NULL) {
        while (envelope->method->in[n_arguments].name != NULL)
            n_arguments++;
        take_op_id(envelope, json_object_array_get_idx(params, n_arguments));
        if (json_object_array_length(params) > n_arguments + 1)
            set_fault(envelope, BANGER_FAULT_CALL, "params: %s takes %zu arguments and an op_id",
                      envelope->method->json_name, n_arguments);
    }
    envelope->params = json_object_get(params);
}

static void
open_jsonrpc(BangerEnvelope *envelope, struct json_object *request)
{
    struct json_object *id = NULL;
    struct json_object *params = NULL;
    struct json_object *method = NULL;
    struct json_object *version = NULL;
    bool has_id;

    if (!json_object_is_type(request, json_type_object) ||
        !banger_json_exact_member(request, "jsonrpc", &version) ||
        g_strcmp0(banger_json_text(version), "2.0") != 0) {
        set_fault(envelope, BANGER_FAULT_BAD_REQUEST, "the request is not one of JSON-RPC 2.0");
        return;
    }
    has_id = banger_json_exact_member(request, "id", &id);
    take_id(envelope, id);
    (void)banger_json_exact_member(request, "method", &method);
    (void)banger_json_exact_member(request, "params", &params);
    /* What is no request at all comes before what is one of an unknown method. */
    if (params != NULL && !json_object_is_type(params, json_type_object) &&
        !json_object_is_type(params, json_type_array))
        set_fault(envelope, BANGER_FAULT_BAD_REQUEST, "params: must be an object or an array");
    take_method(envelope, method);
    take_rpc_params(envelope, params);
    /* Without an id, and yet no notification: what is no request at all is answered. */
    envelope->is_notification =
        !has_id && (envelope->fault == NULL || envelope->fault->kind != BANGER_FAULT_BAD_REQUEST);
}

static BangerEnvelope *
new_envelope(BangerDialect dialect)
{
    BangerEnvelope *envelope = g_new0(BangerEnvelope, 1);

    envelope->dialect = dialect;
    envelope->id = g_strdup("null");
    return envelope;
}

bool
banger_envelope_is_jsonrpc(struct json_object *request)
{
    return banger_json_exact_member(request, "jsonrpc", NULL);
}

BangerEnvelope *
banger_envelope_open(BangerDialect dialect, struct json_object *request)
{
    BangerEnvelope *envelope = new_envelope(dialect);

    if (dialect == BANGER_DIALECT_JSONRPC)
        open_jsonrpc(envelope, request);
    else
        open_legacy(envelope, request);
    if (envelope->op_id == NULL)
        envelope->op_id = banger_op_id_mint();
    return envelope;
}

BangerEnvelope *
banger_envelope_refused(BangerDialect dialect, BangerFault *fault)
{
    BangerEnvelope *envelope = new_envelope(dialect);

    envelope->fault = fault;
    envelope->op_id = banger_op_id_mint();
    return envelope;
}

void
banger_envelope_free(BangerEnvelope *envelope)
{
    if (envelope == NULL)
        return;
    g_free(envelope->id);
    g_free(envelope->op_id);
    g_free(envelope->method_name);
    banger_json_put(envelope->params);
    banger_fault_free(envelope->fault);
    g_free(envelope);
}

void
banger_envelope_begin_result(const BangerEnvelope *envelope, GString *out)
{
    g_string_append(out, envelope->dialect == BANGER_DIALECT_JSONRPC
                             ? "{\"jsonrpc\":\"2.0\",\"result\":"
                             : "{\"ok\":true,\"result\":");
}

void
banger_envelope_end_result(const BangerEnvelope *envelope, GString *out)
{
    if (envelope->dialect == BANGER_DIALECT_JSONRPC)
        g_string_append_printf(out, ",\"id\":%s", envelope->id);
    g_string_append_c(out, '}');
}

/*
 * The message without the " (OP_ID)" at the end of the helper's own: op_id is a member of its own.
 */
static void
append_message(const BangerEnvelope *envelope, const BangerFault *fault, GString *out)
{
    g_autofree char *suffix = g_strdup_printf(" (%s)", envelope->op_id);
    g_autofree char *message = g_strdup(fault->message);

    if (g_str_has_suffix(message, suffix))
        message[strlen(message) - strlen(suffix)] = '\0';
    banger_json_append_string(out, message);
}

static void
append_legacy_error(const BangerEnvelope *envelope, const BangerFault *fault, GString *out)
{
    g_string_append_printf(out, "{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":",
                           banger_fault_json_code(fault));
    append_message(envelope, fault, out);
    if (envelope->op_id_is_callers)
        g_string_append_printf(out, ",\"op_id\":\"%s\"", envelope->op_id);
    g_string_append(out, "}}");
}

/*
 * The specification's own errors have its message, as in its examples; what exactly was wrong is in
 * the data of all.
 */
static void
append_rpc_error(const BangerEnvelope *envelope, const BangerFault *fault, GString *out)
{
    const char *message = banger_fault_rpc_message(fault);

    g_string_append_printf(out, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":%d,\"message\":",
                           banger_fault_rpc_code(fault));
    if (message != NULL)
        banger_json_append_string(out, message);
    else
        append_message(envelope, fault, out);
    g_string_append(out, ",\"data\":{");
    if (fault->dbus_name != NULL) {
        g_string_append(out, "\"name\":");
        banger_json_append_string(out, fault->dbus_name);
        g_string_append_c(out, ',');
    }
    g_string_append_printf(out, "\"code\":\"%s\",\"message\":", banger_fault_json_code(fault));
    append_message(envelope, fault, out);
    g_string_append_printf(out, ",\"op_id\":\"%s\"}},\"id\":%s}", envelope->op_id, envelope->id);
}

void
banger_envelope_append_error(const BangerEnvelope *envelope, const BangerFault *fault, GString *out)
{
    if (envelope->dialect == BANGER_DIALECT_JSONRPC)
        append_rpc_error(envelope, fault, out);
    else
        append_legacy_error(envelope, fault, out);
}
