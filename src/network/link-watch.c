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

bool
banger_link_watch_hear(int fd, BangerLinkMatter *matters, const void *user_data)
{
    g_autofree char *buffer = g_malloc(BUFFER_SIZE);
    bool heard = false;
    ssize_t length;

    while ((length = recv(fd, buffer, BUFFER_SIZE, MSG_DONTWAIT)) > 0) {
        struct nlmsghdr *header = (struct nlmsghdr *)(void *)buffer;

        for (int left = (int)length; !heard && nlmsg_ok(header, left);
             header = nlmsg_next(header, &left))
            heard = matters(header, user_data);
    }
    return heard || (length < 0 && errno == ENOBUFS);
}

static bool
is_bridge_or_tap(struct nlmsghdr *header, const void *user_data)
{
    BangerLink link;

    (void)user_data;
    return banger_link_parse(header, &link) && link.type != BANGER_LINK_OTHER;
}

static gboolean
on_readable(int fd, GIOCondition condition, void *user_data)
{
    BangerLinkWatch *watch = user_data;

    (void)condition;
    if (banger_link_watch_hear(fd, is_bridge_or_tap, NULL))
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
