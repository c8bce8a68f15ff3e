/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/jobs.h"

#include <string.h>

#include "model/details.h"
#include "model/names.h"
#include "util/error.h"

#define CHANGED_INTERVAL_MSEC 200u

struct BangerJobs {
    BangerCredentials *credentials;
    GMutex lock;
    GHashTable *entries; /* name -> Entry; changed on the main thread and under the lock */
    guint64 last;        /* number */
    void (*event)(const char *name, BangerJobEvent event, void *user_data);
    void *user_data;
};

/* One job; its timer has a reference too. */
typedef struct {
    gint references;
    BangerJobs *jobs; /* while it is in flight; of the main thread */
    BangerJob *job;
    BangerJobInfo info; /* but progress and step */
    void (*cancelled)(void *user_data);
    void *user_data;
    gint is_due; /* the timer, after which the change is said, runs */
} Entry;

static void
clear_info(BangerJobInfo *info)
{
    g_free(info->name);
    g_free(info->op_id);
    g_free(info->method);
    g_free(info->object);
    g_free(info->step);
}

void
banger_job_info_free(gpointer info)
{
    clear_info(info);
    g_free(info);
}

static void
entry_unref(gpointer data)
{
    Entry *entry = data;

    if (!g_atomic_int_dec_and_test(&entry->references))
        return;
    clear_info(&entry->info);
    g_free(entry);
}

/* Its call has ended: the operation, and its threads, are done with the job. */
static void
end_entry(gpointer data)
{
    Entry *entry = data;

    entry->jobs = NULL;
    g_clear_pointer(&entry->job, banger_job_unref);
    entry_unref(entry);
}

BangerJobs *
banger_jobs_new(BangerCredentials *credentials,
                void (*event)(const char *name, BangerJobEvent event, void *user_data),
                void *user_data)
{
    BangerJobs *jobs = g_new0(BangerJobs, 1);

    jobs->credentials = credentials;
    g_mutex_init(&jobs->lock);
    jobs->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, end_entry);
    jobs->event = event;
    jobs->user_data = user_data;
    return jobs;
}

void
banger_jobs_free(BangerJobs *jobs)
{
    g_assert(g_hash_table_size(jobs->entries) == 0);
    g_hash_table_unref(jobs->entries);
    g_mutex_clear(&jobs->lock);
    g_free(jobs);
}

static gboolean
on_due(void *user_data)
{
    Entry *entry = user_data;

    g_atomic_int_set(&entry->is_due, 0);
    if (entry->jobs != NULL)
        entry->jobs->event(entry->info.name, BANGER_JOB_CHANGED, entry->jobs->user_data);
    return G_SOURCE_REMOVE;
}

/* On a thread of the operation. */
static void
on_changed(void *user_data)
{
    Entry *entry = user_data;
    g_autoptr(GSource) source = NULL;

    if (!g_atomic_int_compare_and_exchange(&entry->is_due, 0, 1))
        return;
    g_atomic_int_inc(&entry->references);
    source = g_timeout_source_new(CHANGED_INTERVAL_MSEC);
    g_source_set_callback(source, on_due, entry, entry_unref);
    (void)g_source_attach(source, NULL);
}

/*
 * Keeps in *@user_data the machine or the snapshot that the call is about. Paths of files are not
 * for everybody to read.
 */
static void
find_object(const BangerField *field, const char *text, void *user_data)
{
    char **object = user_data;
    bool has_directory = g_str_has_prefix(text, BANGER_DM_DIRECTORY);

    if (*object != NULL || (field->flags & BANGER_FIELD_OBJECT) == 0)
        return;
    if (field->kind == BANGER_KIND_VM_ID || field->kind == BANGER_KIND_DM_NAME ||
        field->kind == BANGER_KIND_DM_TARGET || field->kind == BANGER_KIND_DM_PATH || has_directory)
        *object = g_strdup(has_directory ? text + strlen(BANGER_DM_DIRECTORY) : text);
}

void
banger_jobs_add(BangerJobs *jobs, const BangerMethod *method, BangerRequest *request, uid_t uid,
                void (*cancelled)(void *user_data), void *user_data)
{
    Entry *entry = g_new0(Entry, 1);
    char *object = NULL;

    banger_request_for_each_detail(method, request, find_object, &object);
    entry->references = 1;
    entry->jobs = jobs;
    entry->cancelled = cancelled;
    entry->user_data = user_data;
    entry->info = (BangerJobInfo){
        .name = g_strdup_printf("%" G_GUINT64_FORMAT, ++jobs->last),
        .op_id = g_strdup(request->op_id),
        .method = g_strdup(method->dbus_name),
        .object = object != NULL ? object : g_strdup(""),
        .uid = uid,
        .since_usec = (uint64_t)g_get_real_time(),
    };
    entry->job = banger_job_new("waiting", on_changed, entry);
    request->job = banger_job_ref(entry->job);
    g_mutex_lock(&jobs->lock);
    g_hash_table_insert(jobs->entries, entry->info.name, entry);
    g_mutex_unlock(&jobs->lock);
    jobs->event(entry->info.name, BANGER_JOB_ADDED, jobs->user_data);
}

void
banger_jobs_remove(BangerJobs *jobs, const BangerJob *job)
{
    GHashTableIter iter;
    gpointer value;
    g_autofree char *name = NULL;

    g_mutex_lock(&jobs->lock);
    g_hash_table_iter_init(&iter, jobs->entries);
    while (name == NULL && g_hash_table_iter_next(&iter, NULL, &value)) {
        const Entry *entry = value;

        if (entry->job != job)
            continue;
        name = g_strdup(entry->info.name);
        g_hash_table_iter_remove(&iter);
    }
    g_mutex_unlock(&jobs->lock);
    jobs->event(name, BANGER_JOB_ENDED, jobs->user_data);
}

static void
add_info(BangerJobs *jobs, const Entry *entry, GHashTable *table)
{
    BangerJobInfo *info = g_new0(BangerJobInfo, 1);
    BangerJobState state;

    banger_job_get_state(entry->job, &state);
    *info = (BangerJobInfo){
        .name = g_strdup(entry->info.name),
        .op_id = g_strdup(entry->info.op_id),
        .method = g_strdup(entry->info.method),
        .object = g_strdup(entry->info.object),
        .uid = entry->info.uid,
        .since_usec = entry->info.since_usec,
        .progress = state.progress,
        .step = state.step,
        .jobs = jobs,
    };
    g_hash_table_insert(table, info->name, info);
}

void
banger_jobs_list(BangerJobs *jobs, const char *name, GHashTable *table)
{
    GHashTableIter iter;
    gpointer entry;

    g_mutex_lock(&jobs->lock);
    g_hash_table_iter_init(&iter, jobs->entries);
    while (g_hash_table_iter_next(&iter, NULL, &entry))
        if (name == NULL || g_str_equal(((const Entry *)entry)->info.name, name))
            add_info(jobs, entry, table);
    g_mutex_unlock(&jobs->lock);
}

bool
banger_jobs_cancel(BangerJobs *jobs, const char *name, const char *sender, GError **error)
{
    const BangerPeer *peer = banger_credentials_find(jobs->credentials, sender);
    Entry *entry = g_hash_table_lookup(jobs->entries, name);
    g_autofree char *why = NULL;
    g_autoptr(GError) failure = NULL;

    if (entry == NULL)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "job %s has ended", name);
    if (peer == NULL || (peer->uid != 0 && peer->uid != entry->info.uid))
        return banger_set_error(error, BANGER_ERROR_ACCESS_DENIED,
                                "job %s is of uid %u: only that user and root may cancel it (%s)",
                                name, entry->info.uid, entry->info.op_id);
    why = g_strdup_printf("uid %u cancelled it", peer->uid);
    if (!banger_job_cancel(entry->job, why, &failure))
        return banger_set_error(error, BANGER_ERROR_BUSY, "cannot cancel job %s: %s (%s)", name,
                                failure->message, entry->info.op_id);
    entry->cancelled(entry->user_data);
    return true;
}

void
banger_jobs_cancel_all(BangerJobs *jobs, const char *why)
{
    g_autoptr(GList) names = g_hash_table_get_keys(jobs->entries);

    /* One that waits for its turn ends here, and others' turns come. */
    for (GList *at = names; at != NULL; at = at->next)
        at->data = g_strdup(at->data);
    for (GList *at = names; at != NULL; at = at->next) {
        g_autofree char *name = at->data;
        Entry *entry = g_hash_table_lookup(jobs->entries, name);

        if (entry != NULL && banger_job_cancel(entry->job, why, NULL))
            entry->cancelled(entry->user_data);
    }
}
