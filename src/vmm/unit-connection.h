/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "util/sd-auto.h"

/*
 * Connections by which systemd is asked for units of VMs (org.freedesktop.systemd1(5)). One belongs
 * to one thread at a time; when it is done with, it is kept for the next launch, which then neither
 * connects, nor subscribes to the manager's signals, nor asks for its version.
 */
typedef struct {
    sd_bus *bus;
    /* The unique name of the manager: it is another after systemd has executed itself anew. */
    char *manager;
    unsigned int version; /* of that manager */
} BangerUnitConnection;

/*
 * Takes a connection that was kept, or makes one, with @timeout_usec for each call. Returns 0, or
 * -errno, and then @bus_error may say more.
 */
int banger_unit_connection_take(uint64_t timeout_usec, BangerUnitConnection **ret_connection,
                                sd_bus_error *bus_error);

/* Keeps @connection, on which no call failed, for banger_unit_connection_take(). */
void banger_unit_connection_keep(BangerUnitConnection *connection);

/* Closes @connection, and those that are kept: they may be as useless. NULL: closes nothing. */
void banger_unit_connection_drop(BangerUnitConnection *connection);
