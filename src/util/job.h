/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * The job of an operation that can last: how far it has come, and whether it was cancelled. The
 * operation has it in its request (model/requests.h), reports to it and asks it; the bus shows it
 * as an object (bus/jobs.h) and cancels it. Everything here may be called from any thread.
 *
 * For the operation, where a job may be NULL, which is one that no caller sees or cancels:
 *
 *     banger_job_set_step(job, "copying");            what it does now; its progress is unknown
 *     banger_job_set_progress(job, 0.5);              … until it says
 *     if (!banger_job_check(job, error))              before each step that lasts
 *         return false;
 *     if (!banger_job_pass(job, "copied", error))     … or after one that left something behind
 *         return false;
 *     poll({fd, banger_job_get_cancel_fd(job)})       while it waits, so that the wait ends
 *     if (!banger_job_commit(job, error))             the last moment at which it can be undone:
 *         return false;                               from here on it goes through
 *
 * An operation that was cancelled undoes all it did, as after any other failure (util/undo.h), and
 * fails with the error that banger_job_check() set.
 *
 * A composite hands each of its parts a job of its own, by banger_job_new_part(): it is cancelled
 * with the whole; its commit is that of the part alone, and leaves the whole to be cancelled; and
 * its progress is a stretch of the whole's.
 */
typedef struct BangerJob BangerJob;

/* Called after each change that is worth to be shown, on the thread that made it. */
typedef void BangerJobChanged(void *user_data);

/* What is shown. */
typedef struct {
    char *step;
    double progress; /* 0 to 1; -1: unknown */
} BangerJobState;

BangerJob *banger_job_new(const char *step, BangerJobChanged *changed, void *user_data);
BangerJob *banger_job_ref(BangerJob *job);
void banger_job_unref(BangerJob *job);

/*
 * A job for a part of @job, which reaches from @first to @last (0 to 1) of its progress. NULL if
 * @job is.
 */
BangerJob *banger_job_new_part(BangerJob *job, double first, double last);

/* Says in a short phrase what is done from now on. */
void banger_job_set_step(BangerJob *job, const char *step);

/* How much of it is done, from 0 to 1. */
void banger_job_set_progress(BangerJob *job, double progress);

/* Whether it may go on. Errors: OperationFailed, with who cancelled it. */
bool banger_job_check(BangerJob *job, GError **error);

/*
 * As banger_job_check(), after the step that @step names was done, which is left to be undone. In a
 * build with test hooks a test has its say too (util/test-step.h).
 */
bool banger_job_pass(BangerJob *job, const char *step, GError **error);

/*
 * A descriptor that poll(2) finds readable once it is cancelled; not to be read or closed. -1,
 * which poll(2) passes over, without a job.
 */
int banger_job_get_cancel_fd(const BangerJob *job);

/*
 * What follows cannot be undone, or only for a high price: whoever cancels from now on hears that
 * it is too late. Errors: those of banger_job_check(), and then it must not follow.
 */
bool banger_job_commit(BangerJob *job, GError **error);

/*
 * For the bus: cancels @job; the operation's error says @why ("uid 1000 cancelled it"). Once is
 * enough. Errors: Busy, if what it does cannot be undone any more.
 */
bool banger_job_cancel(BangerJob *job, const char *why, GError **error);

/* What it says of itself. The step is to be freed. */
void banger_job_get_state(BangerJob *job, BangerJobState *ret_state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerJob, banger_job_unref)
