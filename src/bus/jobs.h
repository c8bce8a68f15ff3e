/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bus/credentials.h"
#include "model/methods.h"
#include "util/job.h"

/*
 * The jobs of the calls that are in flight: each is there from the moment when its call was
 * authorized until it is answered. Used from the main thread, but for banger_jobs_list().
 */
typedef struct BangerJobs BangerJobs;

/* One of them, at one moment. */
typedef struct {
    char *name; /* its number, counted from the start of the helper */
    char *op_id;
    char *method;
    char *object; /* of the machine or the snapshot; "" for anything else */
    uint32_t uid; /* of the caller */
    uint64_t since_usec;
    double progress; /* 0 to 1; -1: unknown */
    char *step;
    BangerJobs *jobs;
} BangerJobInfo;

typedef enum {
    BANGER_JOB_ADDED,
    BANGER_JOB_CHANGED, /* not more often than five times a second */
    BANGER_JOB_ENDED,
} BangerJobEvent;

/* @event is called from the main loop. @credentials know who cancels. */
BangerJobs *banger_jobs_new(BangerCredentials *credentials,
                            void (*event)(const char *name, BangerJobEvent event, void *user_data),
                            void *user_data);

/* None may be left. */
void banger_jobs_free(BangerJobs *jobs);

/*
 * Adds one for a call of @method with @request, by @uid, and puts it into the request.
 * @cancelled(@user_data) is called after it was cancelled.
 */
void banger_jobs_add(BangerJobs *jobs, const BangerMethod *method, BangerRequest *request,
                     uid_t uid, void (*cancelled)(void *user_data), void *user_data);

/* Its call has ended. */
void banger_jobs_remove(BangerJobs *jobs, const BangerJob *job);

/*
 * Adds the BangerJobInfo of each, or of the one called @name, to @table, by name. From any thread.
 */
void banger_jobs_list(BangerJobs *jobs, const char *name, GHashTable *table);

/* For g_hash_table_new_full(). */
void banger_job_info_free(gpointer info);

/* Cancels all that still can be, because of @why. */
void banger_jobs_cancel_all(BangerJobs *jobs, const char *why);

/*
 * Cancels @name for the connection @sender. Errors: NotFound; AccessDenied for who is neither root
 * nor the user who made the call; Busy.
 */
bool banger_jobs_cancel(BangerJobs *jobs, const char *name, const char *sender, GError **error);
