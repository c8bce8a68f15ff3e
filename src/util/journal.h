/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define BANGER_JOURNAL_VALUE_MAX 4096u /* bytes of a value */

/*
 * One structured record for the journal (systemd.journal-fields(7)). Fields are added in order; a
 * record is sent once.
 */
typedef struct BangerJournalRecord BangerJournalRecord;

/*
 * A record with MESSAGE=@message and PRIORITY=@priority, one of syslog(3)'s LOG_DEBUG … LOG_EMERG.
 */
BangerJournalRecord *banger_journal_record_new(int priority, const char *message);

void banger_journal_record_free(BangerJournalRecord *record);

/*
 * Adds @name=@value. @name is [A-Z][A-Z0-9_]*; a NULL or empty @value adds nothing. A value is
 * truncated after 4 KiB at a character's end, and bytes that are not UTF-8 are replaced: what a
 * caller sent must not make a record that the journal refuses.
 */
void banger_journal_record_add(BangerJournalRecord *record, const char *name, const char *value);

/* As banger_journal_record_add(), with at most @max bytes of the value. */
void banger_journal_record_add_limited(BangerJournalRecord *record, const char *name,
                                       const char *value, size_t max);

/* As banger_journal_record_add(), with a number. */
void banger_journal_record_add_uint(BangerJournalRecord *record, const char *name, uint64_t value);

/* @record may be dropped when the journal is slow. */
void banger_journal_record_allow_drop(BangerJournalRecord *record);

/*
 * Sends @record by sd_journal_sendv(3), and takes it over. Where no journal listens it goes to
 * standard error as one JSON object on one line, with the same member names. Never fails and never
 * waits for a reader: a thread writes. When it is more than 1024 records behind, those that may be
 * dropped are, and when it is more than 65536 behind, all are; their number is written when there
 * is room again. From any thread.
 */
void banger_journal_record_send(BangerJournalRecord *record);

/*
 * Starts the thread that writes, which else the first record does: a thread has the nice value of
 * the one that starts it.
 */
void banger_journal_start(void);

/* Waits until what was sent is written, two seconds at most. Done at exit(3) too. */
void banger_journal_flush(void);

/* Whether records of LOG_DEBUG are sent at all: true if BANGER_DEBUG=1 is in the environment. */
bool banger_journal_debug_enabled(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerJournalRecord, banger_journal_record_free)
