/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "helperd/daemon.h"

#include <glib-unix.h>
#include <signal.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "bus/service.h"
#include "helperd/event-source.h"
#include "util/journal.h"

#define MAIN_THREAD_NICE (-10)

typedef struct {
    const BangerSettings *settings;
    GMainLoop *loop;
    GSource *event_source;
    BangerService *service;
    unsigned int idle_timer;
    bool name_given_up; /* no further call can arrive by the name */
    bool leaving;
} Daemon;

static void
quit_when_idle(Daemon *daemon)
{
    if (daemon->name_given_up && banger_service_in_flight(daemon->service) == 0)
        g_main_loop_quit(daemon->loop);
}

static void
on_name_released(void *user_data)
{
    Daemon *daemon = user_data;

    daemon->name_given_up = true;
    quit_when_idle(daemon);
}

/* Gives up the name, and with it the flow of calls; the rest follows in on_name_released(). */
static void
leave_bus(Daemon *daemon)
{
    if (daemon->leaving)
        return;
    daemon->leaving = true;
    g_clear_handle_id(&daemon->idle_timer, g_source_remove);
    (void)sd_notify(0, "STOPPING=1");
    banger_service_release_name(daemon->service, on_name_released);
}

static gboolean
on_idle_timeout(void *user_data)
{
    Daemon *daemon = user_data;

    /* A call or a subscription may have begun since; its end starts the timer anew. */
    daemon->idle_timer = 0;
    if (banger_service_is_idle(daemon->service))
        leave_bus(daemon);
    return G_SOURCE_REMOVE;
}

/* Called at the start and whenever the last call in flight was answered. */
static void
on_idle(void *user_data)
{
    Daemon *daemon = user_data;

    if (daemon->leaving) {
        quit_when_idle(daemon);
        return;
    }
    g_clear_handle_id(&daemon->idle_timer, g_source_remove);
    if (daemon->settings->idle_timeout_sec > 0)
        daemon->idle_timer =
            g_timeout_add_seconds(daemon->settings->idle_timeout_sec, on_idle_timeout, daemon);
}

static gboolean
on_signal(void *user_data)
{
    Daemon *daemon = user_data;

    /*
     * Not in leave_bus(): at an idle exit a call that just came in may take all the time it needs.
     */
    banger_service_stop(daemon->service);
    leave_bus(daemon);
    return G_SOURCE_CONTINUE;
}

/* The bus went away: no caller can be answered any more, but what is in flight is finished. */
static void
on_disconnected(void *user_data)
{
    Daemon *daemon = user_data;

    daemon->leaving = true;
    daemon->name_given_up = true;
    quit_when_idle(daemon);
}

/*
 * What a flood sends lies in the bus's memory until the main thread has read it, and when the bus
 * has 127 MiB for one connection (max_outgoing_bytes in dbus-daemon(1)), it refuses everyone's
 * calls to it. To read and drop a message takes a third of the time that the bus takes for it, but
 * the kernel keeps only fifty or so: the thread has to have a processor when it wants one. So
 * auditd(8) does it, for the same reason. To nice(2) the threads of the pool and the journal's,
 * which were made before, are like others.
 */
static void
raise_priority(void)
{
    banger_journal_start();
    if (setpriority(PRIO_PROCESS, 0, MAIN_THREAD_NICE) < 0)
        g_debug("cannot raise the priority of the main thread: %m");
}

static void
on_flooded(void *user_data)
{
    const Daemon *daemon = user_data;

    banger_event_source_rest(daemon->event_source);
}

static const BangerServiceEvents events = {
    .idle = on_idle,
    .disconnected = on_disconnected,
    .flooded = on_flooded,
};

bool
banger_daemon_run(const BangerSettings *settings, GError **error)
{
    Daemon daemon = {.settings = settings};
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    sd_event *event = NULL;
    unsigned int term, interrupt;
    bool ok;
    int r = sd_event_new(&event);

    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                "cannot make an event loop");
    daemon.loop = loop;
    daemon.event_source = banger_event_source_new(event);
    (void)g_source_attach(daemon.event_source, NULL);
    /*
     * Before the name is had: the calls that wait for it are there in the same moment. What comes
     * meanwhile is seen to when the loop runs.
     */
    term = g_unix_signal_add(SIGTERM, on_signal, &daemon);
    interrupt = g_unix_signal_add(SIGINT, on_signal, &daemon);
    daemon.service = banger_service_new(event, settings, &events, &daemon, error);
    ok = daemon.service != NULL;
    if (ok) {
        raise_priority();
        on_idle(&daemon);
        g_main_loop_run(loop);
    }
    g_source_remove(term);
    g_source_remove(interrupt);
    g_clear_handle_id(&daemon.idle_timer, g_source_remove);
    g_clear_pointer(&daemon.service, banger_service_free);
    g_source_destroy(daemon.event_source);
    g_source_unref(daemon.event_source);
    sd_event_unref(event);
    return ok;
}
