/* SPDX-License-Identifier: GPL-2.0-or-later */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "util/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "util/json-string.h"

#define RECORDS_MAX 65536u
#define DROPPABLE_RECORDS_MAX 1024u
#define FLUSH_TIMEOUT_USEC (2 * G_USEC_PER_SEC)

struct BangerJournalRecord {
    GPtrArray *fields; /* "NAME=value" */
    int priority;
    bool may_be_dropped;
};

BangerJournalRecord *
banger_journal_record_new(int priority, const char *message)
{
    BangerJournalRecord *record = g_new0(BangerJournalRecord, 1);

    record->fields = g_ptr_array_new_with_free_func(g_free);
    record->priority = priority;
    banger_journal_record_add(record, "MESSAGE", message);
    banger_journal_record_add_uint(record, "PRIORITY", (uint64_t)priority);
    return record;
}

void
banger_journal_record_free(BangerJournalRecord *record)
{
    g_ptr_array_unref(record->fields);
    g_free(record);
}

/* Ends @text, which is valid UTF-8, after at most @max bytes and not within a character. */
static void
cut_at_character(char *text, size_t max)
{
    if (strlen(text) <= max)
        return;
    while (max > 0 && ((guchar)text[max] & 0xc0) == 0x80)
        max--;
    text[max] = '\0';
}

void
banger_journal_record_allow_drop(BangerJournalRecord *record)
{
    record->may_be_dropped = true;
}

void
banger_journal_record_add_limited(BangerJournalRecord *record, const char *name, const char *value,
                                  size_t max)
{
    g_autofree char *cut = NULL;
    g_autofree char *valid = NULL;

    if (value == NULL || value[0] == '\0')
        return;
    cut = g_strndup(value, max + 4); /* a character more */
    valid = g_utf8_make_valid(cut, -1);
    cut_at_character(valid, max);
    g_ptr_array_add(record->fields, g_strdup_printf("%s=%s", name, valid));
}

void
banger_journal_record_add(BangerJournalRecord *record, const char *name, const char *value)
{
    banger_journal_record_add_limited(record, name, value, BANGER_JOURNAL_VALUE_MAX);
}

void
banger_journal_record_add_uint(BangerJournalRecord *record, const char *name, uint64_t value)
{
    g_ptr_array_add(record->fields, g_strdup_printf("%s=%" G_GUINT64_FORMAT, name, value));
}

/*
 * One JSON object on one line. Not the job of a JSON library: util/ has none, and this only writes.
 */
static void
send_to_stderr(const BangerJournalRecord *record)
{
    g_autoptr(GString) line = g_string_new("{");

    for (unsigned int i = 0; i < record->fields->len; i++) {
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
    /*
     * Not g_printerr(), which converts to the locale and would leave "?" for half of the languages.
     */
    (void)fputs(line->str, stderr);
}

static void
write_record(const BangerJournalRecord *record)
{
    g_autofree struct iovec *fields = g_new0(struct iovec, record->fields->len);

    for (unsigned int i = 0; i < record->fields->len; i++) {
        char *field = g_ptr_array_index(record->fields, i);

        fields[i] = (struct iovec){field, strlen(field)};
    }
    if (access("/run/systemd/journal/socket", F_OK) != 0 ||
        sd_journal_sendv(fields, (int)record->fields->len) < 0)
        send_to_stderr(record);
}

/*
 * sd_journal_sendv(3) waits while the journal does not read, and so does standard error: a thread
 * of its own writes, and what it cannot keep up with is dropped and counted.
 */
static struct {
    GMutex lock;
    GCond changed;
    GQueue records; /* of BangerJournalRecord */
    unsigned int dropped;
    bool started;
    bool writing;
} writer;

/* Takes the next record; after the last, the one that says how many were dropped; or NULL. */
static BangerJournalRecord *
next_record(void)
{
    BangerJournalRecord *record = g_queue_pop_head(&writer.records);

    if (record == NULL && writer.dropped > 0) {
        record = banger_journal_record_new(LOG_WARNING,
                                           "records were dropped, the journal was too slow");
        banger_journal_record_add_uint(record, "N_DROPPED", writer.dropped);
        writer.dropped = 0;
    }
    return record;
}

static gpointer
write_records(void *user_data)
{
    (void)user_data;
    g_mutex_lock(&writer.lock);
    for (;;) {
        g_autoptr(BangerJournalRecord) record = next_record();

        writer.writing = record != NULL;
        if (record == NULL) {
            g_cond_broadcast(&writer.changed);
            g_cond_wait(&writer.changed, &writer.lock);
            continue;
        }
        g_mutex_unlock(&writer.lock);
        write_record(record);
        g_mutex_lock(&writer.lock);
    }
    return NULL;
}

static void
flush_at_exit(void)
{
    banger_journal_flush();
}

/* The caller has the lock. */
static bool
start_writer(void)
{
    GThread *thread;

    if (writer.started)
        return true;
    thread = g_thread_try_new("journal", write_records, NULL, NULL);
    if (thread == NULL)
        return false;
    g_thread_unref(thread);
    (void)atexit(flush_at_exit);
    writer.started = true;
    return true;
}

void
banger_journal_start(void)
{
    g_mutex_lock(&writer.lock);
    (void)start_writer();
    g_mutex_unlock(&writer.lock);
}

void
banger_journal_record_send(BangerJournalRecord *record)
{
    g_autoptr(BangerJournalRecord) owned = record;
    bool wakes = false;

    if (record->priority >= LOG_DEBUG && !banger_journal_debug_enabled())
        return;
    g_mutex_lock(&writer.lock);
    if (!start_writer() || g_queue_get_length(&writer.records) >=
                               (record->may_be_dropped ? DROPPABLE_RECORDS_MAX : RECORDS_MAX)) {
        writer.dropped++;
    } else {
        /* The writer looks for more by itself when it has written. */
        wakes = !writer.writing && g_queue_is_empty(&writer.records);
        g_queue_push_tail(&writer.records, g_steal_pointer(&owned));
    }
    g_mutex_unlock(&writer.lock);
    /* Not under the lock, for which the writer would wait as soon as it is awake. */
    if (wakes)
        g_cond_broadcast(&writer.changed);
}

void
banger_journal_flush(void)
{
    int64_t end_usec = g_get_monotonic_time() + FLUSH_TIMEOUT_USEC;

    g_mutex_lock(&writer.lock);
    while (writer.started && (writer.writing || !g_queue_is_empty(&writer.records)))
        if (!g_cond_wait_until(&writer.changed, &writer.lock, end_usec))
            break;
    g_mutex_unlock(&writer.lock);
}

bool
banger_journal_debug_enabled(void)
{
    return g_strcmp0(g_getenv("BANGER_DEBUG"), "1") == 0;
}
