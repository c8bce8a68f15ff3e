/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "sys/unit.h"

/*
 * Appends the properties of the transient unit for @spec to @message, a call of StartTransientUnit
 * (org.freedesktop.systemd1(5)), as a(sv). What they mean is in systemd.exec(5), systemd.service(5)
 * and systemd.resource-control(5). Returns 0 or -errno.
 */
int banger_unit_append_properties(sd_bus_message *message, const BangerUnitSpec *spec);
