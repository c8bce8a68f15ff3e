/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "helperd/event-source.h"

typedef struct {
    GSource source;
    sd_event *event;
} EventSource;

/*
 * sd-event insists that every prepare is followed by a wait, and that one by a dispatch if it says
 * so. GLib does not promise it: it leaves the check out when a source of higher priority is ready.
 * So prepare first goes on from wherever the last iteration stopped.
 */
static gboolean
event_source_prepare(GSource *source, gint *timeout_ms)
{
    sd_event *event = ((EventSource *)source)->event;

    *timeout_ms = -1; /* sd-event's timers make its descriptor readable */
    switch (sd_event_get_state(event)) {
    case SD_EVENT_INITIAL:
        return sd_event_prepare(event) != 0;
    case SD_EVENT_ARMED:
        /* What happened since it was armed may want something else to be waited for. */
        return sd_event_wait(event, 0) != 0 || sd_event_prepare(event) != 0;
    default:
        return TRUE;
    }
}

static gboolean
event_source_check(GSource *source)
{
    sd_event *event = ((EventSource *)source)->event;

    if (sd_event_get_state(event) == SD_EVENT_ARMED)
        return sd_event_wait(event, 0) != 0;
    return sd_event_get_state(event) != SD_EVENT_INITIAL;
}

static gboolean
event_source_dispatch(GSource *source, GSourceFunc callback, void *user_data)
{
    sd_event *event = ((EventSource *)source)->event;

    (void)callback;
    (void)user_data;
    if (sd_event_get_state(event) == SD_EVENT_FINISHED)
        return G_SOURCE_REMOVE;
    return sd_event_dispatch(event) > 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
event_source_finalize(GSource *source)
{
    sd_event_unref(((EventSource *)source)->event);
}

GSource *
banger_event_source_new(sd_event *event)
{
    static GSourceFuncs functions = {
        .prepare = event_source_prepare,
        .check = event_source_check,
        .dispatch = event_source_dispatch,
        .finalize = event_source_finalize,
    };
    GSource *source = g_source_new(&functions, sizeof(EventSource));

    ((EventSource *)source)->event = sd_event_ref(event);
    g_source_set_static_name(source, "sd-event");
    /*
     * No loop runs inside of a dispatch. But a source that may not recurse is blocked during it,
     * for which GLib takes its descriptor out and puts it in again, and wakes the loop each time.
     */
    g_source_set_can_recurse(source, TRUE);
    g_source_add_unix_fd(source, sd_event_get_fd(event), G_IO_IN | G_IO_HUP | G_IO_ERR);
    return source;
}
