/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/record.h"

#include <syslog.h>

#include "model/scalars.h"
#include "util/error.h"
#include "util/journal.h"
#include "util/message-ids.h"

/* The object under its own name: tap_name becomes TAP_NAME. */
static void
add_object(const BangerField *field, const char *text, void *user_data)
{
    g_autofree char *name = NULL;

    if ((field->flags & (BANGER_FIELD_OBJECT | BANGER_FIELD_SECRET)) != BANGER_FIELD_OBJECT)
        return;
    name = g_ascii_strup(field->name, -1);
    banger_journal_record_add(user_data, name, text);
}

void
banger_call_record_send(const BangerCallRecord *call)
{
    const GError *error = call->error;
    g_autoptr(BangerJournalRecord) record =
        banger_journal_record_new(error == NULL ? LOG_INFO : LOG_ERR,
                                  error == NULL ? "helper rpc completed" : "helper rpc failed");

    banger_journal_record_add(record, "MESSAGE_ID",
                              error == NULL ? BANGER_MESSAGE_ID_COMPLETED
                                            : BANGER_MESSAGE_ID_FAILED);
    banger_journal_record_add(record, "OP_ID", call->request->op_id);
    banger_journal_record_add(record, "METHOD", call->method->dbus_name);
    banger_journal_record_add_uint(record, "DURATION_USEC", (guint64)call->duration_usec);
    banger_journal_record_add_uint(record, "DURATION_MS", (guint64)call->duration_usec / 1000);
    if (call->caller_known) {
        banger_journal_record_add_uint(record, "CALLER_UID", call->uid);
        banger_journal_record_add_uint(record, "CALLER_PID", (guint64)call->pid);
    }
    banger_journal_record_add(record, "SENDER", call->sender);
    if (error != NULL) {
        BangerErrorCode code = banger_error_code(error);

        banger_journal_record_add(record, "CODE", banger_error_json_code(code));
        banger_journal_record_add(record, "ERROR_NAME", banger_error_dbus_name(code));
        banger_journal_record_add(record, "ERROR", error->message);
    }
    banger_request_for_each_scalar(call->method, call->request, add_object, record);
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
    banger_request_for_each_scalar(method, request, add_object, record);
    banger_journal_record_send(g_steal_pointer(&record));
}
