/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "bus/message.h"
#include "bus/service-private.h"
#include "model/bounds.h"
#include "util/op-id.h"
#include "util/sd-auto.h"

/*
 * Every call of a method, those that sd-bus answers itself included, before its body is read:
 *
 *   banger_intake_filter()   who sends it; the calls of a name not known yet wait for the look-up
 *   take_message()           within the user's limits: on to banger_call_begin(), or to sd-bus
 *   drop_message()           over them: counted, and an error the first time on a connection
 *
 * What a stranger sends over the limits costs a look into a table, and a signal not even that.
 */

/*
 * A flood arrives faster than the main loop turns: so many messages are taken at a time then. The
 * bus takes longer for a message than it takes to drop it, so the main thread would be awake after
 * each, and keep the bus from its processor: at this rate it comes back a moment later.
 */
#define DRAIN_MESSAGES_MAX 256u
#define FLOOD_MESSAGES_PER_MSEC 2

/* What a reply to a stranger costs of the budget for those, besides the text of an error. */
#define REPLY_BYTES 256u
#define PATH_MAX_QUOTED 64u  /* bytes of a path that a reply may contain … */
#define PATH_MAX_OBJECT 512u /* … and of one that may be an object's */
#define INTROSPECTION_BYTES (32u << 10)

typedef struct {
    BangerFront *front;
    const BangerMethod *method;
    sd_bus_message *message;
    int64_t arrived_at_usec; /* monotonic */
} WaitingMessage;

/* The row that @message is a call of; NULL: sd-bus answers it. */
static const BangerMethod *
find_method(sd_bus_message *message)
{
    const char *interface = sd_bus_message_get_interface(message);

    /* The interface may be left out (D-Bus specification, "Method Calls"). */
    if (g_strcmp0(sd_bus_message_get_path(message), BANGER_OBJECT_PATH) != 0 ||
        (interface != NULL && !g_str_equal(interface, BANGER_INTERFACE)))
        return NULL;
    return banger_method_by_dbus_name(sd_bus_message_get_member(message));
}

static size_t
estimate_reply(sd_bus_message *message)
{
    const char *member = sd_bus_message_get_member(message);

    return g_strcmp0(member, "Introspect") == 0 ? INTROSPECTION_BYTES : REPLY_BYTES;
}

static void
send_refusal(sd_bus_message *message, const BangerMethod *method)
{
    g_autofree char *given = method != NULL && banger_message_check_signature(message, method, NULL)
                                 ? banger_message_read_op_id(message, method)
                                 : g_strdup("");
    g_autofree char *minted = banger_op_id_is_valid(given) ? NULL : banger_op_id_mint();

    (void)sd_bus_reply_method_errorf(
        message, banger_error_dbus_name(BANGER_ERROR_LIMITS_EXCEEDED),
        "too many calls of this user were refused or wait; while that is so, further ones are "
        "dropped without an answer (%s)",
        minted != NULL ? minted : given);
}

/* All that had come was taken. */
static void
end_drain(BangerFront *front)
{
    int64_t now_usec = g_get_monotonic_time();
    int64_t elapsed_usec = now_usec - front->drained_at_usec;

    (void)sd_event_source_set_enabled(front->drain, SD_EVENT_OFF);
    if (front->n_dropped * INT64_C(1000) >= elapsed_usec * FLOOD_MESSAGES_PER_MSEC)
        front->service->events.flooded(front->service->user_data);
    front->drained_at_usec = now_usec;
    front->n_dropped = 0;
}

int
banger_intake_drain(sd_event_source *source, void *user_data)
{
    BangerFront *front = user_data;

    (void)source;
    for (unsigned int i = 0; i < DRAIN_MESSAGES_MAX; i++) {
        if (sd_bus_process(front->bus, NULL) <= 0) {
            end_drain(front);
            break;
        }
    }
    return 0;
}

static void
count_dropped(BangerFront *front)
{
    front->n_dropped++;
    (void)sd_event_source_set_enabled(front->drain, SD_EVENT_ONESHOT);
}

/* Of @peer, or NULL for a name that is not known. */
static void
drop_message(BangerFront *front, sd_bus_message *message, const BangerMethod *method,
             BangerPeer *peer)
{
    uid_t uid = peer != NULL ? peer->uid : BANGER_LIMITS_UNKNOWN_UID;

    banger_limits_count_unrecorded(front->service->limits, uid);
    count_dropped(front);
    if (peer == NULL || peer->told)
        return;
    /* Whatever is left of the budget: it is once a connection, of which the bus allows few. */
    peer->told = true;
    banger_limits_charge_reply(front->service->limits, uid, REPLY_BYTES);
    send_refusal(message, method);
}

/*
 * Whether @message, a call that is none of the method table, may be one of anything that there is.
 * sd-bus quotes what is not there, and what waits for its sender or for objects is kept with its
 * body.
 */
static bool
is_plausible(sd_bus_message *message)
{
    const char *path = sd_bus_message_get_path(message);
    size_t length = strlen(path);

    return (length <= PATH_MAX_QUOTED ||
            (length <= PATH_MAX_OBJECT && banger_objects_could_have(path))) &&
           banger_message_is_short(message);
}

/*
 * There is nothing that @message may be for. @peer: NULL if it is not known, which is no reason to
 * keep the message.
 */
static void
refuse_implausible(BangerFront *front, sd_bus_message *message, BangerPeer *peer)
{
    BangerLimits *limits = front->service->limits;
    uid_t uid = peer != NULL ? peer->uid : BANGER_LIMITS_UNKNOWN_UID;

    if (banger_limits_may_call(limits, uid, false) &&
        banger_limits_may_reply(limits, uid, REPLY_BYTES))
        (void)sd_bus_reply_method_errorf(message, SD_BUS_ERROR_UNKNOWN_OBJECT,
                                         "the path, the method or an argument is longer than any "
                                         "here");
    else
        drop_message(front, message, NULL, peer);
}

/* Strangers' messages leave room for those of others among what waits for objects. */
static bool
may_ask_for_objects(BangerFront *front, uid_t uid)
{
    return banger_objects_waiting(front->objects) < BANGER_QUERIES_MAX / 2 ||
           banger_limits_is_trusted(front->service->limits, uid);
}

/* Returns whether @message was taken; sd-bus answers it otherwise. */
static bool
take_message(BangerFront *front, sd_bus_message *message, const BangerMethod *method,
             BangerPeer *peer, int64_t arrived_at_usec)
{
    if (!banger_limits_may_call(front->service->limits, peer->uid, method != NULL) ||
        (method == NULL &&
         (!may_ask_for_objects(front, peer->uid) ||
          !banger_limits_may_reply(front->service->limits, peer->uid, estimate_reply(message))))) {
        drop_message(front, message, method, peer);
        return true;
    }
    if (method == NULL && sd_bus_message_get_interface(message) == NULL) {
        /* sd-bus finds nothing without an interface, and would say that the object is not there. */
        (void)sd_bus_reply_method_errorf(message, SD_BUS_ERROR_UNKNOWN_METHOD,
                                         BANGER_INTERFACE " has no such method, and the call names "
                                                          "no interface");
        return true;
    }
    if (method == NULL)
        return false;
    banger_call_begin(front, method, message, peer, NULL, arrived_at_usec);
    return true;
}

/* sd-bus answers @message; the filter sees it once more before that. */
static void
put_in_line(BangerFront *front, sd_bus_message *message)
{
    if (sd_bus_enqueue_for_read(sd_bus_message_get_bus(message), message) >= 0)
        g_hash_table_add(front->in_line, message);
}

static void
on_peer(BangerPeer *peer, void *user_data)
{
    WaitingMessage *waiting = user_data;
    BangerFront *front = waiting->front;

    if (peer != NULL && waiting->method == NULL)
        put_in_line(front, waiting->message);
    else if (peer != NULL)
        (void)take_message(front, waiting->message, waiting->method, peer,
                           waiting->arrived_at_usec);
    else if (waiting->method != NULL &&
             banger_limits_may_call(front->service->limits, BANGER_LIMITS_UNKNOWN_UID, true))
        banger_call_begin(front, waiting->method, waiting->message, NULL, NULL,
                          waiting->arrived_at_usec);
    else
        drop_message(front, waiting->message, waiting->method, NULL);
    sd_bus_message_unref(waiting->message);
    g_free(waiting);
    banger_front_leave(front);
}

/* A call of a name that is not known: it waits until it is. */
static void
hold_message(BangerFront *front, sd_bus_message *message, const BangerMethod *method)
{
    WaitingMessage *waiting = g_new0(WaitingMessage, 1);
    int r;

    waiting->front = front;
    waiting->method = method;
    waiting->message = sd_bus_message_ref(message);
    waiting->arrived_at_usec = g_get_monotonic_time();
    banger_front_enter(front);
    r = banger_credentials_get(front->service->credentials, sd_bus_message_get_sender(message),
                               BANGER_OPERATIONS_PER_UID_MAX, BANGER_CALLS_UNKNOWN_MAX, on_peer,
                               waiting);
    if (r < 0)
        on_peer(banger_credentials_find_now(front->service->credentials,
                                            sd_bus_message_get_sender(message)),
                waiting);
}

/* A message that was delayed for its objects: a stranger pays for them by the next calls. */
static void
charge_collected(BangerFront *front, sd_bus_message *message, size_t bytes)
{
    const BangerPeer *peer =
        banger_credentials_find(front->service->credentials, sd_bus_message_get_sender(message));

    if (peer != NULL)
        banger_limits_charge_reply(front->service->limits, peer->uid, bytes);
}

/*
 * A signal sent to this connection alone, by another sender than the bus. The helper waits for no
 * such signal, and it may be part of a flood.
 */
static bool
is_signal_to_us(sd_bus_message *message)
{
    return sd_bus_message_is_signal(message, NULL, NULL) > 0 &&
           sd_bus_message_get_destination(message) != NULL &&
           g_strcmp0(sd_bus_message_get_sender(message), "org.freedesktop.DBus") != 0;
}

/* @message is a call. */
static int
take_call(BangerFront *front, sd_bus_message *message)
{
    const BangerMethod *method;
    BangerPeer *peer;
    size_t bytes;

    banger_front_watch(front);
    if (g_hash_table_remove(front->in_line, message))
        banger_service_check_idle(front->service);
    if (banger_objects_have_collected(front->objects, message, &bytes)) {
        charge_collected(front, message, bytes);
        return 0;
    }
    method = find_method(message);
    peer = banger_credentials_find(front->service->credentials, sd_bus_message_get_sender(message));
    if (method == NULL && !is_plausible(message)) {
        refuse_implausible(front, message, peer);
        return 1;
    }
    if (peer != NULL)
        return take_message(front, message, method, peer, g_get_monotonic_time());
    hold_message(front, message, method);
    return 1;
}

int
banger_intake_filter(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    BangerFront *front = user_data;

    (void)ret_error;
    if (sd_bus_message_get_sender(message) == NULL)
        return 0;
    if (is_signal_to_us(message)) {
        count_dropped(front);
        return 1;
    }
    return sd_bus_message_is_method_call(message, NULL, NULL) > 0 ? take_call(front, message) : 0;
}
