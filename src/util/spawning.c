/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/spawning.h"

#include <errno.h>
#include <glib.h>
#include <unistd.h>

#include "util/fd.h"

#define WAIT_USEC (2 * G_USEC_PER_SEC)

static GMutex lock;
static GCond changed;
static uint64_t next_ticket; /* under the lock */
static GArray *tickets;      /* under the lock: of uint64_t, not ended yet, rising */

uint64_t
banger_spawning_begin(void)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);
    uint64_t ticket = next_ticket++;

    if (tickets == NULL)
        tickets = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    g_array_append_val(tickets, ticket);
    return ticket;
}

void
banger_spawning_end(uint64_t ticket)
{
    int saved_errno = errno;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lock);

    for (unsigned int i = 0; i < tickets->len; i++)
        if (g_array_index(tickets, uint64_t, i) == ticket) {
            g_array_remove_index(tickets, i);
            break;
        }
    g_cond_broadcast(&changed);
    errno = saved_errno;
}

/* Under the lock. */
static bool
is_spawning_since_before(uint64_t ticket)
{
    return tickets != NULL && tickets->len > 0 && g_array_index(tickets, uint64_t, 0) < ticket;
}

void
banger_close_everywhere(int *fd)
{
    int saved_errno = errno;
    gint64 end_usec = g_get_monotonic_time() + WAIT_USEC;
    uint64_t first_without;
    bool in_time = true;

    if (*fd < 0)
        return;
    (void)close(*fd);
    *fd = -1;
    g_mutex_lock(&lock);
    first_without = next_ticket; /* begun after the close: has no copy */
    while (in_time && is_spawning_since_before(first_without))
        in_time = g_cond_wait_until(&changed, &lock, end_usec);
    g_mutex_unlock(&lock);
    errno = saved_errno;
}
