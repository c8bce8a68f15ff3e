/* SPDX-License-Identifier: GPL-2.0-or-later */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "util/journal.h"

#include <string.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "util/json-string.h"

#define VALUE_MAX 4096

struct BangerJournalRecord {
    GPtrArray *fields; /* "NAME=value" */
    int priority;
};

BangerJournalRecord *
banger_journal_record_new(int priority, const char *message)
{
    BangerJournalRecord *record = g_new0(BangerJournalRecord, 1);

    record->fields = g_ptr_array_new_with_free_func(g_free);
    record->priority = priority;
    banger_journal_record_add(record, "MESSAGE", message);
    banger_journal_record_add_uint(record, "PRIORITY", (guint64)priority);
    return record;
}

void
banger_journal_record_free(BangerJournalRecord *record)
{
    g_ptr_array_unref(record->fields);
    g_free(record);
}

void
banger_journal_record_add(BangerJournalRecord *record, const char *name, const char *value)
{
    g_autofree char *cut = NULL;
    g_autofree char *valid = NULL;

    if (value == NULL || value[0] == '\0')
        return;
    cut = g_strndup(value, VALUE_MAX);
    valid = g_utf8_make_valid(cut, -1);
    g_ptr_array_add(record->fields, g_strdup_printf("%s=%s", name, valid));
}

void
banger_journal_record_add_uint(BangerJournalRecord *record, const char *name, guint64 value)
{
    g_ptr_array_add(record->fields, g_strdup_printf("%s=%" G_GUINT64_FORMAT, name, value));
}

/* One JSON object on one line. Not the job of a JSON library: util/ has none, and this only writes.
 */
static void
send_to_stderr(const BangerJournalRecord *record)
{
    g_autoptr(GString) line = g_string_new("{");

    for (guint i = 0; i < record->fields->len; i++) {
        const char *field = g_ptr_array_index(record->fields, i);
        const char *equals = strchr(field, '=');
        g_autofree char *name = g_strndup(field, (gsize)(equals - field));

        if (i > 0)
            g_string_append_c(line, ',');
        banger_json_append_string(line, name);
        g_string_append_c(line, ':');
        banger_json_append_string(line, equals + 1);
    }
    g_string_append(line, "}\n");
    g_printerr("%s", line->str);
}

void
banger_journal_record_send(BangerJournalRecord *record)
{
    g_autofree struct iovec *fields = NULL;

    if (record->priority >= LOG_DEBUG && !banger_journal_debug_enabled())
        return;
    fields = g_new0(struct iovec, record->fields->len);
    for (guint i = 0; i < record->fields->len; i++) {
        char *field = g_ptr_array_index(record->fields, i);

        fields[i] = (struct iovec){field, strlen(field)};
    }
    if (access("/run/systemd/journal/socket", F_OK) != 0 ||
        sd_journal_sendv(fields, (int)record->fields->len) < 0)
        send_to_stderr(record);
}

gboolean
banger_journal_debug_enabled(void)
{
    return g_strcmp0(g_getenv("BANGER_DEBUG"), "1") == 0;
}
