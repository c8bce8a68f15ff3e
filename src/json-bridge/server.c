/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/server.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "json-bridge/bridge-limits.h"
#include "json-bridge/bus-call.h"
#include "json-bridge/connection.h"
#include "json-bridge/timer.h"
#include "util/error.h"
#include "util/fd.h"

#define ACCEPT_RETRY_USEC (100 * G_USEC_PER_SEC / 1000)

typedef struct {
    const BangerServerOptions *options;
    BangerContext context;
    GHashTable *connections; /* a set of those that are open */
    int listener_fd;
    sd_event_source *listener;
    sd_event_source *retry; /* where accepting failed for want of something */
    sd_event_source *idle;
    sd_event_source *after_event;
} Server;

static void restart_idle(Server *server);

static int
on_idle(sd_event_source *source, uint64_t usec, void *user_data)
{
    Server *server = user_data;

    (void)source;
    (void)usec;
    if (g_hash_table_size(server->connections) == 0 && banger_bus_n_calls(server->context.bus) == 0)
        return sd_event_exit(server->context.event, 0);
    /* A call may outlive its connection, and its end is then reported to no one. */
    restart_idle(server);
    return 0;
}

/* Begins to count idle time, or to count it anew. */
static void
restart_idle(Server *server)
{
    if (server->options->idle_timeout_sec > 0)
        banger_timer_arm(server->context.event, &server->idle, server->options->idle_timeout_sec,
                         on_idle, server);
}

static void
on_closed(BangerConnection *connection, void *user_data)
{
    Server *server = user_data;

    g_hash_table_remove(server->connections, connection);
    restart_idle(server);
}

/* One error, and the end, before anything is read. The socket's buffer is empty, so it takes it. */
static bool
answer_and_forget(GString *answer, void *user_data)
{
    const int *fd = user_data;

    if (answer == NULL)
        return true;
    g_string_append_c(answer, '\n');
    (void)send(*fd, answer->str, answer->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    g_string_free(answer, TRUE);
    return true;
}

static void
turn_away(Server *server, int fd, const struct ucred *peer, const GError *error)
{
    BangerEnvelope *envelope =
        banger_envelope_refused(BANGER_DIALECT_LEGACY, banger_fault_from_error(error));
    const BangerNeeds no_needs = {0};

    banger_call_start(server->context.bus, peer, envelope, &no_needs, answer_and_forget, &fd);
}

/* Closes the connection that has been idle longest after an answer; false if none is idle. */
static bool
close_idlest(Server *server)
{
    BangerConnection *idlest = NULL;
    uint64_t idlest_since_usec = UINT64_MAX;
    GHashTableIter iter;
    void *key;

    g_hash_table_iter_init(&iter, server->connections);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        uint64_t since_usec;

        if (banger_connection_is_idle(key, &since_usec) && since_usec < idlest_since_usec) {
            idlest = key;
            idlest_since_usec = since_usec;
        }
    }
    if (idlest == NULL)
        return false;
    banger_connection_close(idlest);
    return true;
}

static bool
is_welcome(Server *server, const struct ucred *peer, GError **error)
{
    if (peer->uid != 0 && peer->uid != server->options->owner)
        return banger_set_error(error, BANGER_ERROR_ACCESS_DENIED, "uid %u may not use this socket",
                                (unsigned int)peer->uid);
    if (g_hash_table_size(server->connections) >= BANGER_CONNECTIONS_MAX && !close_idlest(server))
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "%u connections are open already, and none is idle",
                                BANGER_CONNECTIONS_MAX);
    return true;
}

static void
welcome_peer(Server *server, int accepted)
{
    banger_autofd int fd = accepted;
    g_autoptr(GError) error = NULL;
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return;
    if (!is_welcome(server, &peer, &error)) {
        turn_away(server, fd, &peer, error);
        return;
    }
    g_hash_table_add(
        server->connections,
        banger_connection_new(&server->context, banger_steal_fd(&fd), &peer, on_closed, server));
}

static int
on_retry(sd_event_source *source, uint64_t usec, void *user_data)
{
    Server *server = user_data;

    (void)source;
    (void)usec;
    if (!server->context.is_stopping)
        (void)sd_event_source_set_enabled(server->listener, SD_EVENT_ON);
    return 0;
}

/* Out of descriptors or memory: the connection stays in the queue, and is looked at again soon. */
static void
accept_later(Server *server)
{
    (void)sd_event_source_set_enabled(server->listener, SD_EVENT_OFF);
    (void)sd_event_source_set_time_relative(server->retry, ACCEPT_RETRY_USEC);
    (void)sd_event_source_set_enabled(server->retry, SD_EVENT_ONESHOT);
}

/* Made while there are descriptors: the loop's first timer takes one, which all others share. */
static int
prepare_retry(Server *server)
{
    int r = sd_event_add_time_relative(server->context.event, &server->retry, CLOCK_MONOTONIC,
                                       ACCEPT_RETRY_USEC, 0, on_retry, server);

    return r < 0 ? r : sd_event_source_set_enabled(server->retry, SD_EVENT_OFF);
}

static int
on_connect(sd_event_source *source, int listener, uint32_t revents, void *user_data)
{
    Server *server = user_data;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)source;
    (void)revents;
    if (fd >= 0)
        welcome_peer(server, fd);
    else if (banger_is_shortage(errno) || errno == ENOBUFS)
        accept_later(server);
    return 0;
}

/* If the folder is root's the removal fails, and the next start replaces what is left. */
static void
give_up_listener(Server *server)
{
    if (server->listener_fd >= 0 && server->options->socket_path != NULL)
        (void)unlink(server->options->socket_path);
    server->listener = sd_event_source_disable_unref(server->listener);
    banger_close_fd(&server->listener_fd);
}

/* Runs after every event once the end has been asked for. */
static int
on_after_event(sd_event_source *source, void *user_data)
{
    Server *server = user_data;

    (void)source;
    if (g_hash_table_size(server->connections) == 0 && banger_bus_n_calls(server->context.bus) == 0)
        return sd_event_exit(server->context.event, 0);
    return 0;
}

static int
on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *user_data)
{
    Server *server = user_data;
    g_autoptr(GList) connections = NULL;
    int r;

    (void)source;
    (void)info;
    if (server->context.is_stopping)
        return 0;
    server->context.is_stopping = true;
    (void)sd_notify(0, "STOPPING=1");
    /* A socket of systemd's stays: the next of us serves who comes now. */
    if (server->options->socket_path != NULL)
        give_up_listener(server);
    else
        (void)sd_event_source_set_enabled(server->listener, SD_EVENT_OFF);
    connections = g_hash_table_get_keys(server->connections);
    for (GList *item = connections; item != NULL; item = item->next)
        banger_connection_stop(item->data);
    r = sd_event_add_post(server->context.event, &server->after_event, on_after_event, server);
    /* This event is none that a source made just now comes after. */
    return r < 0 ? r : on_after_event(NULL, server);
}

void
banger_server_block_signals(void)
{
    sigset_t signals;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGPIPE); /* of standard error, where records may go */
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

static int
set_up(Server *server)
{
    sd_event *event = server->context.event;
    int r;

    r = sd_event_add_signal(event, NULL, SIGTERM, on_signal, server);
    if (r < 0)
        return r;
    r = sd_event_add_signal(event, NULL, SIGINT, on_signal, server);
    if (r < 0)
        return r;
    r = sd_event_add_io(event, &server->listener, server->listener_fd, EPOLLIN, on_connect, server);
    if (r < 0)
        return r;
    r = prepare_retry(server);
    if (r < 0)
        return r;
    restart_idle(server);
    return 0;
}

static void
tear_down(Server *server)
{
    give_up_listener(server);
    server->retry = sd_event_source_disable_unref(server->retry);
    server->idle = sd_event_source_disable_unref(server->idle);
    server->after_event = sd_event_source_disable_unref(server->after_event);
    g_hash_table_unref(server->connections);
    banger_turns_free(server->context.turns);
    banger_bus_free(server->context.bus);
    sd_event_unref(server->context.event);
}

bool
banger_server_run(const BangerServerOptions *options, GError **error)
{
    Server server = {.options = options, .listener_fd = options->listener};
    int r;

    r = sd_event_new(&server.context.event);
    if (r < 0)
        /* Out of memory: the listener ends with the program. */
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r, "cannot make a loop");
    server.context.bus = banger_bus_new(server.context.event);
    server.context.turns = banger_turns_new(server.context.event);
    server.context.peer_timeout_sec = options->peer_timeout_sec;
    server.connections = g_hash_table_new(NULL, NULL);
    r = set_up(&server);
    if (r >= 0) {
        (void)sd_notify(0, "READY=1");
        r = sd_event_loop(server.context.event);
    }
    tear_down(&server);
    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r, "the event loop failed");
    return true;
}
