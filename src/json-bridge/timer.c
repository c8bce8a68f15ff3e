/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bridge/timer.h"

#include <glib.h>
#include <time.h>

void
banger_timer_arm(sd_event *event, sd_event_source **timer, unsigned int seconds,
                 sd_event_time_handler_t handler, void *data)
{
    uint64_t usec = seconds * (uint64_t)G_USEC_PER_SEC;
    int r;

    if (*timer == NULL)
        r = sd_event_add_time_relative(event, timer, CLOCK_MONOTONIC, usec, 0, handler, data);
    else
        r = sd_event_source_set_time_relative(*timer, usec);
    if (r >= 0)
        r = sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
    /* That is out of memory, which ends a GLib program anywhere: the descriptor that timers take is
     * there since the server's first. */
    if (r < 0)
        g_error("cannot arm a timer: %s", g_strerror(-r));
}

void
banger_timer_disarm(sd_event_source *timer)
{
    if (timer != NULL)
        (void)sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}
