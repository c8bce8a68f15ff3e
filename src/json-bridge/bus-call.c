/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bridge/call.h"

#include <syslog.h>

#include "bridge/json.h"
#include "bridge/limits.h"
#include "bridge/transcode.h"
#include "util/journal.h"
#include "util/message-ids.h"

typedef struct {
    BangerBus *bus;
    BangerBusLane lane;
    BangerEnvelope *envelope;
    BangerHold message;
    struct ucred peer;
    gint64 begun; /* g_get_monotonic_time() */
    BangerDeliver deliver;
    gpointer data;
} Call;

static void
call_free(Call *call)
{
    banger_envelope_free(call->envelope);
    banger_hold_shrink(&call->message, call->message.held);
    g_free(call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, call_free)

static void
free_text(GString *text)
{
    if (text != NULL)
        g_string_free(text, TRUE);
}

static void
write_record(const Call *call, const BangerFault *fault)
{
    const BangerEnvelope *envelope = call->envelope;
    guint64 duration = (guint64)(g_get_monotonic_time() - call->begun);
    g_autoptr(BangerJournalRecord) record =
        banger_journal_record_new(fault == NULL ? LOG_INFO : LOG_WARNING,
                                  fault == NULL ? "json request completed" : "json request failed");

    banger_journal_record_add(record, "MESSAGE_ID", BANGER_MESSAGE_ID_BRIDGE);
    banger_journal_record_add(record, "OP_ID", envelope->op_id);
    banger_journal_record_add(record, "METHOD",
                              envelope->method != NULL ? envelope->method->dbus_name
                                                       : envelope->method_name);
    banger_journal_record_add_uint(record, "DURATION_USEC", duration);
    banger_journal_record_add_uint(record, "DURATION_MS", duration / 1000);
    banger_journal_record_add_uint(record, "CALLER_UID", call->peer.uid);
    banger_journal_record_add_uint(record, "CALLER_PID", (guint64)call->peer.pid);
    if (fault != NULL) {
        banger_journal_record_add(record, "CODE", banger_fault_json_code(fault));
        banger_journal_record_add(record, "ERROR_NAME", fault->dbus_name);
        banger_journal_record_add(record, "ERROR", fault->message);
    }
    banger_journal_record_send(g_steal_pointer(&record));
}

static void
deliver_error(const Call *call, const BangerFault *fault)
{
    GString *answer = NULL;

    if (!call->envelope->is_notification) {
        answer = g_string_new(NULL);
        banger_envelope_append_error(call->envelope, fault, answer);
    }
    if (!call->deliver(answer, call->data)) {
        free_text(answer);
        (void)call->deliver(NULL, call->data);
    }
    write_record(call, fault);
}

static void
deliver_failure(const Call *call, const GError *error)
{
    g_autoptr(BangerFault) fault = banger_fault_from_error(error);

    deliver_error(call, fault);
}

static bool
write_result(const Call *call, sd_bus_message *reply, GString *out, GError **error)
{
    banger_envelope_begin_result(call->envelope, out);
    if (!banger_transcode_reply(call->envelope->method->out, reply, out, error))
        return false;
    banger_envelope_end_result(call->envelope, out);
    return true;
}

static void
deliver_result(const Call *call, sd_bus_message *reply)
{
    g_autoptr(GError) error = NULL;
    GString *answer = g_string_new(NULL);
    size_t size;

    if (!write_result(call, reply, answer, &error)) {
        free_text(answer);
        deliver_failure(call, error);
        return;
    }
    size = answer->len;
    if (call->envelope->is_notification)
        g_clear_pointer(&answer, free_text);
    if (call->deliver(answer, call->data)) {
        write_record(call, NULL);
        return;
    }
    free_text(answer);
    (void)banger_set_error(&error, BANGER_ERROR_LIMITS_EXCEEDED,
                           "done, but too many answers wait to be read for another of %zu bytes",
                           size);
    deliver_failure(call, error);
}

static int
on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
    g_autoptr(Call) call = userdata;
    const sd_bus_error *failure = sd_bus_message_get_error(reply);

    (void)ret_error;
    banger_bus_call_ended(call->bus, call->lane);
    if (failure != NULL) {
        g_autoptr(BangerFault) fault = banger_fault_from_bus(failure);

        deliver_error(call, fault);
    } else {
        deliver_result(call, reply);
    }
    return 1;
}

/* The account is of what the arguments weigh. */
static bool
account_message(Call *call, GError **error)
{
    size_t weight = banger_json_weight(call->envelope->params);

    if (banger_hold_grow(&call->message, weight))
        return true;
    return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                            "too many large requests are in flight for another of %zu bytes",
                            weight);
}

/* Whether there are file contents among @fields. */
static bool
carries_bytes(const BangerField *fields)
{
    for (const BangerField *field = fields; field->name != NULL; field++)
        if (field->type == BANGER_TYPE_BYTES ||
            (field->members != NULL && carries_bytes(field->members)))
            return true;
    return false;
}

/* Whether the message or its reply may be large: not what is around it in a batch. */
static bool
is_large(const Call *call)
{
    return call->message.held > BANGER_SMALL_REQUEST_MAX ||
           carries_bytes(call->envelope->method->out);
}

static bool
send_message(Call *call, GError **error)
{
    const BangerEnvelope *envelope = call->envelope;
    __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *message = NULL;
    sd_bus *connection;
    int r;

    call->lane = is_large(call) ? BANGER_BUS_LARGE : BANGER_BUS_SMALL;
    connection = banger_bus_get(call->bus, call->lane, error);
    if (connection == NULL)
        return false;
    r = sd_bus_message_new_method_call(connection, &message, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                       BANGER_INTERFACE, envelope->method->dbus_name);
    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r, "cannot make a message");
    if (!banger_transcode_params(envelope->method->in, envelope->params, message, error))
        return false;
    r = sd_bus_message_append_basic(message, 's', envelope->op_id);
    if (r >= 0)
        r = sd_bus_call_async(connection, NULL, message, on_reply, call,
                              (uint64_t)BANGER_CALL_TIMEOUT_SEC * G_USEC_PER_SEC);
    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r, "cannot call the helper");
    return true;
}

void
banger_call_start(BangerBus *bus, BangerBudget *budget, const struct ucred *peer,
                  BangerEnvelope *envelope, BangerDeliver deliver, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Call) call = g_new0(Call, 1);

    *call = (Call){.bus = bus,
                   .envelope = envelope,
                   .message = {.budget = budget, .is_one_of_many = true},
                   .peer = *peer,
                   .begun = g_get_monotonic_time(),
                   .deliver = deliver,
                   .data = data};
    if (envelope->fault != NULL) {
        deliver_error(call, envelope->fault);
        return;
    }
    if (!account_message(call, &error) || !send_message(call, &error)) {
        deliver_failure(call, error);
        return;
    }
    banger_bus_call_begun(bus, call->lane);
    g_clear_pointer(&envelope->params, banger_json_put);
    g_steal_pointer(&call);
}
