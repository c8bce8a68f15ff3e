/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/worker-slots.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "util/error.h"

static const unsigned int limits[BANGER_WORKER_N_SLOTS] = {
    [BANGER_WORKER_SLOT_LIBRARY] = 16,
    [BANGER_WORKER_SLOT_STREAM] = 4,
    [BANGER_WORKER_SLOT_E2FSCK] = 4,
};

/*
 * The places that are free: semaphores (EFD_SEMAPHORE in eventfd(2)), which can be waited for
 * together with a job's end.
 */
static int semaphores[BANGER_WORKER_N_SLOTS];

static void
make_semaphores(void)
{
    static gsize made;

    if (g_once_init_enter(&made)) {
        for (unsigned int slot = BANGER_WORKER_SLOT_NONE + 1; slot < BANGER_WORKER_N_SLOTS;
             slot++) {
            semaphores[slot] = eventfd(limits[slot], EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK);
            if (semaphores[slot] < 0)
                g_error("cannot make a semaphore: %s", g_strerror(errno));
        }
        g_once_init_leave(&made, 1);
    }
}

bool
banger_worker_slot_take(BangerWorkerSlot slot, BangerJob *job, gint64 timeout_usec, GError **error)
{
    const gint64 deadline_usec = g_get_monotonic_time() + timeout_usec;
    eventfd_t one;

    make_semaphores();
    while (eventfd_read(semaphores[slot], &one) < 0) {
        struct pollfd fds[] = {{.fd = semaphores[slot], .events = POLLIN},
                               {.fd = banger_job_get_cancel_fd(job), .events = POLLIN}};
        const gint64 left_usec = deadline_usec - g_get_monotonic_time();

        if (!banger_job_check(job, error))
            return false;
        if (left_usec <= 0)
            return banger_set_error(error, BANGER_ERROR_TIMEOUT,
                                    "all %u image workers are busy, and stayed so for %d s",
                                    limits[slot], (int)(timeout_usec / G_USEC_PER_SEC));
        (void)poll(fds, G_N_ELEMENTS(fds), (int)MIN(left_usec / 1000 + 1, G_MAXINT));
    }
    return true;
}

void
banger_worker_slot_leave(BangerWorkerSlot slot)
{
    if (slot != BANGER_WORKER_SLOT_NONE)
        (void)eventfd_write(semaphores[slot], 1);
}
