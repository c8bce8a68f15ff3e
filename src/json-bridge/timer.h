/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-event.h>

/*
 * Starts, or starts anew, the timer *@timer: it calls @handler(@user_data) once, in @seconds, on
 * @event's loop. *@timer is NULL at first; it belongs to the caller.
 */
void banger_timer_arm(sd_event *event, sd_event_source **timer, unsigned int seconds,
                      sd_event_time_handler_t handler, void *user_data);

/* Stops @timer, which may be NULL. */
void banger_timer_disarm(sd_event_source *timer);
