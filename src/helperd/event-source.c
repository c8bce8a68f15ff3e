/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "helperd/event-source.h"

#include <stdbool.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define REST_NSEC 250000

/* GLib's own timers are in milliseconds. */
typedef struct {
    GSource source;
    sd_event *event;
    GPollFD event_poll; /* of @event's descriptor; nothing is waited for there while it rests */
    GPollFD rest_poll;  /* of a timer's; nothing but while it rests. -1: it never does */
    bool resting;
} EventSource;

static void
set_resting(EventSource *source, bool resting)
{
    source->resting = resting;
    source->event_poll.events = resting ? 0 : G_IO_IN;
    source->rest_poll.events = resting ? G_IO_IN : 0;
    source->rest_poll.revents = 0;
}

/* After the descriptors were looked at. */
static bool
is_resting(EventSource *source)
{
    if (source->resting && (source->rest_poll.revents & G_IO_IN) != 0)
        set_resting(source, false);
    return source->resting;
}

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
    if (((EventSource *)source)->resting)
        return FALSE;
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

    if (is_resting((EventSource *)source))
        return FALSE;
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
    EventSource *event_source = (EventSource *)source;

    sd_event_unref(event_source->event);
    if (event_source->rest_poll.fd >= 0)
        (void)close(event_source->rest_poll.fd);
}

static void
add_descriptors(EventSource *source)
{
    source->event_poll.fd = sd_event_get_fd(source->event);
    source->rest_poll.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    set_resting(source, false);
    g_source_add_poll(&source->source, &source->event_poll);
    if (source->rest_poll.fd >= 0)
        g_source_add_poll(&source->source, &source->rest_poll);
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
    add_descriptors((EventSource *)source);
    return source;
}

void
banger_event_source_rest(GSource *source)
{
    EventSource *event_source = (EventSource *)source;
    const struct itimerspec rest = {.it_value.tv_nsec = REST_NSEC};

    if (event_source->rest_poll.fd >= 0 &&
        timerfd_settime(event_source->rest_poll.fd, 0, &rest, NULL) == 0)
        set_resting(event_source, true);
}
