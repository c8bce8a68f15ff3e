/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/job.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/test-step.h"

#define CHANGE_MIN 0.01 /* of progress, to be worth to be shown */

struct BangerJob {
    gint references;
    BangerJob *whole; /* of a part */
    double first, last;

    /* Of a whole. What follows is under the lock. */
    GMutex lock;
    BangerJobChanged *changed;
    void *user_data;
    char *step;
    double progress;
    double shown; /* the progress at the last change that was worth it */
    char *why;    /* it was cancelled */
    bool committed;
    int cancel_fd; /* eventfd(2) */
};

BangerJob *
banger_job_new(const char *step, BangerJobChanged *changed, void *user_data)
{
    BangerJob *job = g_new0(BangerJob, 1);

    job->references = 1;
    g_mutex_init(&job->lock);
    job->changed = changed;
    job->user_data = user_data;
    job->step = g_strdup(step);
    job->progress = -1;
    job->shown = -1;
    /* Without one (no descriptor is left) waits go on, and the next check ends it. */
    job->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return job;
}

BangerJob *
banger_job_new_part(BangerJob *job, double first, double last)
{
    BangerJob *part;

    if (job == NULL)
        return NULL;
    part = g_new0(BangerJob, 1);
    part->references = 1;
    part->whole = banger_job_ref(job);
    part->first = first;
    part->last = last;
    return part;
}

BangerJob *
banger_job_ref(BangerJob *job)
{
    g_atomic_int_inc(&job->references);
    return job;
}

void
banger_job_unref(BangerJob *job)
{
    if (!g_atomic_int_dec_and_test(&job->references))
        return;
    if (job->whole != NULL) {
        banger_job_unref(job->whole);
    } else {
        g_mutex_clear(&job->lock);
        g_free(job->step);
        g_free(job->why);
        banger_close_fd(&job->cancel_fd);
    }
    g_free(job);
}

void
banger_job_set_step(BangerJob *job, const char *step)
{
    if (job == NULL)
        return;
    if (job->whole != NULL) {
        banger_job_set_step(job->whole, step);
        banger_job_set_progress(job->whole, job->first);
        return;
    }
    g_mutex_lock(&job->lock);
    g_free(job->step);
    job->step = g_strdup(step);
    job->progress = -1;
    job->shown = -1;
    g_mutex_unlock(&job->lock);
    job->changed(job->user_data);
}

void
banger_job_set_progress(BangerJob *job, double progress)
{
    bool show;

    if (job == NULL)
        return;
    progress = CLAMP(progress, 0, 1);
    if (job->whole != NULL) {
        banger_job_set_progress(job->whole, job->first + (job->last - job->first) * progress);
        return;
    }
    g_mutex_lock(&job->lock);
    job->progress = progress;
    show = ABS(progress - job->shown) >= CHANGE_MIN;
    if (show)
        job->shown = progress;
    g_mutex_unlock(&job->lock);
    if (show)
        job->changed(job->user_data);
}

/* With the lock. */
static bool
check_locked(const BangerJob *job, GError **error)
{
    return job->why == NULL ||
           banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "%s", job->why);
}

bool
banger_job_check(BangerJob *job, GError **error)
{
    bool goes_on;

    if (job == NULL)
        return true;
    if (job->whole != NULL)
        return banger_job_check(job->whole, error);
    g_mutex_lock(&job->lock);
    goes_on = check_locked(job, error);
    g_mutex_unlock(&job->lock);
    return goes_on;
}

int
banger_job_get_cancel_fd(const BangerJob *job)
{
    while (job != NULL && job->whole != NULL)
        job = job->whole;
    return job != NULL ? job->cancel_fd : -1;
}

bool
banger_job_pass(BangerJob *job, const char *step, GError **error)
{
#ifdef BANGER_TEST_HOOKS
    if (!banger_test_step(step, banger_job_get_cancel_fd(job), error))
        return false;
#else
    (void)step;
#endif
    return banger_job_check(job, error);
}

bool
banger_job_commit(BangerJob *job, GError **error)
{
    bool goes_on;

    if (job == NULL || job->whole != NULL)
        return banger_job_check(job, error);
    g_mutex_lock(&job->lock);
    goes_on = check_locked(job, error);
    job->committed = goes_on;
    g_mutex_unlock(&job->lock);
    return goes_on;
}

bool
banger_job_cancel(BangerJob *job, const char *why, GError **error)
{
    bool done;

    g_mutex_lock(&job->lock);
    done = !job->committed;
    if (done && job->why == NULL) {
        job->why = g_strdup(why);
        if (job->cancel_fd >= 0)
            (void)eventfd_write(job->cancel_fd, 1);
    }
    g_mutex_unlock(&job->lock);
    return done || banger_set_error(error, BANGER_ERROR_BUSY,
                                    "it is too late to cancel it: what it does now cannot be "
                                    "undone");
}

void
banger_job_get_state(BangerJob *job, BangerJobState *ret_state)
{
    g_mutex_lock(&job->lock);
    ret_state->step = g_strdup(job->step);
    ret_state->progress = job->progress;
    g_mutex_unlock(&job->lock);
}
