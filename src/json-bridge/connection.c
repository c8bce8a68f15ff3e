/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 *                           +----- its answer -----+
 *                           v                      |
 *      new ------------> READING -- a request --> ALONE
 *                         |   |  of the older       |
 *                         |   |   protocol          |
 *    what comes cannot    |   |                     |
 *     be read, or takes   |   | the peer has sent   | the bridge stops
 *              too long   |   | all of it, or the   |
 *                         v   v bridge stops        |
 *                  REFUSING   ENDING <--------------+
 *                         |   |
 *       all is answered   |   | all is answered and sent
 *              and sent   v   |
 *                 LINGERING   |
 *      the peer has read  |   |
 *      it, or had time    v   v
 *                        CLOSED <-- from any state: the peer takes no byte for too long
 *
 * What was taken from the stream and cannot be begun yet is `next`, in any state before LINGERING;
 * in ENDING only a stop can have left one, which is then refused.
 */
#include "json-bridge/connection.h"

#include <sys/epoll.h>

#include "json-bridge/batch.h"
#include "json-bridge/bridge-limits.h"
#include "json-bridge/bus-call.h"
#include "json-bridge/json.h"
#include "json-bridge/reader.h"
#include "json-bridge/sender.h"
#include "util/fd.h"

#define STEPS_PER_TURN_MAX 32u /* before other connections get their turn */

typedef enum {
    STATE_READING,
    STATE_ALONE,     /* a request of the older protocol is in flight: nothing else is begun */
    STATE_ENDING,    /* nothing more is read: what is in flight is answered, then close */
    STATE_REFUSING,  /* the same; but the peer may still be sending */
    STATE_LINGERING, /* all is sent: waits for the peer to have read it */
    STATE_CLOSED,
} State;

struct BangerConnection {
    unsigned int n_refs; /* one while it is open, and one a request being answered */
    BangerContext *context;
    int fd;
    struct ucred peer;
    BangerConnectionClosed closed;
    void *user_data;
    State state;
    BangerTaker taker;
    uint64_t idle_since_usec; /* if it is idle */

    sd_event_source *io;
    BangerReader *reader;
    BangerSender *sender;

    BangerBatch *batch;      /* whose members are being begun */
    BangerEnvelope *next;    /* taken, and not begun yet */
    BangerBatch *next_batch; /* that it is a member of, or NULL */
    BangerNeeds next_needs;
};

/* One request that is being answered. */
typedef struct {
    BangerConnection *connection;
    BangerBatch *batch; /* that it is a member of, or NULL */
    BangerPlace place;
} Pending;

/* One turn of a connection. */
typedef struct {
    bool may_receive; /* it has not read from the socket yet */
    bool has_begun;   /* a call */
    unsigned int n_steps;
} Turn;

static void watch_socket(BangerConnection *connection);

static void
unref_connection(BangerConnection *connection)
{
    if (--connection->n_refs == 0)
        g_free(connection);
}

/* Gives up the request that was not begun. */
static void
drop_next(BangerConnection *connection)
{
    BangerBatch *batch = g_steal_pointer(&connection->next_batch);
    g_autoptr(GString) answers = NULL;

    g_clear_pointer(&connection->next, banger_envelope_free);
    if (batch == NULL)
        return;
    (void)banger_batch_end(batch, NULL);
    if (connection->batch == NULL)
        (void)banger_batch_finish(batch, &answers);
}

void
banger_connection_close(BangerConnection *connection)
{
    if (connection->state == STATE_CLOSED)
        return;
    connection->state = STATE_CLOSED;
    connection->io = sd_event_source_disable_unref(connection->io);
    banger_close_fd(&connection->fd);
    banger_taker_leave(&connection->taker);
    g_clear_pointer(&connection->sender, banger_sender_free);
    g_clear_pointer(&connection->reader, banger_reader_free);
    drop_next(connection);
    g_clear_pointer(&connection->batch, banger_batch_abandon);
    connection->closed(connection, connection->user_data);
    unref_connection(connection);
}

static void
on_send_expired(void *user_data)
{
    banger_connection_close(user_data);
}

static bool
deliver_answer(const Pending *pending, GString *answer)
{
    BangerConnection *connection = pending->connection;
    GString *answers = NULL;

    if (pending->batch == NULL)
        return answer == NULL || banger_sender_send(connection->sender, answer);
    if (!banger_batch_end(pending->batch, answer))
        return false;
    if (banger_batch_finish(pending->batch, &answers) && answers != NULL &&
        !banger_sender_send(connection->sender, answers)) {
        g_string_free(answers, TRUE);
        banger_connection_close(connection);
    }
    return true;
}

static bool
on_answer(GString *answer, void *user_data)
{
    Pending *pending = user_data;
    BangerConnection *connection = pending->connection;

    if (!deliver_answer(pending, answer))
        return false;
    connection->idle_since_usec = (uint64_t)g_get_monotonic_time();
    if (connection->state == STATE_ALONE)
        connection->state = STATE_READING;
    banger_place_free(&pending->place);
    banger_taker_ask(&connection->taker);
    if (connection->state != STATE_CLOSED)
        watch_socket(connection);
    g_free(pending);
    unref_connection(connection);
    return true;
}

/* What is wrong with @envelope is answered without a place. */
static bool
needs_place(const BangerConnection *connection, const BangerEnvelope *envelope)
{
    return envelope->fault == NULL && connection->state != STATE_ENDING;
}

/* Begins the next request; true if it is a call. */
static bool
begin_next(BangerConnection *connection)
{
    BangerEnvelope *envelope = g_steal_pointer(&connection->next);
    Pending *pending = g_new0(Pending, 1);
    bool is_call = needs_place(connection, envelope);
    g_autoptr(GError) error = NULL;

    pending->connection = connection;
    pending->batch = g_steal_pointer(&connection->next_batch);
    if (is_call)
        banger_taker_use_place(&connection->taker, &pending->place);
    if (!is_call && envelope->fault == NULL) {
        (void)banger_set_error(&error, BANGER_ERROR_OPERATION_FAILED, "the bridge is stopping");
        envelope->fault = banger_fault_from_error(error);
    }
    if (is_call && envelope->dialect == BANGER_DIALECT_LEGACY)
        connection->state = STATE_ALONE;
    connection->n_refs++;
    banger_call_start(connection->context->bus, &connection->peer, envelope, &pending->place.needs,
                      on_answer, pending);
    if (connection->state != STATE_CLOSED && connection->batch == NULL)
        banger_reader_release(connection->reader);
    return is_call;
}

static void
set_next(BangerConnection *connection, BangerEnvelope *envelope, BangerBatch *batch)
{
    connection->next = envelope;
    connection->next_batch = batch;
    if (envelope->fault == NULL)
        connection->next_needs = banger_call_needs(envelope);
}

static void
take_member(BangerConnection *connection)
{
    BangerBatch *batch = connection->batch;
    g_autoptr(BangerJson) member = banger_batch_begin(batch);

    /* The answer to the last one frees the batch. */
    if (banger_batch_all_begun(batch))
        connection->batch = NULL;
    set_next(connection, banger_envelope_open(BANGER_DIALECT_JSONRPC, member), batch);
}

/*
 * What is answered with an error and ends the connection: nothing behind it can be read, and the
 * memory of what was read goes at once, for the connection may stay for a while.
 */
static void
refuse_connection(BangerConnection *connection, char *message)
{
    BangerDialect dialect = banger_reader_looks_like_jsonrpc(connection->reader)
                                ? BANGER_DIALECT_JSONRPC
                                : BANGER_DIALECT_LEGACY;
    BangerFault *fault = banger_fault_new(BANGER_FAULT_UNREADABLE, message);

    connection->state = STATE_REFUSING;
    set_next(connection, banger_envelope_refused(dialect, fault), NULL);
    banger_reader_drop(connection->reader);
}

static void
on_request_expired(void *user_data)
{
    BangerConnection *connection = user_data;

    if (connection->state != STATE_READING)
        return;
    refuse_connection(connection, g_strdup_printf("the request was not complete within %u seconds",
                                                  connection->context->peer_timeout_sec));
    banger_taker_ask(&connection->taker);
}

static void
on_request_resumed(void *user_data)
{
    BangerConnection *connection = user_data;

    banger_taker_ask(&connection->taker);
}

static const BangerReaderEvents reader_events = {on_request_expired, on_request_resumed};

static void
take_request(BangerConnection *connection, struct json_object *request)
{
    bool is_array = json_object_is_type(request, json_type_array);

    if (is_array && json_object_array_length(request) > 0)
        connection->batch = banger_batch_new(request, &connection->context->budget);
    else if (is_array || banger_envelope_is_jsonrpc(request))
        set_next(connection, banger_envelope_open(BANGER_DIALECT_JSONRPC, request), NULL);
    else
        set_next(connection, banger_envelope_open(BANGER_DIALECT_LEGACY, request), NULL);
}

/* Goes on with the stream; false if there is nothing to go on with in this turn. */
static bool
read_on(BangerConnection *connection, Turn *turn)
{
    g_autoptr(BangerJson) request = NULL;
    g_autoptr(GError) error = NULL;

    switch (banger_reader_next(connection->reader, &turn->may_receive,
                               connection->taker.n_calls == 0, &request, &error)) {
    case BANGER_READ_REQUEST:
        take_request(connection, request);
        return true;
    case BANGER_READ_MORE:
        return true;
    case BANGER_READ_NOTHING:
        return false;
    case BANGER_READ_END:
        connection->state = STATE_ENDING;
        return false;
    case BANGER_READ_BAD:
        refuse_connection(connection, g_strdup(error->message));
        return true;
    }
    g_assert_not_reached();
}

/*
 * Answers that are not read keep the next request from being read, but none that has its time limit
 * running already.
 */
static bool
may_read(const BangerConnection *connection)
{
    return connection->state == STATE_READING && connection->next == NULL &&
           connection->batch == NULL &&
           connection->taker.n_calls < BANGER_CALLS_PER_CONNECTION_MAX &&
           (banger_sender_pending(connection->sender) < BANGER_UNSENT_MAX ||
            banger_reader_is_inside(connection->reader));
}

/* What has to come after everything before it: the older protocol, and the last message. */
static bool
is_in_order(const BangerConnection *connection)
{
    return connection->next->dialect == BANGER_DIALECT_LEGACY ||
           connection->state == STATE_REFUSING;
}

/* Whether the next request can be begun now. If it only wants a place, a turn comes with it. */
static bool
may_begin(BangerConnection *connection)
{
    unsigned int n_calls = connection->taker.n_calls;

    if (n_calls >= (is_in_order(connection) ? 1 : BANGER_CALLS_PER_CONNECTION_MAX) ||
        banger_sender_pending(connection->sender) >= BANGER_UNSENT_MAX)
        return false;
    return !needs_place(connection, connection->next) ||
           banger_taker_reserve_place(&connection->taker, &connection->next_needs);
}

/* One step on the way of the next request; false if none can be made now. */
static bool
advance_turn(BangerConnection *connection, Turn *turn)
{
    if (connection->state == STATE_ALONE || connection->state >= STATE_LINGERING)
        return false;
    if (connection->next != NULL) {
        if (!may_begin(connection))
            return false;
        turn->has_begun = begin_next(connection);
        return true;
    }
    if (connection->batch != NULL) {
        take_member(connection);
        return true;
    }
    return may_read(connection) && read_on(connection, turn);
}

static bool
has_nothing_to_do(const BangerConnection *connection)
{
    return connection->taker.n_calls == 0 && connection->next == NULL &&
           connection->batch == NULL && banger_sender_pending(connection->sender) == 0;
}

/*
 * Everything is answered and sent. Closes at once, unless the peer may still be sending and would
 * lose the answer to it: a socket that is closed with something unread is reset.
 */
static void
finish_connection(BangerConnection *connection)
{
    if (connection->state == STATE_REFUSING && banger_sender_finish(connection->sender))
        connection->state = STATE_LINGERING;
    else
        banger_connection_close(connection);
}

/*
 * Asks the loop for what the connection waits for now, and for nothing else. A hang-up is reported
 * whether it is asked for or not, and again and again: then the loop is not asked at all.
 */
static void
watch_socket(BangerConnection *connection)
{
    bool has_turn = connection->taker.state == BANGER_TAKER_READY;
    bool wants_input =
        connection->state == STATE_LINGERING ||
        (may_read(connection) && !has_turn && !banger_reader_is_waiting(connection->reader));
    bool wants_output = banger_sender_pending(connection->sender) > 0;
    uint32_t events = (wants_input ? EPOLLIN : 0u) | (wants_output ? EPOLLOUT : 0u);
    bool is_deaf = events == 0 && banger_sender_has_hung_up(connection->sender);

    if (sd_event_source_set_io_events(connection->io, events) < 0 ||
        sd_event_source_set_enabled(connection->io, is_deaf ? SD_EVENT_OFF : SD_EVENT_ON) < 0)
        g_error("cannot watch a connection");
}

static void
on_turn(void *user_data)
{
    BangerConnection *connection = user_data;
    Turn turn = {.may_receive = true};
    bool has_more = true;

    connection->n_refs++;
    while (has_more && !turn.has_begun && turn.n_steps++ < STEPS_PER_TURN_MAX)
        has_more = advance_turn(connection, &turn);
    if (has_more)
        banger_taker_ask(&connection->taker);
    banger_taker_return_place(&connection->taker);
    if ((connection->state == STATE_ENDING || connection->state == STATE_REFUSING) &&
        has_nothing_to_do(connection))
        finish_connection(connection);
    if (connection->state != STATE_CLOSED)
        watch_socket(connection);
    unref_connection(connection);
}

static int
on_io(sd_event_source *source, int fd, uint32_t revents, void *user_data)
{
    BangerConnection *connection = user_data;

    (void)source;
    (void)fd;
    if (connection->state == STATE_LINGERING) {
        if (banger_reader_discard(connection->reader))
            banger_connection_close(connection);
        return 0;
    }
    if ((revents & (EPOLLHUP | EPOLLERR)) != 0) {
        /* What it sent before it left is still there to be read, and is done. */
        banger_sender_hang_up(connection->sender);
    } else if ((revents & EPOLLOUT) != 0) {
        banger_sender_flush(connection->sender);
    }
    banger_taker_ask(&connection->taker);
    watch_socket(connection);
    return 0;
}

BangerConnection *
banger_connection_new(BangerContext *context, int fd, const struct ucred *peer,
                      BangerConnectionClosed closed, void *user_data)
{
    BangerConnection *connection = g_new0(BangerConnection, 1);
    int r;

    connection->n_refs = 1;
    connection->context = context;
    connection->fd = fd;
    connection->peer = *peer;
    connection->closed = closed;
    connection->user_data = user_data;
    connection->idle_since_usec =
        (uint64_t)g_get_monotonic_time() + context->peer_timeout_sec * (uint64_t)G_USEC_PER_SEC;
    connection->reader = banger_reader_new(context, fd, &reader_events, connection);
    connection->sender = banger_sender_new(context, fd, on_send_expired, connection);
    banger_taker_join(&connection->taker, context->turns, on_turn, connection);
    r = sd_event_add_io(context->event, &connection->io, fd, EPOLLIN, on_io, connection);
    if (r < 0)
        g_error("cannot watch a connection: %s", g_strerror(-r));
    return connection;
}

bool
banger_connection_is_idle(const BangerConnection *connection, uint64_t *ret_since_usec)
{
    if (connection->state != STATE_READING || !has_nothing_to_do(connection) ||
        connection->idle_since_usec > (uint64_t)g_get_monotonic_time() ||
        !banger_reader_is_empty(connection->reader))
        return false;
    *ret_since_usec = connection->idle_since_usec;
    return true;
}

void
banger_connection_stop(BangerConnection *connection)
{
    if (connection->state == STATE_READING || connection->state == STATE_ALONE)
        connection->state = STATE_ENDING;
    banger_taker_ask(&connection->taker);
}
