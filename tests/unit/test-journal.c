/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Journal records where there is no journal: one JSON object on a line. */
#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/harness.h"
#include "util/fd.h"
#include "util/journal.h"

/* Where a journal listens, records go there: what standard error gets cannot be seen then. */
static bool
journal_listens(void)
{
    if (access("/run/systemd/journal/socket", F_OK) != 0)
        return false;
    harness_skip("a journal listens on this host");
    return true;
}

/* What standard error got from sending @record, as text. */
static char *
send_and_read(BangerJournalRecord *record)
{
    banger_autofd int stderr_fd = dup(STDERR_FILENO);
    banger_autofd int read_end = -1;
    int fds[2];
    char buffer[65536];
    ssize_t length;

    ck_assert_int_eq(pipe(fds), 0);
    read_end = fds[0];
    ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
    (void)close(fds[1]);
    banger_journal_record_send(record);
    banger_journal_flush();
    ck_assert_int_ge(dup2(stderr_fd, STDERR_FILENO), 0);
    length = read(read_end, buffer, sizeof buffer);
    ck_assert_int_ge(length, 0);
    return g_strndup(buffer, (gsize)length);
}

START_TEST(one_object_a_line)
{
    g_autofree char *line = NULL;
    BangerJournalRecord *record = banger_journal_record_new(LOG_INFO, "a \"quoted\" message");

    if (journal_listens()) {
        banger_journal_record_free(record);
        return;
    }
    banger_journal_record_add(record, "OP_ID", "op-1");
    banger_journal_record_add(record, "EMPTY", "");
    banger_journal_record_add(record, "NOTHING", NULL);
    banger_journal_record_add(record, "ODD", "\\ \n\t\x01 \xff");
    banger_journal_record_add_uint(record, "NUMBER", G_MAXUINT64);
    line = send_and_read(record);
    ck_assert_str_eq(line, "{\"MESSAGE\":\"a \\\"quoted\\\" message\",\"PRIORITY\":\"6\","
                           "\"OP_ID\":\"op-1\",\"ODD\":\"\\\\ \\u000a\\u0009\\u0001 \xef\xbf\xbd\","
                           "\"NUMBER\":\"18446744073709551615\"}\n");
}
END_TEST

START_TEST(long_values_are_cut_at_a_character)
{
    g_autofree char *value = g_strnfill(4095, 'a');
    g_autofree char *longer = g_strconcat(value, "\xc3\xa4", "bcd", NULL); /* 4095 + 2 + 3 bytes */
    g_autofree char *expected = g_strconcat("\"", value, "\"}\n", NULL);
    g_autofree char *line = NULL;
    BangerJournalRecord *record = banger_journal_record_new(LOG_INFO, "m");

    if (journal_listens()) {
        banger_journal_record_free(record);
        return;
    }
    banger_journal_record_add(record, "LONG", longer);
    line = send_and_read(record);
    ck_assert(g_str_has_suffix(line, expected));
}
END_TEST

START_TEST(debug_only_when_asked_for)
{
    g_autofree char *silent = NULL;
    g_autofree char *line = NULL;

    if (journal_listens())
        return;
    g_unsetenv("BANGER_DEBUG");
    silent = send_and_read(banger_journal_record_new(LOG_DEBUG, "quiet"));
    ck_assert_str_eq(silent, "");
    ck_assert(g_setenv("BANGER_DEBUG", "1", TRUE));
    line = send_and_read(banger_journal_record_new(LOG_DEBUG, "loud"));
    ck_assert_ptr_nonnull(strstr(line, "loud"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("journal");
    TCase *tcase = tcase_create("journal");

    tcase_add_test(tcase, one_object_a_line);
    tcase_add_test(tcase, long_values_are_cut_at_a_character);
    tcase_add_test(tcase, debug_only_when_asked_for);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/journal", suite);
}
