/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "helperd/daemon.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "bus/service.h"
#include "helperd/event-source.h"

#define FLUSH_TIMEOUT_USEC (5 * G_USEC_PER_SEC)

typedef struct {
    const BangerSettings *settings;
    GMainLoop *loop;
    sd_bus *bus;
    BangerService *service;
    guint idle_timer;
    bool name_given_up; /* no further call can arrive by the name */
    bool leaving;
} Daemon;

static void
quit_when_idle(Daemon *daemon)
{
    if (daemon->name_given_up && banger_service_in_flight(daemon->service) == 0)
        g_main_loop_quit(daemon->loop);
}

static int
on_name_released(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    Daemon *daemon = user_data;

    (void)reply;
    (void)ret_error;
    /* Messages come in order: every call sent to the name before the bus took it away has been
     * dispatched by now. */
    daemon->name_given_up = true;
    quit_when_idle(daemon);
    return 0;
}

/* Gives up the name, and with it the flow of calls; the rest follows in on_name_released(). */
static void
leave(Daemon *daemon)
{
    if (daemon->leaving)
        return;
    daemon->leaving = true;
    g_clear_handle_id(&daemon->idle_timer, g_source_remove);
    (void)sd_notify(0, "STOPPING=1");
    if (sd_bus_release_name_async(daemon->bus, NULL, BANGER_BUS_NAME, on_name_released, daemon) <
        0) {
        daemon->name_given_up = true;
        quit_when_idle(daemon);
    }
}

static gboolean
on_idle_timeout(gpointer user_data)
{
    Daemon *daemon = user_data;

    /* A call may have begun since; its end starts the timer anew. */
    daemon->idle_timer = 0;
    if (banger_service_in_flight(daemon->service) == 0)
        leave(daemon);
    return G_SOURCE_REMOVE;
}

/* Called at the start and whenever the last call in flight was answered. */
static void
on_idle(gpointer user_data)
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
on_signal(gpointer user_data)
{
    Daemon *daemon = user_data;

    /* Not in leave(): at an idle exit a call that just came in may take all the time it needs. */
    banger_service_stop(daemon->service);
    leave(daemon);
    return G_SOURCE_CONTINUE;
}

/* The bus went away: nobody can be answered any more, but what is in flight is finished. */
static int
on_disconnected(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    Daemon *daemon = user_data;

    (void)message;
    (void)ret_error;
    daemon->leaving = true;
    daemon->name_given_up = true;
    quit_when_idle(daemon);
    return 0;
}

/*
 * As sd_bus_open_system(3), without passing of descriptors: no method takes one, and what a caller
 * sends all the same would be kept open with its call. The bus refuses such messages.
 */
static int
open_system_bus(sd_bus **ret_bus)
{
    const char *address = g_getenv("DBUS_SYSTEM_BUS_ADDRESS");
    sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);

    if (r >= 0)
        r = sd_bus_set_address(bus,
                               address != NULL ? address : "unix:path=/run/dbus/system_bus_socket");
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, true);
    if (r >= 0)
        r = sd_bus_negotiate_fds(bus, false);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r < 0)
        sd_bus_unref(bus);
    else
        *ret_bus = bus;
    return r;
}

static bool
connect_to_bus(Daemon *daemon, sd_event *event, GError **error)
{
    int r = open_system_bus(&daemon->bus);

    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                "cannot connect to the system bus");
    daemon->service = banger_service_new(daemon->bus, daemon->settings, on_idle, daemon, error);
    if (daemon->service == NULL)
        return false;
    r = sd_bus_match_signal_async(daemon->bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                  "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
                                  NULL, daemon);
    if (r >= 0)
        r = sd_bus_attach_event(daemon->bus, event, SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        r = sd_bus_request_name(daemon->bus, BANGER_BUS_NAME, 0);
    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                "cannot serve " BANGER_BUS_NAME " on the system bus");
    return true;
}

/* Sends what was answered, unless the bus does not take it for a while, and closes. */
static void
close_bus(sd_bus *bus)
{
    gint64 end = g_get_monotonic_time() + FLUSH_TIMEOUT_USEC;
    uint64_t queued;

    if (bus == NULL)
        return;
    (void)sd_bus_detach_event(bus);
    while (sd_bus_get_n_queued_write(bus, &queued) >= 0 && queued > 0 &&
           g_get_monotonic_time() < end) {
        if (sd_bus_process(bus, NULL) < 0)
            break;
        (void)sd_bus_wait(bus, FLUSH_TIMEOUT_USEC / 50);
    }
    sd_bus_close(bus);
    sd_bus_unref(bus);
}

bool
banger_daemon_run(const BangerSettings *settings, GError **error)
{
    Daemon daemon = {.settings = settings};
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    GSource *source;
    sd_event *event = NULL;
    guint term, interrupt;
    bool ok;
    int r = sd_event_new(&event);

    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                "cannot make an event loop");
    daemon.loop = loop;
    source = banger_event_source_new(event);
    (void)g_source_attach(source, NULL);
    /* Before the name is had: the calls that wait for it are there in the same moment. What comes
     * meanwhile is seen to when the loop runs. */
    term = g_unix_signal_add(SIGTERM, on_signal, &daemon);
    interrupt = g_unix_signal_add(SIGINT, on_signal, &daemon);
    ok = connect_to_bus(&daemon, event, error);
    if (ok) {
        on_idle(&daemon);
        g_main_loop_run(loop);
    }
    g_source_remove(term);
    g_source_remove(interrupt);
    g_clear_handle_id(&daemon.idle_timer, g_source_remove);
    g_clear_pointer(&daemon.service, banger_service_free);
    g_source_destroy(source);
    g_source_unref(source);
    close_bus(daemon.bus);
    sd_event_unref(event);
    return ok;
}
