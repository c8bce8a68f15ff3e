/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bridge/bus.h"

#include "util/error.h"

struct BangerBus {
    sd_event *event;
    sd_bus *connection;
    unsigned int n_calls;
};

BangerBus *
banger_bus_new(sd_event *event)
{
    BangerBus *bus = g_new0(BangerBus, 1);

    bus->event = sd_event_ref(event);
    return bus;
}

void
banger_bus_free(BangerBus *bus)
{
    bus->connection = sd_bus_flush_close_unref(bus->connection);
    sd_event_unref(bus->event);
    g_free(bus);
}

sd_bus *
banger_bus_get(BangerBus *bus, GError **error)
{
    int r;

    if (bus->connection != NULL && sd_bus_is_open(bus->connection) <= 0) {
        if (bus->n_calls > 0) {
            (void)banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                   "the connection to the system bus was lost");
            return NULL;
        }
        bus->connection = sd_bus_close_unref(bus->connection);
    }
    if (bus->connection != NULL)
        return bus->connection;
    r = sd_bus_open_system(&bus->connection);
    if (r >= 0)
        r = sd_bus_attach_event(bus->connection, bus->event, SD_EVENT_PRIORITY_NORMAL);
    if (r < 0) {
        bus->connection = sd_bus_close_unref(bus->connection);
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                               "cannot reach the system bus");
    }
    return bus->connection;
}

void
banger_bus_call_begun(BangerBus *bus)
{
    bus->n_calls++;
}

void
banger_bus_call_ended(BangerBus *bus)
{
    bus->n_calls--;
}

unsigned int
banger_bus_n_calls(const BangerBus *bus)
{
    return bus->n_calls;
}
