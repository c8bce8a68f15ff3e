/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/bus-call.h"

#include <syslog.h>

#include "json-bridge/bridge-limits.h"
#include "json-bridge/json.h"
#include "json-bridge/reference.h"
#include "json-bridge/transcode.h"
#include "util/journal.h"
#include "util/message-ids.h"
#include "util/sd-auto.h"

typedef struct {
    BangerBus *bus;
    BangerBusLane lane;
    BangerEnvelope *envelope;
    struct ucred peer;
    int64_t begun_usec; /* g_get_monotonic_time() */
    BangerDeliver deliver;
    void *user_data;
} Call;

static void
call_free(Call *call)
{
    banger_envelope_free(call->envelope);
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
    uint64_t duration_usec = (uint64_t)(g_get_monotonic_time() - call->begun_usec);
    g_autoptr(BangerJournalRecord) record =
        banger_journal_record_new(fault == NULL ? LOG_INFO : LOG_WARNING,
                                  fault == NULL ? "json request completed" : "json request failed");

    banger_journal_record_add(record, "MESSAGE_ID", BANGER_MESSAGE_ID_BRIDGE);
    banger_journal_record_add(record, "OP_ID", envelope->op_id);
    banger_journal_record_add(record, "METHOD",
                              envelope->method != NULL ? envelope->method->dbus_name
                                                       : envelope->method_name);
    banger_journal_record_add_uint(record, "DURATION_USEC", duration_usec);
    banger_journal_record_add_uint(record, "DURATION_MS", duration_usec / 1000);
    banger_journal_record_add_uint(record, "CALLER_UID", call->peer.uid);
    banger_journal_record_add_uint(record, "CALLER_PID", (uint64_t)call->peer.pid);
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
    if (!call->deliver(answer, call->user_data)) {
        free_text(answer);
        (void)call->deliver(NULL, call->user_data);
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
    if (call->deliver(answer, call->user_data)) {
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
on_reply(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    g_autoptr(Call) call = user_data;
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

BangerNeeds
banger_call_needs(const BangerEnvelope *envelope)
{
    return (BangerNeeds){
        .n_bytes = banger_json_weight(envelope->params),
        .reply_is_large = carries_bytes(envelope->method->out),
    };
}

static bool
send_message(Call *call, GError **error)
{
    const BangerEnvelope *envelope = call->envelope;
    g_autoptr(sd_bus_message) message = NULL;
    g_autoptr(BangerJson) params = NULL;
    sd_bus *connection = banger_bus_get(call->bus, call->lane, error);
    int r;

    if (connection == NULL)
        return false;
    r = sd_bus_message_new_method_call(connection, &message, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                       BANGER_INTERFACE, envelope->method->dbus_name);
    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r, "cannot make a message");
    params = banger_reference_params(envelope->method, envelope->params);
    if (!banger_transcode_params(envelope->method->in, params, message, error))
        return false;
    r = sd_bus_message_append_basic(message, 's', envelope->op_id);
    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                "cannot append op_id to a message");
    r = sd_bus_call_async(connection, NULL, message, on_reply, call,
                          (uint64_t)BANGER_CALL_TIMEOUT_SEC * G_USEC_PER_SEC);
    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r, "cannot call the helper");
    return true;
}

void
banger_call_start(BangerBus *bus, const struct ucred *peer, BangerEnvelope *envelope,
                  const BangerNeeds *needs, BangerDeliver deliver, void *user_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Call) call = g_new0(Call, 1);

    *call = (Call){.bus = bus,
                   .envelope = envelope,
                   .lane = banger_needs_are_large(needs) ? BANGER_BUS_LARGE : BANGER_BUS_SMALL,
                   .peer = *peer,
                   .begun_usec = g_get_monotonic_time(),
                   .deliver = deliver,
                   .user_data = user_data};
    if (envelope->fault != NULL) {
        deliver_error(call, envelope->fault);
        return;
    }
    if (!send_message(call, &error)) {
        deliver_failure(call, error);
        return;
    }
    banger_bus_call_begun(bus, call->lane);
    g_clear_pointer(&envelope->params, banger_json_put);
    g_steal_pointer(&call);
}
