/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "bus/message.h"
#include "bus/operations.h"
#include "bus/record.h"
#include "bus/service-private.h"
#include "model/bounds.h"
#include "model/details.h"
#include "model/validate.h"
#include "util/job.h"
#include "util/op-id.h"
#include "util/sd-auto.h"
#include "util/text.h"

#define THREAD_RETRY_MS 100
#define QUOTE_MAX 60   /* bytes of a caller's text in a message to who is not authorized … */
#define QUOTED_MAX 160 /* … and of all from the first quote in it to the last */
#define ERROR_REPLY_BYTES 256u /* of a reply that is an error, besides its text */

/*
 * One call, step by step; each hands on to the next, and each may end it with finish_call():
 *
 *   banger_call_begin()    decode and validate; the message, with what it carries, is let go;
 *                          refuse what is malformed, and what is over the limits
 *   on_verdict()           polkit has decided
 *   on_turn()              no other call works on the same objects
 *   start_ready()          a thread is there, in turn by user
 *   banger_call_work()     the operation, on a thread of the pool
 *   on_worked()            back on the main thread
 *
 * A call that has a job may end before its turn: on_cancelled().
 */
typedef struct {
    BangerService *service;
    BangerFront *front; /* that it came by */
    const BangerMethod *method;
    sd_bus_message *stub; /* stands in for the message in replies */
    BangerRequest *request;
    BangerReply reply;
    GError *error;
    int64_t arrived_at_usec; /* monotonic */
    bool caller_known;
    bool authorized;
    bool has_turn;
    uid_t uid; /* BANGER_LIMITS_UNKNOWN_UID: not known */
    pid_t pid;
    BangerAdmission admission;
    BangerTicket *ticket;
} Call;

static void
call_free(Call *call)
{
    banger_reply_clear(call->method, &call->reply);
    banger_request_free(call->method, call->request);
    g_clear_error(&call->error);
    sd_bus_message_unref(call->stub);
    g_free(call);
}

static int
send_reply(Call *call)
{
    g_autoptr(sd_bus_message) reply = NULL;
    int r = sd_bus_message_new_method_return(call->stub, &reply);

    if (r < 0)
        return r;
    r = banger_message_encode(reply, call->method, &call->reply);
    if (r < 0)
        return r;
    /* Over the connection that the call came by, which may not have the name any more. */
    return sd_bus_send(NULL, reply, NULL);
}

/* A caller that is gone changes nothing. */
static void
send_error(const Call *call)
{
    const char *message = call->error->message;

    if (call->authorized || banger_limits_may_reply(call->service->limits, call->uid,
                                                    ERROR_REPLY_BYTES + strlen(message)))
        (void)sd_bus_reply_method_errorf(call->stub,
                                         banger_error_dbus_name(banger_error_code(call->error)),
                                         "%s (%s)", message, call->request->op_id);
}

static void
send_record(const Call *call)
{
    if (!call->authorized && !banger_limits_may_record(call->service->limits, call->uid)) {
        banger_limits_count_unrecorded(call->service->limits, call->uid);
        return;
    }
    banger_call_record_send(&(BangerCallRecord){
        .method = call->method,
        .request = call->request,
        .sender = sd_bus_message_get_sender(call->stub),
        .caller_known = call->caller_known,
        .authorized = call->authorized,
        .uid = call->uid,
        .pid = call->pid,
        .duration_usec = g_get_monotonic_time() - call->arrived_at_usec,
        .error = call->error,
        .warning = call->reply.warning,
    });
}

/* Shortens in @message what is between @start and @end, to which it points, to QUOTE_MAX bytes. */
static void
shorten_between(GString *message, const char *start, const char *end)
{
    gssize at = start - message->str;
    g_autofree char *kept = g_strndup(start, QUOTE_MAX);
    const char *kept_end;

    /* Not within a character. */
    (void)g_utf8_validate(kept, -1, &kept_end);
    g_string_erase(message, at, end - start);
    g_string_insert(message, at, "…");
    g_string_insert_len(message, at, kept, kept_end - kept);
}

/*
 * Messages quote what a caller sent, and a caller's text may contain quotes: before a caller is
 * authorized, long quotes are shortened, and so is all between the first and the last of them.
 */
static char *
shorten_quotes(const char *text)
{
    GString *message = g_string_new(text);
    const char *first = strchr(message->str, '"');
    const char *last = strrchr(message->str, '"');
    const char *end;

    if (first == NULL)
        return g_string_free(message, FALSE);
    if (last - first > QUOTED_MAX)
        shorten_between(message, first + 1, last);
    for (size_t at = 0; (first = strchr(message->str + at, '"')) != NULL;) {
        end = strchr(first + 1, '"');
        if (end == NULL)
            break;
        at = (size_t)(end - message->str) + 1;
        if (end - first - 1 <= QUOTE_MAX + (gssize)strlen("…"))
            continue;
        shorten_between(message, first + 1, end);
        at = 0;
    }
    return g_string_free(message, FALSE);
}

/* A message may quote what a caller or a guest's file system said. */
static void
clean_message(const Call *call)
{
    g_autofree char *text = banger_text_make_printable(call->error->message, -1);

    g_free(call->error->message);
    call->error->message = call->authorized ? g_steal_pointer(&text) : shorten_quotes(text);
}

/* Answers the caller, writes the record, and ends the call. @call->error is set if it failed. */
static void
finish_call(Call *call)
{
    BangerService *service = call->service;
    BangerFront *front = call->front;

    /* Cancel may have succeeded since the operation last looked: then this must not complete. */
    if (call->request->job != NULL && call->error == NULL)
        (void)banger_job_commit(call->request->job, &call->error);
    /* Before the reply: who has it finds no job any more. */
    if (call->request->job != NULL)
        banger_jobs_remove(service->jobs, call->request->job);
    if (call->error == NULL) {
        int r = send_reply(call);

        /* There is no reader for the replies of a connection that was closed. */
        if (r < 0 && r != -ENOTCONN)
            (void)banger_set_errno(&call->error, BANGER_ERROR_OPERATION_FAILED, -r,
                                   "cannot send the reply of %s", call->method->dbus_name);
    }
    if (call->error != NULL) {
        clean_message(call);
        send_error(call);
    }
    send_record(call);
    banger_limits_release(service->limits, &call->admission);
    if (call->ticket != NULL)
        banger_order_leave(call->ticket);
    call_free(call);
    banger_front_leave(front);
}

static void start_ready(BangerService *service);

static void
on_worked(void *user_data)
{
    Call *call = user_data;
    BangerService *service = call->service;
    BangerMethodId method = call->method->id;

    service->n_working--;
    /* First: when the last call ends, nothing may wait. */
    start_ready(service);
    finish_call(call);
    if (method == BANGER_METHOD_CREATE_DM_SNAPSHOT || method == BANGER_METHOD_REMOVE_DM_SNAPSHOT ||
        method == BANGER_METHOD_CLEANUP_DM_SNAPSHOT)
        banger_subscribe_look_at_snapshots(service->front->subscribe);
}

void
banger_call_work(gpointer data, void *user_data)
{
    Call *call = data;

    (void)user_data;
    if (banger_job_check(call->request->job, &call->error) &&
        banger_operation_run(call->method, call->service->settings, call->request, &call->reply,
                             &call->error))
        banger_fields_fill_absent(call->method->out, &call->reply);
    banger_main_queue_push(call->service->main_queue, on_worked, call);
}

static gboolean
start_thread(void *user_data)
{
    BangerService *service = user_data;

    /* Setting the maximum starts threads for the work that has none. */
    (void)g_thread_pool_set_max_threads(service->workers, (int)BANGER_WORKERS_MAX, NULL);
    return g_thread_pool_get_num_threads(service->workers) == 0 ? G_SOURCE_CONTINUE
                                                                : G_SOURCE_REMOVE;
}

/*
 * The pool is as large as the limit on operations in flight. If the system has no thread to give,
 * the threads there are take the work one by one, or the first that can be had.
 */
static void
start_ready(BangerService *service)
{
    unsigned int max = BANGER_WORKERS_MAX;

    while (!banger_user_queue_is_empty(service->ready) && service->n_working < max) {
        service->n_working++;
        if (g_thread_pool_push(service->workers, banger_user_queue_pop(service->ready), NULL))
            continue;
        max = MAX(g_thread_pool_get_num_threads(service->workers), 1);
        if (g_thread_pool_get_num_threads(service->workers) == 0)
            (void)g_timeout_add(THREAD_RETRY_MS, start_thread, service);
    }
}

static void
on_turn(void *user_data)
{
    Call *call = user_data;

    call->has_turn = true;
    banger_user_queue_push(call->service->ready, call->uid, false, call);
    start_ready(call->service);
}

/*
 * The job was cancelled: what has begun hears of it by itself, what waits for its turn ends here.
 */
static void
on_cancelled(void *user_data)
{
    Call *call = user_data;

    if (!call->has_turn && !banger_job_check(call->request->job, &call->error))
        finish_call(call);
}

static void
on_verdict(GError *denial, void *user_data)
{
    Call *call = user_data;
    g_auto(GStrv) keys = NULL;

    call->error = denial;
    call->authorized = denial == NULL;
    if (denial != NULL ||
        !banger_limits_start(call->service->limits, &call->admission, &call->error)) {
        finish_call(call);
        return;
    }
    if (call->method->has_job)
        banger_jobs_add(call->service->jobs, call->method, call->request, call->uid, on_cancelled,
                        call);
    /*
     * The call takes its place when it is authorized, not when it arrives: a stranger's call that
     * waits for a password must not delay the calls of others about the same object.
     */
    keys = banger_request_keys(call->method, call->request);
    call->ticket =
        banger_order_enter(call->service->order, (const char *const *)keys, on_turn, call);
}

/* Sees to it that the request has a valid op_id, and says so if the caller's was not one. */
static bool
take_op_id(BangerRequest *request, GError **error)
{
    g_autofree char *given = g_steal_pointer(&request->op_id);

    if (banger_op_id_is_valid(given)) {
        request->op_id = g_steal_pointer(&given);
        return true;
    }
    request->op_id = banger_op_id_mint();
    if (given[0] == '\0')
        return true;
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "op_id: \"%.64s\" is not of the form [A-Za-z0-9][A-Za-z0-9._:-]{0,63}",
                            given);
}

static Call *
make_call(BangerFront *front, const BangerMethod *method, sd_bus_message *message,
          const BangerPeer *peer, const BangerMachineInfo *machine)
{
    const BangerSettings *settings = front->service->settings;
    Call *call = g_new0(Call, 1);
    bool decoded;

    call->service = front->service;
    call->front = front;
    call->method = method;
    call->stub = banger_message_make_stub(message);
    call->caller_known = peer != NULL;
    call->uid = peer != NULL ? peer->uid : BANGER_LIMITS_UNKNOWN_UID;
    call->pid = peer != NULL ? peer->pid : 0;
    decoded = machine == NULL
                  ? banger_message_decode(message, method, settings, &call->request, &call->error)
                  : banger_message_decode_machine(message, method, machine->id, machine->leader,
                                                  settings, &call->request, &call->error);
    call->request->caller_uid = call->uid;
    if (take_op_id(call->request, decoded ? &call->error : NULL) && decoded)
        (void)banger_request_validate(method, call->request, settings, &call->error);
    return call;
}

void
banger_call_begin(BangerFront *front, const BangerMethod *method, sd_bus_message *message,
                  const BangerPeer *peer, const BangerMachineInfo *machine, int64_t arrived_at_usec)
{
    BangerService *service = front->service;
    Call *call = make_call(front, method, message, peer, machine);
    const char *sender = sd_bus_message_get_sender(call->stub);

    call->arrived_at_usec = arrived_at_usec;
    /* root needs no question: what it asks is authorized, however it ends. */
    call->authorized = peer != NULL && peer->uid == 0;
    banger_front_enter(front);
    banger_call_record_send_arrival(method, call->request, sender);
    if (peer == NULL && call->error == NULL)
        (void)banger_set_error(&call->error, BANGER_ERROR_ACCESS_DENIED,
                               "the bus does not know who %s is", sender);
    if (call->error != NULL || !banger_limits_admit(service->limits, call->uid, call->request->size,
                                                    &call->admission, &call->error)) {
        finish_call(call);
        return;
    }
    banger_auth_check(
        service->auth,
        &(BangerAuthCall){
            .method = method,
            .request = call->request,
            .sender = sender,
            .uid = call->uid,
            .interactive = sd_bus_message_get_allow_interactive_authorization(call->stub) > 0,
            .trusted = banger_limits_is_trusted(service->limits, call->uid),
            .no_reply = sd_bus_message_get_expect_reply(call->stub) == 0,
        },
        on_verdict, call);
}
