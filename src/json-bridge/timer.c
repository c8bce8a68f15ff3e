/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/timer.h"

#include <glib.h>
#include <time.h>

static int
set_time(sd_event *event, sd_event_source **timer, uint64_t time_usec,
         sd_event_time_handler_t handler, void *user_data)
{
    int r;

    if (*timer == NULL)
        return sd_event_add_time_relative(event, timer, CLOCK_MONOTONIC, time_usec, 0, handler,
                                          user_data);
    r = sd_event_source_set_time_relative(*timer, time_usec);
    if (r < 0)
        return r;
    return sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
}

void
banger_timer_arm(sd_event *event, sd_event_source **timer, unsigned int seconds,
                 sd_event_time_handler_t handler, void *user_data)
{
    int r = set_time(event, timer, seconds * (uint64_t)G_USEC_PER_SEC, handler, user_data);

    /*
     * That is out of memory, which ends a GLib program anywhere: the descriptor that timers take is
     * there since the server's first.
     */
    if (r < 0)
        g_error("cannot arm a timer: %s", g_strerror(-r));
}

void
banger_timer_disarm(sd_event_source *timer)
{
    if (timer != NULL)
        (void)sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}
