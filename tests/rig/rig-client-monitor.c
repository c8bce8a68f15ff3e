/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rig/rig-client.h"

#include <string.h>

#include "util/settings.h"

/* A connection that sees what passes through the bus (D-Bus specification, BecomeMonitor). */
struct RigMonitor {
    sd_bus *bus;
    unsigned int n_calls;
};

RigMonitor *
rig_monitor_new(void)
{
    RigMonitor *monitor = g_new0(RigMonitor, 1);
    sd_bus_message *message = NULL;

    monitor->bus = rig_bus_open(0);
    ck_assert_int_ge(sd_bus_message_new_method_call(
                         monitor->bus, &message, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                         "org.freedesktop.DBus.Monitoring", "BecomeMonitor"),
                     0);
    ck_assert_int_ge(sd_bus_message_append(message, "asu", 1,
                                           "type='method_call',destination='" BANGER_BUS_NAME "'",
                                           0u),
                     0);
    ck_assert_int_ge(sd_bus_call(monitor->bus, message, (uint64_t)rig_timeout_usec(), NULL, NULL),
                     0);
    sd_bus_message_unref(message);
    return monitor;
}

/* The member of the next call, "" if there is none yet. Free with g_free(). */
static char *
next_member(RigMonitor *monitor)
{
    sd_bus_message *message = NULL;
    int r = sd_bus_process(monitor->bus, &message);
    char *member = g_strdup(message != NULL ? sd_bus_message_get_member(message) : NULL);

    ck_assert_int_ge(r, 0);
    sd_bus_message_unref(message);
    if (r == 0)
        ck_assert_int_ge(sd_bus_wait(monitor->bus, G_USEC_PER_SEC), 0);
    return member != NULL ? member : g_strdup("");
}

void
rig_monitor_wait_calls(RigMonitor *monitor, const char *member, unsigned int count)
{
    gint64 deadline = g_get_monotonic_time() + rig_timeout_usec();

    while (monitor->n_calls < count) {
        g_autofree char *called = next_member(monitor);

        monitor->n_calls += g_str_equal(called, member) ? 1 : 0;
        ck_assert_msg(g_get_monotonic_time() < deadline, "%u calls of %s came, not %u",
                      monitor->n_calls, member, count);
    }
}

unsigned int
rig_monitor_count(RigMonitor *monitor, const char *member, const char *last)
{
    gint64 deadline = g_get_monotonic_time() + rig_timeout_usec();
    unsigned int n = 0;

    for (;;) {
        g_autofree char *called = next_member(monitor);

        if (g_str_equal(called, last))
            return n;
        n += g_str_equal(called, member) ? 1 : 0;
        ck_assert_msg(g_get_monotonic_time() < deadline, "no call of %s came", last);
    }
}

void
rig_monitor_free(RigMonitor *monitor)
{
    sd_bus_flush_close_unref(monitor->bus);
    g_free(monitor);
}
