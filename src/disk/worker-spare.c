/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/worker-process.h"

#include <poll.h>

#include "util/worker-protocol.h"

/*
 * The one worker that waits for a request. It is started by a thread that lives as long as the
 * helper, because a worker dies with the thread that started it (PR_SET_PDEATHSIG in prctl(2)), and
 * the operations' own threads come and go.
 */
static struct {
    GMutex lock;
    GCond changed;
    GThread *thread;
    uid_t uid;
    gid_t gid;
    bool wanted;    /* the thread shall start one */
    bool preparing; /* the thread is starting one */
    bool ready;     /* @worker waits */
    BangerWorker worker;
} spare = {.worker = BANGER_WORKER_INIT};

static gpointer
prepare_spares(void *user_data)
{
    (void)user_data;
    g_mutex_lock(&spare.lock);
    for (;;) {
        BangerWorker worker = BANGER_WORKER_INIT;
        bool started;

        while (!spare.wanted || spare.ready)
            g_cond_wait(&spare.changed, &spare.lock);
        spare.wanted = false;
        spare.preparing = true;
        g_mutex_unlock(&spare.lock);
        started = banger_worker_spawn(&worker, spare.uid, spare.gid, BANGER_WORKER_SERVE, -1, NULL);
        if (!started)
            banger_worker_clear(&worker);
        g_mutex_lock(&spare.lock);
        spare.preparing = false;
        spare.ready = started;
        spare.worker = worker;
        g_cond_broadcast(&spare.changed);
    }
    return NULL;
}

/* Whether @worker did not end while it waited. */
static bool
is_alive(const BangerWorker *worker)
{
    struct pollfd fd = {.fd = worker->pidfd, .events = POLLIN};

    return poll(&fd, 1, 0) == 0;
}

/* Takes the waiting worker, or waits for the one that is on its way; and asks for the next. */
static bool
take_spare(BangerWorker *ret_worker, uid_t uid, gid_t gid)
{
    bool taken = false;

    g_mutex_lock(&spare.lock);
    while (spare.preparing && !spare.ready)
        g_cond_wait(&spare.changed, &spare.lock);
    if (spare.ready) {
        *ret_worker = spare.worker;
        spare.worker = (BangerWorker)BANGER_WORKER_INIT;
        spare.ready = false;
        taken = true;
    }
    spare.uid = uid;
    spare.gid = gid;
    spare.wanted = true;
    if (spare.thread == NULL)
        spare.thread = g_thread_new("image-worker", prepare_spares, NULL);
    g_cond_broadcast(&spare.changed);
    g_mutex_unlock(&spare.lock);
    return taken;
}

bool
banger_worker_take(BangerWorker *worker, const BangerSettings *settings, BangerWorkerSlot slot,
                   gint64 timeout_usec, GError **error)
{
    BangerJob *job = worker->job;
    uid_t uid = 0;
    gid_t gid = 0;

    if (!banger_worker_find_user(settings, &uid, &gid, error))
        return false;
    if (!banger_worker_slot_take(slot, job, timeout_usec, error))
        return false;
    if (take_spare(worker, uid, gid) && !is_alive(worker))
        banger_worker_clear(worker);
    worker->slot = slot;
    worker->job = job;
    if (worker->pid == 0 && !banger_worker_spawn(worker, uid, gid, BANGER_WORKER_SERVE, -1, error))
        return false;
    banger_worker_set_timeout(worker, timeout_usec);
    return true;
}
