/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

/*
 * Connects to the system bus, as sd_bus_open_system(3). With @take_descriptors messages may bring
 * descriptors: what a method does not want of them is closed with the message
 * (banger_message_make_stub()), and one for which this process has no descriptor left closes the
 * connection. Its messages are handled by @event, @disconnected when it is closed from the other
 * end. A negative errno on failure.
 */
int banger_system_bus_open(sd_event *event, bool take_descriptors,
                           sd_bus_message_handler_t disconnected, void *user_data,
                           sd_bus **ret_bus);
