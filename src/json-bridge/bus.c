/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/bus.h"

#include "util/error.h"

typedef struct {
    sd_bus *connection;
    unsigned int n_calls;
} Lane;

struct BangerBus {
    sd_event *event;
    Lane lanes[BANGER_BUS_N_LANES];
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
    for (int i = 0; i < BANGER_BUS_N_LANES; i++)
        sd_bus_flush_close_unref(bus->lanes[i].connection);
    sd_event_unref(bus->event);
    g_free(bus);
}

static int
open_connection(sd_event *event, sd_bus **ret_connection)
{
    sd_bus *connection;
    int r;

    r = sd_bus_open_system(&connection);
    if (r < 0)
        return r;
    r = sd_bus_attach_event(connection, event, SD_EVENT_PRIORITY_NORMAL);
    if (r < 0) {
        sd_bus_close_unref(connection);
        return r;
    }
    *ret_connection = connection;
    return 0;
}

sd_bus *
banger_bus_get(BangerBus *bus, BangerBusLane lane_id, GError **error)
{
    Lane *lane = &bus->lanes[lane_id];
    int r;

    if (lane->connection != NULL && sd_bus_is_open(lane->connection) <= 0) {
        if (lane->n_calls > 0) {
            (void)banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                   "the connection to the system bus was lost");
            return NULL;
        }
        lane->connection = sd_bus_close_unref(lane->connection);
    }
    if (lane->connection != NULL)
        return lane->connection;
    r = open_connection(bus->event, &lane->connection);
    if (r < 0)
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                               "cannot reach the system bus");
    return lane->connection;
}

void
banger_bus_call_begun(BangerBus *bus, BangerBusLane lane)
{
    bus->lanes[lane].n_calls++;
}

void
banger_bus_call_ended(BangerBus *bus, BangerBusLane lane)
{
    bus->lanes[lane].n_calls--;
}

unsigned int
banger_bus_n_calls(const BangerBus *bus)
{
    unsigned int n_calls = 0;

    for (int i = 0; i < BANGER_BUS_N_LANES; i++)
        n_calls += bus->lanes[i].n_calls;
    return n_calls;
}
