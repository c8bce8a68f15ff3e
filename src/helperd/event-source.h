/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-event.h>

/*
 * A GSource that runs @event inside GLib's main loop, as sd_event_get_fd(3) describes: each
 * iteration of the main loop prepares it, waits for nothing, and dispatches at most one of its
 * sources. When @event has come to its end (sd_event_exit(3)), the source removes itself. The
 * caller attaches and unrefs it; it has a reference on @event.
 */
GSource *banger_event_source_new(sd_event *event);

/*
 * Leaves @event alone for a quarter of a millisecond, so that more of what it waits for comes
 * together; the other sources of the main loop go on. For a callback of one of them, or of @event.
 */
void banger_event_source_rest(GSource *source);
