/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bridge/connection.h"

#include <errno.h>
#include <sys/epoll.h>

#include "bridge/batch.h"
#include "bridge/call.h"
#include "bridge/frame.h"
#include "bridge/json.h"
#include "bridge/limits.h"
#include "bridge/outbox.h"
#include "bridge/timer.h"
#include "util/fd.h"

#define PIECE_SIZE (64u << 10) /* bytes read at once */
#define TURN_MAX 32u           /* requests begun before other connections get their turn */

typedef enum {
    PHASE_READING,
    PHASE_FINISHING, /* nothing more is read: what is in flight is answered, then close */
    PHASE_REFUSING,  /* the same; but the peer may still be sending */
    PHASE_LINGERING, /* all is sent: waits for the peer to have read it */
    PHASE_CLOSED,
} Phase;

struct BangerConnection {
    unsigned int n_refs; /* one while it is open, and one a call in flight */
    BangerContext *context;
    int fd;
    struct ucred peer;
    BangerConnectionClosed closed;
    gpointer closed_data;
    Phase phase;
    bool is_stopping;  /* what is not begun is refused */
    bool peer_is_gone; /* nothing can be sent */
    bool is_pumping;
    bool has_read; /* in this turn */

    sd_event_source *io;
    sd_event_source *again;
    sd_event_source *request_timer;
    sd_event_source *send_timer;

    char *piece; /* read, and not all of it taken apart yet */
    size_t piece_at;
    size_t piece_end;
    BangerFrame *frame;
    BangerHold request; /* the bytes of a request that is not complete */

    BangerEnvelope *waiting; /* for everything in flight to be answered */
    BangerBatch *batch;      /* whose members are being begun */
    bool in_order;           /* a request of the older protocol is in flight */
    unsigned int n_calls;    /* in flight */

    BangerOutbox outbox;
};

static void pump(BangerConnection *connection);

static void
unref(BangerConnection *connection)
{
    if (--connection->n_refs > 0)
        return;
    banger_outbox_clear(&connection->outbox);
    banger_envelope_free(connection->waiting);
    g_free(connection);
}

static void
close_connection(BangerConnection *connection)
{
    if (connection->phase == PHASE_CLOSED)
        return;
    connection->phase = PHASE_CLOSED;
    connection->io = sd_event_source_disable_unref(connection->io);
    connection->again = sd_event_source_disable_unref(connection->again);
    connection->request_timer = sd_event_source_disable_unref(connection->request_timer);
    connection->send_timer = sd_event_source_disable_unref(connection->send_timer);
    banger_close_fd(&connection->fd);
    banger_outbox_clear(&connection->outbox);
    banger_hold_shrink(&connection->request, connection->request.held);
    g_clear_pointer(&connection->frame, banger_frame_free);
    g_clear_pointer(&connection->piece, g_free);
    g_clear_pointer(&connection->batch, banger_batch_abandon);
    connection->closed(connection, connection->closed_data);
    unref(connection);
}

static int
on_send_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    close_connection(userdata);
    return 0;
}

static void
flush(BangerConnection *connection)
{
    gssize sent;

    if (connection->fd < 0 || banger_outbox_pending(&connection->outbox) == 0)
        return;
    sent = banger_outbox_flush(&connection->outbox, connection->fd);
    if (sent < 0)
        connection->peer_is_gone = true;
    if (banger_outbox_pending(&connection->outbox) == 0)
        banger_timer_disarm(connection->send_timer);
    else if ((sent > 0 && !connection->is_stopping) || connection->send_timer == NULL ||
             sd_event_source_get_enabled(connection->send_timer, NULL) == 0)
        banger_timer_arm(connection->context->event, &connection->send_timer,
                         connection->context->peer_timeout_sec, on_send_timeout, connection);
}

/* Takes one answer (a line, or a batch of them); nobody is there to read it if the peer is gone. */
static bool
send_line(BangerConnection *connection, GString *answer)
{
    if (connection->phase == PHASE_CLOSED || connection->peer_is_gone) {
        g_string_free(answer, TRUE);
        return true;
    }
    g_string_append_c(answer, '\n');
    if (!banger_outbox_push(&connection->outbox, answer))
        return false;
    flush(connection);
    return true;
}

/* One request in flight. */
typedef struct {
    BangerConnection *connection;
    BangerBatch *batch; /* that it is a member of, or NULL */
} Pending;

static bool
on_answer(GString *answer, gpointer data)
{
    Pending *pending = data;
    BangerConnection *connection = pending->connection;
    GString *answers = NULL;

    if (pending->batch != NULL) {
        if (!banger_batch_end(pending->batch, answer))
            return false;
        if (banger_batch_finish(pending->batch, &answers) && answers != NULL &&
            !send_line(connection, answers)) {
            g_string_free(answers, TRUE);
            close_connection(connection);
        }
    } else if (answer != NULL && !send_line(connection, answer)) {
        return false;
    }
    g_free(pending);
    connection->n_calls--;
    connection->in_order = false;
    pump(connection);
    unref(connection);
    return true;
}

static void
begin(BangerConnection *connection, BangerEnvelope *envelope, BangerBatch *batch)
{
    Pending *pending = g_new0(Pending, 1);
    g_autoptr(GError) error = NULL;

    if (connection->is_stopping && envelope->fault == NULL) {
        (void)banger_set_error(&error, BANGER_ERROR_OPERATION_FAILED, "the bridge is stopping");
        envelope->fault = banger_fault_from_error(error);
    }
    *pending = (Pending){connection, batch};
    connection->n_refs++;
    connection->n_calls++;
    connection->in_order = envelope->dialect == BANGER_DIALECT_LEGACY;
    banger_call_start(connection->context->bus, &connection->context->budget, &connection->peer,
                      envelope, on_answer, pending);
}

static void
begin_member(BangerConnection *connection)
{
    BangerBatch *batch = connection->batch;
    g_autoptr(BangerJson) member = banger_batch_begin(batch);

    /* The last one's answer may free the batch. */
    if (banger_batch_all_begun(batch))
        connection->batch = NULL;
    begin(connection, banger_envelope_open(BANGER_DIALECT_JSONRPC, member), batch);
    if (connection->batch == NULL)
        banger_hold_shrink(&connection->request, connection->request.held);
}

/* What is answered with an error and ends the connection: nothing behind it can be read, and what
 * came of it is given up at once, for the connection may stay for a while. */
static void
refuse(BangerConnection *connection, BangerFaultKind kind, char *message)
{
    BangerDialect dialect = banger_frame_looks_like_jsonrpc(connection->frame)
                                ? BANGER_DIALECT_JSONRPC
                                : BANGER_DIALECT_LEGACY;

    connection->phase = PHASE_REFUSING;
    connection->waiting = banger_envelope_refused(dialect, banger_fault_new(kind, message));
    banger_timer_disarm(connection->request_timer);
    banger_frame_free(connection->frame);
    connection->frame = banger_frame_new();
    banger_hold_shrink(&connection->request, connection->request.held);
}

static int
on_request_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
    BangerConnection *connection = userdata;

    (void)source;
    (void)usec;
    if (connection->phase != PHASE_READING)
        return 0;
    refuse(connection, BANGER_FAULT_UNREADABLE,
           g_strdup_printf("the request was not complete within %u seconds",
                           connection->context->peer_timeout_sec));
    pump(connection);
    return 0;
}

static void
open_request(BangerConnection *connection, struct json_object *request)
{
    bool is_array = json_object_is_type(request, json_type_array);

    if (is_array && json_object_array_length(request) > 0)
        connection->batch = banger_batch_new(request, &connection->context->budget);
    else if (is_array || banger_envelope_is_jsonrpc(request))
        begin(connection, banger_envelope_open(BANGER_DIALECT_JSONRPC, request), NULL);
    else
        connection->waiting = banger_envelope_open(BANGER_DIALECT_LEGACY, request);
}

/* Reads the next piece; false if there is none in this turn. */
static bool
read_piece(BangerConnection *connection)
{
    ssize_t n;

    if (connection->has_read)
        return false;
    connection->has_read = true;
    n = recv(connection->fd, connection->piece, PIECE_SIZE, MSG_DONTWAIT);
    if (n > 0) {
        connection->piece_at = 0;
        connection->piece_end = (size_t)n;
        return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    connection->phase = PHASE_FINISHING;
    if (n == 0 && banger_frame_pending(connection->frame) > 0)
        refuse(connection, BANGER_FAULT_UNREADABLE,
               g_strdup("the connection ended in the middle of a request"));
    return connection->waiting != NULL;
}

/* Keeps the time limit of a request that is not complete, and the account of what it takes: that is
 * not over before the request has been begun. */
static void
account_request(BangerConnection *connection)
{
    size_t before = connection->request.held;
    size_t pending = banger_frame_pending(connection->frame);
    /* The tokener's buffer and the value made of it: each as large as the text at most. */
    size_t now = connection->waiting != NULL || connection->batch != NULL ? before : 2 * pending;

    if (now < before)
        banger_hold_shrink(&connection->request, before - now);
    if (pending == 0)
        banger_timer_disarm(connection->request_timer);
    else if (before == 0)
        banger_timer_arm(connection->context->event, &connection->request_timer,
                         connection->context->peer_timeout_sec, on_request_timeout, connection);
    if (now > before && !banger_hold_grow(&connection->request, now - before))
        refuse(connection, BANGER_FAULT_UNREADABLE,
               g_strdup("too many large requests are being received at the same time"));
}

/* Goes on with the bytes that came; false if there are none in this turn. */
static bool
take_piece(BangerConnection *connection)
{
    g_autoptr(GError) error = NULL;
    struct json_object *request = NULL;
    size_t used = 0;

    account_request(connection);
    if (connection->piece_at == connection->piece_end && !read_piece(connection))
        return false;
    if (connection->phase != PHASE_READING)
        return true;
    switch (banger_frame_feed(connection->frame, connection->piece + connection->piece_at,
                              connection->piece_end - connection->piece_at, &used, &request,
                              &error)) {
    case BANGER_FRAME_BAD:
        refuse(connection, BANGER_FAULT_UNREADABLE, g_strdup(error->message));
        return true;
    case BANGER_FRAME_MORE:
        break;
    case BANGER_FRAME_REQUEST:
        open_request(connection, request);
        banger_json_put(request);
        break;
    }
    connection->piece_at += used;
    account_request(connection);
    return true;
}

/* Answers that are not read keep the next request from being read, but none that has its time limit
 * running already. */
static bool
may_begin(const BangerConnection *connection)
{
    return !connection->in_order && connection->n_calls < BANGER_CALLS_PER_CONNECTION_MAX &&
           (banger_outbox_pending(&connection->outbox) < BANGER_UNSENT_MAX ||
            banger_frame_pending(connection->frame) > 0);
}

/* One step on the way of the next request; false if none can be made now. */
static bool
advance(BangerConnection *connection)
{
    if (connection->phase >= PHASE_LINGERING || !may_begin(connection))
        return false;
    if (connection->waiting != NULL) {
        if (connection->n_calls > 0)
            return false;
        begin(connection, g_steal_pointer(&connection->waiting), NULL);
        banger_hold_shrink(&connection->request, connection->request.held);
        return true;
    }
    if (connection->batch != NULL) {
        begin_member(connection);
        return true;
    }
    return connection->phase == PHASE_READING && take_piece(connection);
}

static int
on_again(sd_event_source *source, void *userdata)
{
    (void)source;
    pump(userdata);
    return 0;
}

static void
schedule_again(BangerConnection *connection)
{
    int r = 0;

    if (connection->again == NULL)
        r = sd_event_add_defer(connection->context->event, &connection->again, on_again,
                               connection);
    if (r >= 0)
        r = sd_event_source_set_enabled(connection->again, SD_EVENT_ONESHOT);
    if (r < 0)
        g_error("cannot schedule a connection: %s", g_strerror(-r));
}

/* Everything is answered and sent: says so, and closes at once unless the peer may still be sending
 * and would lose the answer to it (a socket that is closed with something unread is reset). */
static void
finish(BangerConnection *connection)
{
    if (connection->phase != PHASE_REFUSING || connection->peer_is_gone ||
        shutdown(connection->fd, SHUT_WR) < 0) {
        close_connection(connection);
        return;
    }
    connection->phase = PHASE_LINGERING;
    banger_timer_arm(connection->context->event, &connection->send_timer, BANGER_LINGER_SEC,
                     on_send_timeout, connection);
}

/* Asks the loop for what the connection waits for now, and for nothing else. */
static void
watch(BangerConnection *connection)
{
    bool is_idle =
        connection->n_calls == 0 && connection->waiting == NULL && connection->batch == NULL;
    bool wants_input = connection->phase == PHASE_LINGERING ||
                       (connection->phase == PHASE_READING && connection->waiting == NULL &&
                        connection->batch == NULL && may_begin(connection));
    bool wants_output = banger_outbox_pending(&connection->outbox) > 0;
    uint32_t events = (wants_input ? EPOLLIN : 0u) | (wants_output ? EPOLLOUT : 0u);
    int r;

    if ((connection->phase == PHASE_FINISHING || connection->phase == PHASE_REFUSING) && is_idle &&
        !wants_output) {
        finish(connection);
        if (connection->phase == PHASE_CLOSED)
            return;
        events = EPOLLIN;
    }
    r = sd_event_source_set_io_events(connection->io, events);
    /* A hang-up is reported whether it is asked for or not, and again and again. */
    if (r >= 0)
        r = sd_event_source_set_enabled(
            connection->io, connection->peer_is_gone && events == 0 ? SD_EVENT_OFF : SD_EVENT_ON);
    if (r < 0)
        g_error("cannot watch a connection: %s", g_strerror(-r));
}

static void
pump(BangerConnection *connection)
{
    unsigned int n_steps = 0;

    if (connection->is_pumping || connection->phase == PHASE_CLOSED)
        return;
    connection->n_refs++;
    connection->is_pumping = true;
    connection->has_read = false;
    while (advance(connection))
        if (++n_steps >= TURN_MAX) {
            schedule_again(connection);
            break;
        }
    connection->is_pumping = false;
    if (connection->phase != PHASE_CLOSED)
        watch(connection);
    unref(connection);
}

/* Reads on only to find the end, for what is read behind a refusal is not looked at. */
static void
discard_input(BangerConnection *connection)
{
    ssize_t n = recv(connection->fd, connection->piece, PIECE_SIZE, MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_connection(connection);
}

static int
on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    BangerConnection *connection = userdata;

    (void)source;
    (void)fd;
    if (connection->phase == PHASE_LINGERING) {
        discard_input(connection);
        return 0;
    }
    if ((revents & (EPOLLHUP | EPOLLERR)) != 0) {
        /* What it sent before it left is still there to be read, and is done. */
        connection->peer_is_gone = true;
        banger_outbox_clear(&connection->outbox);
        banger_timer_disarm(connection->send_timer);
    } else if ((revents & EPOLLOUT) != 0) {
        flush(connection);
    }
    pump(connection);
    return 0;
}

BangerConnection *
banger_connection_new(BangerContext *context, int fd, const struct ucred *peer,
                      BangerConnectionClosed closed, gpointer data)
{
    BangerConnection *connection = g_new0(BangerConnection, 1);
    int r;

    connection->n_refs = 1;
    connection->context = context;
    connection->fd = fd;
    connection->peer = *peer;
    connection->closed = closed;
    connection->closed_data = data;
    connection->frame = banger_frame_new();
    connection->piece = g_malloc(PIECE_SIZE);
    connection->request.budget = &context->budget;
    banger_outbox_init(&connection->outbox, &context->budget);
    r = sd_event_add_io(context->event, &connection->io, fd, EPOLLIN, on_io, connection);
    if (r < 0)
        g_error("cannot watch a connection: %s", g_strerror(-r));
    return connection;
}

void
banger_connection_stop(BangerConnection *connection)
{
    connection->is_stopping = true;
    if (connection->phase == PHASE_READING)
        connection->phase = PHASE_FINISHING;
    pump(connection);
}
