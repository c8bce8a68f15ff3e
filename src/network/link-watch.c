/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/link-watch.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netlink/msg.h>

#include "network/link.h"
#include "util/error.h"
#include "util/fd.h"

#define BUFFER_SIZE 32768 /* one datagram of the kernel's is no larger */

struct BangerLinkWatch {
    int fd;
    unsigned int source;
    void (*changed)(void *user_data);
    void *user_data;
};

/* Whether the datagram in @buffer is about a bridge or a TAP. */
static bool
is_relevant(const void *buffer, int length)
{
    struct nlmsghdr *header = (struct nlmsghdr *)(gsize)buffer;
    BangerLink link;

    for (; nlmsg_ok(header, length); header = nlmsg_next(header, &length))
        if (banger_link_parse(header, &link) && link.type != BANGER_LINK_OTHER)
            return true;
    return false;
}

static gboolean
on_readable(int fd, GIOCondition condition, void *user_data)
{
    BangerLinkWatch *watch = user_data;
    g_autofree char *buffer = g_malloc(BUFFER_SIZE);
    bool relevant = false;
    ssize_t length;

    (void)condition;
    while ((length = recv(fd, buffer, BUFFER_SIZE, MSG_DONTWAIT)) > 0)
        relevant |= is_relevant(buffer, (int)length);
    /* The kernel had more to say than the socket has room for. */
    relevant |= length < 0 && errno == ENOBUFS;
    if (relevant)
        watch->changed(watch->user_data);
    return G_SOURCE_CONTINUE;
}

int
banger_link_watch_open(GError **error)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    banger_autofd int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                               "cannot watch the links");
        return -1;
    }
    return banger_steal_fd(&fd);
}

BangerLinkWatch *
banger_link_watch_new(void (*changed)(void *user_data), void *user_data, GError **error)
{
    banger_autofd int fd = banger_link_watch_open(error);
    BangerLinkWatch *watch;

    if (fd < 0)
        return NULL;
    watch = g_new0(BangerLinkWatch, 1);
    watch->fd = banger_steal_fd(&fd);
    watch->changed = changed;
    watch->user_data = user_data;
    watch->source = g_unix_fd_add(watch->fd, G_IO_IN, on_readable, watch);
    return watch;
}

void
banger_link_watch_free(BangerLinkWatch *watch)
{
    g_source_remove(watch->source);
    banger_close_fd(&watch->fd);
    g_free(watch);
}
