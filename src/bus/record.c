/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/record.h"

#include <syslog.h>

#include "bus/limits.h"
#include "model/details.h"
#include "util/error.h"
#include "util/journal.h"
#include "util/message-ids.h"

/* Bytes of a caller's text in the record of a call that was not authorized. */
#define REFUSED_TEXT_MAX 128u
#define REFUSED_ERROR_MAX 512u /* with what we say about it */

typedef struct {
    BangerJournalRecord *record;
    size_t max; /* bytes of a value */
} ObjectWriter;

/* The object under its own name: tap_name becomes TAP_NAME. */
static void
add_object(const BangerField *field, const char *text, void *user_data)
{
    const ObjectWriter *writer = user_data;
    g_autofree char *name = NULL;

    if ((field->flags & (BANGER_FIELD_OBJECT | BANGER_FIELD_SECRET)) != BANGER_FIELD_OBJECT)
        return;
    name = g_ascii_strup(field->name, -1);
    banger_journal_record_add_limited(writer->record, name, text, writer->max);
}

static void
add_objects(BangerJournalRecord *record, const BangerMethod *method, const BangerRequest *request,
            size_t max)
{
    banger_request_for_each_detail(method, request, add_object, &(ObjectWriter){record, max});
}

void
banger_call_record_send(const BangerCallRecord *call)
{
    const GError *error = call->error;
    size_t max = call->authorized ? BANGER_JOURNAL_VALUE_MAX : REFUSED_TEXT_MAX;
    g_autoptr(BangerJournalRecord) record =
        banger_journal_record_new(error == NULL ? LOG_INFO : LOG_ERR,
                                  error == NULL ? "helper rpc completed" : "helper rpc failed");

    if (!call->authorized)
        banger_journal_record_allow_drop(record);
    banger_journal_record_add(record, "MESSAGE_ID",
                              error == NULL ? BANGER_MESSAGE_ID_COMPLETED
                                            : BANGER_MESSAGE_ID_FAILED);
    banger_journal_record_add(record, "OP_ID", call->request->op_id);
    banger_journal_record_add(record, "METHOD", call->method->dbus_name);
    /* By its object: where the method has an argument for it, that is the same. */
    if (call->request->machine != NULL && call->method->id == BANGER_METHOD_SIGNAL_PROCESS)
        banger_journal_record_add(record, "VM_ID", call->request->machine);
    banger_journal_record_add_uint(record, "DURATION_USEC", (uint64_t)call->duration_usec);
    banger_journal_record_add_uint(record, "DURATION_MS", (uint64_t)call->duration_usec / 1000);
    if (call->caller_known) {
        banger_journal_record_add_uint(record, "CALLER_UID", call->uid);
        banger_journal_record_add_uint(record, "CALLER_PID", (uint64_t)call->pid);
    }
    banger_journal_record_add(record, "SENDER", call->sender);
    if (error != NULL) {
        BangerErrorCode code = banger_error_code(error);

        banger_journal_record_add(record, "CODE", banger_error_json_code(code));
        banger_journal_record_add(record, "ERROR_NAME", banger_error_dbus_name(code));
        banger_journal_record_add_limited(record, "ERROR", error->message,
                                          call->authorized ? max : REFUSED_ERROR_MAX);
    }
    if (call->warning != NULL)
        banger_journal_record_add_limited(record, "WARNING", call->warning, max);
    add_objects(record, call->method, call->request, max);
    banger_journal_record_send(g_steal_pointer(&record));
}

void
banger_call_record_send_unrecorded(uid_t uid, uint64_t n_calls)
{
    g_autoptr(BangerJournalRecord) record =
        banger_journal_record_new(LOG_WARNING, "helper rpc refused, without a record each");

    if (uid != BANGER_LIMITS_UNKNOWN_UID)
        banger_journal_record_add_uint(record, "CALLER_UID", uid);
    banger_journal_record_add_uint(record, "N_CALLS", n_calls);
    banger_journal_record_send(g_steal_pointer(&record));
}

void
banger_call_record_send_arrival(const BangerMethod *method, const BangerRequest *request,
                                const char *sender)
{
    g_autoptr(BangerJournalRecord) record = NULL;

    if (!banger_journal_debug_enabled())
        return;
    record = banger_journal_record_new(LOG_DEBUG, "helper rpc");
    banger_journal_record_add(record, "OP_ID", request->op_id);
    banger_journal_record_add(record, "METHOD", method->dbus_name);
    banger_journal_record_add(record, "SENDER", sender);
    add_objects(record, method, request, BANGER_JOURNAL_VALUE_MAX);
    banger_journal_record_send(g_steal_pointer(&record));
}
