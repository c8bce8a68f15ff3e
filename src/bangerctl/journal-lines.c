/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/journal-lines.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "bangerctl/output.h"
#include "bangerctl/terminal.h"
#include "bangerctl/text-domain.h"
#include "util/message-ids.h"
#include "util/text.h"

#define FAILURES_MAX 10000 /* records that are counted */
#define HOUR_USEC (UINT64_C(3600) * G_USEC_PER_SEC)
#define CONSOLE "SYSLOG_IDENTIFIER=banger-console"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_journal, sd_journal_close)

static sd_journal *
open_journal(void)
{
    sd_journal *journal = NULL;

    if (sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY) < 0)
        return NULL;
    return journal;
}

static bool
add_match(sd_journal *journal, const char *name, const char *value)
{
    g_autofree char *match = g_strdup_printf("%s=%s", name, value);

    return sd_journal_add_match(journal, match, 0) >= 0;
}

/* The field @name of the current record, printable; NULL if it has none. Free with g_free(). */
static char *
read_field(sd_journal *journal, const char *name)
{
    const size_t prefix = strlen(name) + 1;
    const void *data;
    size_t length;

    if (sd_journal_get_data(journal, name, &data, &length) < 0 || length < prefix)
        return NULL;
    return banger_text_make_printable((const char *)data + prefix, (gssize)(length - prefix));
}

/* A line as journalctl(1) has it, but for the host's name. */
static void
print_line(sd_journal *journal)
{
    g_autofree char *message = read_field(journal, "MESSAGE");
    g_autofree char *identifier = read_field(journal, "SYSLOG_IDENTIFIER");
    g_autofree char *method = read_field(journal, "METHOD");
    g_autofree char *failure = read_field(journal, "ERROR");
    g_autofree char *duration = read_field(journal, "DURATION_MS");
    g_autofree char *priority = read_field(journal, "PRIORITY");
    g_autoptr(GDateTime) time = NULL;
    g_autofree char *stamp = NULL;
    const bool is_bad = priority != NULL && priority[0] <= '3' && priority[1] == '\0';
    uint64_t usec = 0;

    (void)sd_journal_get_realtime_usec(journal, &usec);
    time = g_date_time_new_from_unix_local((gint64)(usec / G_USEC_PER_SEC));
    stamp = time != NULL ? g_date_time_format(time, "%b %d %H:%M:%S") : NULL;
    g_print("%s%s%s %s: %s%s", terminal_style(TERMINAL_DIM), stamp != NULL ? stamp : "-",
            terminal_style(TERMINAL_PLAIN), identifier != NULL ? identifier : "-",
            is_bad ? terminal_style(TERMINAL_BAD) : "", message != NULL ? message : "");
    if (method != NULL)
        g_print(" %s", method);
    if (duration != NULL)
        g_print(" %s ms", duration);
    if (failure != NULL)
        g_print(": %s", failure);
    g_print("%s\n", is_bad ? terminal_style(TERMINAL_PLAIN) : "");
}

void
journal_print_last(const char *id, unsigned int n)
{
    g_autoptr(sd_journal) journal = open_journal();

    if (journal == NULL || !add_match(journal, "VM_ID", id) || sd_journal_seek_tail(journal) < 0 ||
        sd_journal_previous_skip(journal, n) <= 0) {
        if (geteuid() != 0)
            g_print("\n%s\n",
                    _("Its journal has no line that you may read; root and members of the "
                      "group systemd-journal may read all."));
        return;
    }
    g_print("\n");
    do
        print_line(journal);
    while (sd_journal_next(journal) > 0);
}

static void
say_empty(const char *id)
{
    if (geteuid() == 0)
        g_printerr(_("bangerctl: the journal has no line of the console of %s"), id);
    else
        g_printerr(_("bangerctl: the journal has no line of the console of %s, or only root and "
                     "the group systemd-journal may read it"),
                   id);
    g_printerr("\n");
}

ClientStatus
journal_print_console(const char *id, bool follow)
{
    g_autoptr(sd_journal) journal = open_journal();
    bool is_empty = true;
    int r;

    if (journal == NULL || !add_match(journal, "VM_ID", id) ||
        sd_journal_add_match(journal, CONSOLE, 0) < 0)
        return client_fail(_("cannot read the journal"), NULL, -EIO);
    while ((r = sd_journal_next(journal)) >= 0) {
        g_autofree char *message = NULL;

        if (r == 0 && !follow) {
            if (is_empty)
                say_empty(id);
            return CLIENT_OK;
        }
        if (r == 0) {
            (void)fflush(stdout);
            (void)sd_journal_wait(journal, UINT64_MAX);
            continue;
        }
        message = read_field(journal, "MESSAGE");
        g_print("%s\n", message != NULL ? message : "");
        is_empty = false;
    }
    return client_fail(_("cannot read the journal"), NULL, r);
}

/*
 * What the records of an operation say: from when to when it ran, and which machine it was about.
 */
typedef struct {
    uint64_t begin, end; /* wall clock, in microseconds */
    char *id;
} Span;

static void
take_record(sd_journal *journal, Span *span)
{
    g_autofree char *duration = read_field(journal, "DURATION_USEC");
    uint64_t usec = 0, length = 0;

    (void)sd_journal_get_realtime_usec(journal, &usec);
    if (duration != NULL)
        (void)g_ascii_string_to_unsigned(duration, 10, 0, usec, &length, NULL);
    span->begin = MIN(span->begin, usec - length);
    span->end = MAX(span->end, usec);
    if (span->id == NULL)
        span->id = read_field(journal, "VM_ID");
}

static void
print_object(sd_journal *journal)
{
    struct json_object *object = json_object_new_object();
    const void *data;
    size_t length;

    SD_JOURNAL_FOREACH_DATA(journal, data, length)
    {
        const char *equals = memchr(data, '=', length);
        g_autofree char *name = NULL, *value = NULL;

        if (equals == NULL)
            continue;
        name = g_strndup(data, (gsize)(equals - (const char *)data));
        value = banger_text_make_printable(equals + 1,
                                           (gssize)length - (equals + 1 - (const char *)data));
        (void)json_object_object_add(object, name, json_object_new_string(value));
    }
    output_json(object);
    json_object_put(object);
}

/* Prints what is in @span: the records of the operation, and the lines of its machine's unit. */
static void
print_span(sd_journal *journal, const char *op_id, const Span *span, bool json)
{
    sd_journal_flush_matches(journal);
    (void)add_match(journal, "OP_ID", op_id);
    if (span->id != NULL) {
        g_autofree char *unit = g_strdup_printf("banger-vm-%s.service", span->id);

        (void)sd_journal_add_disjunction(journal);
        (void)add_match(journal, "_SYSTEMD_UNIT", unit);
    }
    (void)sd_journal_seek_realtime_usec(journal, span->begin);
    while (sd_journal_next(journal) > 0) {
        uint64_t usec = 0;

        (void)sd_journal_get_realtime_usec(journal, &usec);
        if (usec > span->end)
            return;
        if (json)
            print_object(journal);
        else
            print_line(journal);
    }
}

ClientStatus
journal_print_operation(const char *op_id, bool json)
{
    g_autoptr(sd_journal) journal = open_journal();
    Span span = {UINT64_MAX, 0, NULL};

    if (journal == NULL || !add_match(journal, "OP_ID", op_id))
        return client_fail(_("cannot read the journal"), NULL, -EIO);
    while (sd_journal_next(journal) > 0)
        take_record(journal, &span);
    if (span.end == 0) {
        g_printerr(_("bangerctl: the journal has no record of %s that you may read; members of "
                     "the group systemd-journal may read all"),
                   op_id);
        g_printerr("\n");
        return CLIENT_NOT_FOUND;
    }
    print_span(journal, op_id, &span, json);
    g_free(span.id);
    return CLIENT_OK;
}

struct json_object *
journal_count_failures(void)
{
    g_autoptr(sd_journal) journal = open_journal();
    const uint64_t now_usec = (uint64_t)g_get_real_time();
    struct json_object *counts;
    unsigned int n = 0;

    if (journal == NULL || !add_match(journal, "MESSAGE_ID", BANGER_MESSAGE_ID_FAILED) ||
        sd_journal_seek_realtime_usec(journal, now_usec - HOUR_USEC) < 0)
        return NULL;
    counts = json_object_new_object();
    while (n++ < FAILURES_MAX && sd_journal_next(journal) > 0) {
        g_autofree char *name = read_field(journal, "ERROR_NAME");
        struct json_object *count = NULL;

        if (name == NULL)
            continue;
        if (json_object_object_get_ex(counts, name, &count))
            json_object_set_int64(count, json_object_get_int64(count) + 1);
        else
            (void)json_object_object_add(counts, name, json_object_new_int64(1));
    }
    return counts;
}
