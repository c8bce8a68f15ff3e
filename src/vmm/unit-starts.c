/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/sd-auto.h"
#include "vmm/unit-common.h"
#include "vmm/unit-private.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER SYSTEMD ".Manager"
#define STARTS_USEC ((gint64)2 * G_USEC_PER_SEC)
#define LOOK_USEC 20000

/*
 * Whether a VM's unit is being started, or is to be: 1 or 0; or -errno if systemd does not say it
 * within @timeout_usec microseconds.
 */
static int
is_any_starting(sd_bus *bus, uint64_t timeout_usec)
{
    g_autoptr(sd_bus_message) message = NULL;
    g_autoptr(sd_bus_message) reply = NULL;
    const char *state;
    uint32_t job;
    int r = sd_bus_message_new_method_call(bus, &message, SYSTEMD, "/org/freedesktop/systemd1",
                                           MANAGER, "ListUnitsByPatterns");

    if (r < 0)
        return r;
    r = sd_bus_message_append(message, "asas", 2, "activating", "inactive", 1,
                              BANGER_UNIT_PREFIX "*" BANGER_UNIT_SUFFIX);
    if (r < 0)
        return r;
    r = sd_bus_call(bus, message, timeout_usec, NULL, &reply);
    if (r < 0)
        return r;
    r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
    while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", NULL, NULL, NULL, &state, NULL,
                                              NULL, NULL, &job, NULL, NULL)) > 0)
        if (job != 0 || g_str_equal(state, "activating"))
            return 1;
    return r;
}

bool
banger_unit_systemd_wait_for_starts(void)
{
    gint64 deadline_usec = g_get_monotonic_time() + STARTS_USEC;
    gint64 left_usec = STARTS_USEC;
    sd_bus *bus = NULL;
    bool answered = false;
    int r = 1;

    if (sd_bus_open_system(&bus) < 0)
        return false;
    while (r > 0 && left_usec > 0) {
        r = is_any_starting(bus, (uint64_t)left_usec);
        answered |= r >= 0;
        if (r > 0)
            g_usleep(LOOK_USEC);
        left_usec = deadline_usec - g_get_monotonic_time();
    }
    sd_bus_flush_close_unref(bus);
    return answered;
}
