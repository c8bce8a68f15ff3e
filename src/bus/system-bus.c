/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/system-bus.h"

#include <stdbool.h>

#include "util/sd-auto.h"

#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"
#define LOCAL "org.freedesktop.DBus.Local"

static int
connect_to(const char *address, bool take_descriptors, sd_bus *bus)
{
    int r = sd_bus_set_address(bus, address);

    if (r < 0)
        return r;
    r = sd_bus_set_bus_client(bus, true);
    if (r < 0)
        return r;
    r = sd_bus_negotiate_fds(bus, take_descriptors);
    if (r < 0)
        return r;
    return sd_bus_start(bus);
}

int
banger_system_bus_open(sd_event *event, bool take_descriptors,
                       sd_bus_message_handler_t disconnected, void *user_data, sd_bus **ret_bus)
{
    const char *address = g_getenv("DBUS_SYSTEM_BUS_ADDRESS");
    g_autoptr(sd_bus) bus = NULL;
    int r = sd_bus_new(&bus);

    if (r < 0)
        return r;
    r = connect_to(address != NULL ? address : SYSTEM_BUS, take_descriptors, bus);
    if (r < 0)
        return r;
    r = sd_bus_match_signal_async(bus, NULL, LOCAL, NULL, LOCAL, "Disconnected", disconnected, NULL,
                                  user_data);
    if (r < 0)
        return r;
    r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
    if (r < 0)
        return r;
    *ret_bus = g_steal_pointer(&bus);
    return 0;
}
