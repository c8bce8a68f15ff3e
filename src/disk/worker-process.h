/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <glib.h>

#include "disk/worker-slots.h"
#include "util/job.h"
#include "util/settings.h"

/*
 * One process of banger-image-worker: started, talked to, ended, all within a time limit. For
 * disk/worker-client; others ask whether the programs are there.
 */
typedef struct {
    pid_t pid;
    int pidfd;
    int request; /* our ends, non-blocking; -1 when closed */
    int reply;
    gint64 deadline_usec; /* of g_get_monotonic_time() */
    BangerWorkerSlot slot;
    BangerJob *job;    /* that is cancelled, or NULL; the caller's */
    bool goes_through; /* whatever becomes of the job */
} BangerWorker;

#define BANGER_WORKER_INIT                                                                         \
    {                                                                                              \
        0, -1, -1, -1, 0, BANGER_WORKER_SLOT_NONE, NULL, false                                     \
    }

/*
 * Starts a worker that runs e2fsck, by the command @command, with @image_fd as its block device. It
 * must be done in @timeout_usec microseconds. What it reports of its progress is read from
 * @request. Errors: OperationFailed, NotSupported if the worker's user does not exist. Here and
 * below, with @worker->job set, those of banger_job_check() too.
 */
bool banger_worker_start(BangerWorker *worker, const BangerSettings *settings, const char *command,
                         int image_fd, gint64 timeout_usec, GError **error);

/*
 * Takes a worker that serves a request of libext2fs: one that waits in its sandbox already, if
 * there is one, since starting it is most of what a small request costs; else a new one. Another
 * one is prepared meanwhile, by a thread of its own, which the waiting ones die with. Errors as
 * above.
 */
bool banger_worker_take(BangerWorker *worker, const BangerSettings *settings, BangerWorkerSlot slot,
                        gint64 timeout_usec, GError **error);

/*
 * Sends a worker that was taken the request @parts (which are consumed) and with the first of them
 * the @n_fds descriptors at @fds, the image's first, while listening. A worker
 * that answers or ends before it has read everything is no error: its answer says why.
 */
bool banger_worker_send(BangerWorker *worker, const int *fds, size_t n_fds, struct iovec *parts,
                        size_t n_parts, GError **error);

/* Lets a worker that is READY write. */
void banger_worker_send_go(BangerWorker *worker);

/* Reads exactly @length bytes. OperationFailed, with how it ended, if the worker ends before. */
bool banger_worker_receive(BangerWorker *worker, void *buffer, size_t length, GError **error);

/*
 * Reads until the end of file and keeps the last @max bytes in @ret_text. Meanwhile @worker->job
 * hears of the progress that e2fsck reports.
 */
bool banger_worker_receive_check(BangerWorker *worker, size_t max, GString *ret_text,
                                 GError **error);

/*
 * Waits for the end of the process, and kills it when its time is over. *@ret_status is its exit
 * status. Errors: Timeout; OperationFailed if a signal ended it.
 */
bool banger_worker_wait(BangerWorker *worker, int *ret_status, GError **error);

/*
 * For worker-spare.c: who the worker's user is, and the bare start of a process; @image_fd may be
 * -1.
 */
bool banger_worker_find_user(const BangerSettings *settings, uid_t *ret_uid, gid_t *ret_gid,
                             GError **error);
bool banger_worker_spawn(BangerWorker *worker, uid_t uid, gid_t gid, const char *command,
                         int image_fd, GError **error);
void banger_worker_set_timeout(BangerWorker *worker, gint64 timeout_usec);

/* Kills the process if it still runs, waits for it, closes everything. */
void banger_worker_clear(BangerWorker *worker);

/* Whether the worker is there, and with @fsck the e2fsck that it executes. Errors: NotSupported. */
bool banger_worker_check_programs(bool fsck, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerWorker, banger_worker_clear)
