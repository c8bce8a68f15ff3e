/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

/*
 * A bus that no one answers on and nothing is sent to: sd-bus makes messages only for one that was
 * started. For what turns data into messages and back, without a bus daemon.
 */
static inline sd_bus *
loose_bus_new(void)
{
    sd_bus *bus = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_assert_cmpint(sd_bus_new(&bus), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(bus, fds[0], fds[0]), >=, 0);
    g_assert_cmpint(sd_bus_start(bus), >=, 0);
    (void)close(fds[1]);
    return bus;
}

static inline sd_bus_message *
loose_message_new(sd_bus *bus)
{
    sd_bus_message *message = NULL;

    g_assert_cmpint(sd_bus_message_new_method_call(bus, &message, "a.b", "/a", "a.b", "A"), >=, 0);
    return message;
}
