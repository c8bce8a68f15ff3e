/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "network/link-watch.h"
#include "network/link.h"
#include "util/error.h"
#include "util/fd.h"

/*
 * The kernel takes a link off all its lists, says so to whoever watches, and only then waits until
 * nothing can refer to the link's memory: an RCU barrier, some 15 ms, without any lock of its own
 * (netdev_run_todo() in net/core/dev.c). The request is answered after that. By then the link has
 * been gone for long, its name is free, and no frame passes it; so the request is sent on a thread
 * of its own, and the caller waits for the announcement.
 */
#define WAIT_MSEC 10000
#define REMOVALS_MAX 32 /* that the kernel has not answered; one more waits for its answer */

typedef struct {
    int references; /* the caller's and the thread's */
    int index;
    int answered_fd; /* eventfd(2) */
    GMutex lock;     /* for what follows */
    bool deleted;
    GError *error;
} Removal;

static int n_removals;

static Removal *
removal_new(int index)
{
    Removal *removal = g_new0(Removal, 1);

    removal->references = 1;
    g_mutex_init(&removal->lock);
    removal->index = index;
    removal->answered_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return removal;
}

static void
removal_unref(Removal *removal)
{
    if (!g_atomic_int_dec_and_test(&removal->references))
        return;
    banger_close_fd(&removal->answered_fd);
    g_mutex_clear(&removal->lock);
    g_clear_error(&removal->error);
    g_free(removal);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Removal, removal_unref)

/* Sends the request, and waits for the answer. */
static bool
delete_link(BangerNetlink *netlink, int index, GError **error)
{
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = index};
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_DELLINK, 0, &info, sizeof info);
    int errnum = banger_netlink_run(netlink, message, NULL, NULL);

    if (errnum == 0 || errnum == ENODEV)
        return true;
    return banger_set_error(error, banger_netlink_code(errnum), "cannot delete link number %d: %s",
                            index, banger_netlink_words(netlink));
}

static gpointer
run_removal(void *user_data)
{
    g_autoptr(Removal) removal = user_data;
    g_autoptr(GError) failure = NULL;
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, &failure);
    bool deleted = netlink != NULL && delete_link(netlink, removal->index, &failure);

    g_mutex_lock(&removal->lock);
    removal->deleted = deleted;
    removal->error = g_steal_pointer(&failure);
    g_mutex_unlock(&removal->lock);
    (void)eventfd_write(removal->answered_fd, 1);
    g_atomic_int_add(&n_removals, -1);
    return NULL;
}

/* Whether a thread has @removal. */
static bool
begin_removal(Removal *removal)
{
    GThread *thread = NULL;

    if (removal->answered_fd < 0)
        return false;
    if (g_atomic_int_add(&n_removals, 1) < REMOVALS_MAX) {
        g_atomic_int_inc(&removal->references);
        thread = g_thread_try_new("link-removal", run_removal, removal, NULL);
        if (thread == NULL)
            removal_unref(removal);
    }
    if (thread == NULL)
        g_atomic_int_add(&n_removals, -1);
    else
        g_thread_unref(thread);
    return thread != NULL;
}

/* Whether it says that the link of @user_data, a Removal, is gone. A port's end is of AF_BRIDGE. */
static bool
tells_end(struct nlmsghdr *header, const void *user_data)
{
    const Removal *removal = user_data;
    const struct ifinfomsg *info = nlmsg_data(header);

    return header->nlmsg_type == RTM_DELLINK && nlmsg_datalen(header) >= (int)sizeof *info &&
           info->ifi_family == AF_UNSPEC && info->ifi_index == removal->index;
}

static bool
take_answer(Removal *removal, GError **error)
{
    bool deleted;

    g_mutex_lock(&removal->lock);
    deleted = removal->deleted;
    if (removal->error != NULL)
        g_propagate_error(error, g_steal_pointer(&removal->error));
    g_mutex_unlock(&removal->lock);
    return deleted;
}

/* Waits until @removal was answered, or the link is gone. */
static bool
await_end(BangerNetlink *netlink, Removal *removal, int watch_fd, GError **error)
{
    gint64 end_usec = g_get_monotonic_time() + WAIT_MSEC * G_TIME_SPAN_MILLISECOND;
    struct pollfd fds[] = {{.fd = removal->answered_fd, .events = POLLIN},
                           {.fd = watch_fd, .events = POLLIN}};
    gint64 left_usec;

    while ((left_usec = end_usec - g_get_monotonic_time()) > 0) {
        BangerLink link;
        bool found = true;

        if (poll(fds, G_N_ELEMENTS(fds), (int)(left_usec / G_TIME_SPAN_MILLISECOND) + 1) <= 0)
            continue;
        if (fds[0].revents != 0)
            return take_answer(removal, error);
        /* The kernel answers this when nothing of the link is left to be seen, in /sys neither. */
        if (banger_link_watch_hear(watch_fd, tells_end, removal) &&
            !banger_link_find_index(netlink, removal->index, &link, &found, error))
            return false;
        if (!found)
            return true;
    }
    return banger_set_error(error, BANGER_ERROR_TIMEOUT,
                            "cannot delete link number %d: no answer of the kernel's in %d s",
                            removal->index, WAIT_MSEC / 1000);
}

bool
banger_link_delete(BangerNetlink *netlink, int index, GError **error)
{
    banger_autofd int watch_fd = banger_link_watch_open(NULL);
    g_autoptr(Removal) removal = removal_new(index);

    return watch_fd < 0 || !begin_removal(removal) ? delete_link(netlink, index, error)
                                                   : await_end(netlink, removal, watch_fd, error);
}
