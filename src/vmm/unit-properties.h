/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "vmm/unit.h"

/*
 * Appends the properties of the transient unit for @spec to @message, a call of StartTransientUnit
 * (org.freedesktop.systemd1(5)), as a(sv). What they mean is in systemd.exec(5), systemd.service(5)
 * and systemd.resource-control(5). Returns 0 or -errno.
 */
int banger_unit_append_properties(sd_bus_message *message, const BangerUnitSpec *spec,
                                  unsigned int systemd_version);

/*
 * Its part for a unit with a jail (unit-jail.c): user, root directory, devices. @systemd_version is
 * the manager's: an unknown property would be refused.
 */
int banger_unit_append_jail(sd_bus_message *message, const BangerUnitSpec *spec,
                            unsigned int systemd_version);

/* Its part for every unit (unit-limits.c): system calls, cgroup, journal. */
int banger_unit_append_limits(sd_bus_message *message, const BangerUnitSpec *spec);

/* Appends the property @name of @type with the values that follow, if nothing failed so far. */
#define BANGER_UNIT_APPEND(r, message, name, type, ...)                                            \
    do {                                                                                           \
        if ((r) >= 0)                                                                              \
            (r) = sd_bus_message_append(message, "(sv)", name, type, __VA_ARGS__);                 \
    } while (0)

/*
 * Opens the property @name, an array of @element (a signature), whose values are to be appended
 * next; and closes it again. Both return 0 or more, or -errno.
 */
int banger_unit_open_array(sd_bus_message *message, const char *name, const char *element);
int banger_unit_close_array(sd_bus_message *message);

/* Appends the group of /dev/kvm and @group (0: none) as SupplementaryGroups. */
int banger_unit_append_groups(sd_bus_message *message, gid_t group);
