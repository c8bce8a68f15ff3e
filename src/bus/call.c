/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "bus/message.h"
#include "bus/record.h"
#include "bus/service-private.h"
#include "model/limits.h"
#include "model/scalars.h"
#include "model/validate.h"
#include "ops/operations.h"
#include "util/op-id.h"
#include "util/sd-auto.h"

#define THREAD_RETRY_MSEC 100

/*
 * One call, step by step; each hands on to the next, and each may end it with finish():
 *
 *   banger_call_begin()    decode and validate; the message, with what it carries, is let go
 *   on_credentials()       who asks; refuse what is malformed, and what is over the limits
 *   on_verdict()           polkit's word
 *   go()                   nobody else works on the same objects
 *   banger_call_work()     the operation, on a thread of the pool
 *   on_worked()            back on the main thread
 */
typedef struct {
    BangerService *service;
    const BangerMethod *method;
    sd_bus_message *stub; /* stands in for the message in replies */
    BangerRequest *request;
    BangerReply reply;
    GError *error;
    gint64 arrived; /* monotonic, in microseconds */
    bool caller_known;
    uid_t uid;
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

    if (r >= 0)
        r = banger_message_encode(reply, call->method, &call->reply);
    if (r >= 0)
        r = sd_bus_send(call->service->bus, reply, NULL);
    return r;
}

/* A message may quote what a caller or a guest's file system said: no control bytes, and UTF-8. */
static void
make_printable(GError *error)
{
    char *message = g_utf8_make_valid(error->message, -1);

    for (char *c = message; *c != '\0'; c++)
        if ((guchar)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    g_free(error->message);
    error->message = message;
}

static void
send_error(const Call *call)
{
    /* A caller that is gone changes nothing. */
    (void)sd_bus_reply_method_errorf(call->stub,
                                     banger_error_dbus_name(banger_error_code(call->error)),
                                     "%s (%s)", call->error->message, call->request->op_id);
}

/* Answers the caller, tells the journal, and ends the call. @call->error is set if it failed. */
static void
finish(Call *call)
{
    BangerService *service = call->service;

    if (call->error == NULL) {
        int r = send_reply(call);

        if (r < 0)
            (void)banger_set_errno(&call->error, BANGER_ERROR_OPERATION_FAILED, -r,
                                   "cannot send the reply of %s", call->method->dbus_name);
    }
    if (call->error != NULL) {
        make_printable(call->error);
        send_error(call);
    }

    banger_call_record_send(&(BangerCallRecord){
        .method = call->method,
        .request = call->request,
        .sender = sd_bus_message_get_sender(call->stub),
        .caller_known = call->caller_known,
        .uid = call->uid,
        .pid = call->pid,
        .duration_usec = g_get_monotonic_time() - call->arrived,
        .error = call->error,
    });

    banger_limits_release(service->limits, &call->admission);
    if (call->ticket != NULL)
        banger_order_leave(call->ticket);
    call_free(call);
    service->in_flight--;
    if (service->in_flight == 0)
        service->idle(service->idle_data);
}

static gboolean
on_worked(gpointer user_data)
{
    finish(user_data);
    return G_SOURCE_REMOVE;
}

void
banger_call_work(gpointer data, gpointer user_data)
{
    Call *call = data;
    g_autoptr(GSource) source = g_idle_source_new();

    (void)user_data;
    if (banger_operation_run(call->method, call->service->settings, call->request, &call->reply,
                             &call->error))
        banger_fields_fill_absent(call->method->out, &call->reply);
    /* Attached rather than invoked: g_main_context_invoke() may run it on this thread. */
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, on_worked, call, NULL);
    (void)g_source_attach(source, NULL);
}

static gboolean
start_thread(gpointer user_data)
{
    /* Setting the maximum starts threads for the work that has none. */
    (void)g_thread_pool_set_max_threads(user_data, (gint)BANGER_OPERATIONS_MAX, NULL);
    return g_thread_pool_get_num_threads(user_data) == 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
go(gpointer user_data)
{
    Call *call = user_data;

    GThreadPool *workers = call->service->workers;

    /* The pool is as large as the limit on operations in flight: nothing waits for a thread. If the
     * system has none to give, the threads there are take the work, or the first that can be had.
     */
    if (!g_thread_pool_push(workers, call, NULL) && g_thread_pool_get_num_threads(workers) == 0)
        (void)g_timeout_add(THREAD_RETRY_MSEC, start_thread, workers);
}

static void
on_verdict(GError *denial, gpointer user_data)
{
    Call *call = user_data;
    g_auto(GStrv) keys = NULL;

    call->error = denial;
    if (denial != NULL ||
        !banger_limits_start(call->service->limits, &call->admission, &call->error)) {
        finish(call);
        return;
    }
    /* The call takes its place when it is authorised, not when it arrives: a stranger's call that
     * waits for a password must not hold up anyone else's about the same object. */
    keys = banger_request_keys(call->method, call->request);
    call->ticket = banger_order_enter(call->service->order, (const char *const *)keys, go, call);
}

static void
on_credentials(bool known, uid_t uid, pid_t pid, void *user_data)
{
    Call *call = user_data;
    int interactive = sd_bus_message_get_allow_interactive_authorization(call->stub);

    call->caller_known = known;
    call->uid = uid;
    call->pid = pid;
    if (!known && call->error == NULL)
        (void)banger_set_error(&call->error, BANGER_ERROR_ACCESS_DENIED,
                               "the bus does not know who %s is",
                               sd_bus_message_get_sender(call->stub));
    if (call->error != NULL || !banger_limits_admit(call->service->limits, uid, call->request->size,
                                                    &call->admission, &call->error)) {
        finish(call);
        return;
    }
    banger_auth_check(call->service->auth, call->method, call->request,
                      sd_bus_message_get_sender(call->stub), uid, interactive > 0, on_verdict,
                      call);
}

/* Sees to it that the request has a valid op_id, and says so if the caller's was not one. */
static bool
settle_op_id(BangerRequest *request, GError **error)
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

void
banger_call_begin(BangerService *service, const BangerMethod *method, sd_bus_message *message)
{
    Call *call = g_new0(Call, 1);
    const char *sender = sd_bus_message_get_sender(message);
    bool decoded;
    int r;

    call->service = service;
    call->method = method;
    call->stub = banger_message_make_stub(message);
    call->arrived = g_get_monotonic_time();
    service->in_flight++;

    decoded = banger_message_decode(message, method, &call->request, &call->error);
    if (settle_op_id(call->request, decoded ? &call->error : NULL) && decoded)
        (void)banger_request_validate(method, call->request, service->settings, &call->error);
    banger_call_record_send_arrival(method, call->request, sender);

    r = banger_credentials_get(service->credentials, sender, BANGER_OPERATIONS_PER_UID_MAX,
                               on_credentials, call);
    if (r >= 0)
        return;
    g_clear_error(&call->error);
    if (r == -EBUSY)
        (void)banger_set_error(&call->error, BANGER_ERROR_LIMITS_EXCEEDED,
                               "%s has %u operations in flight, which is the limit", sender,
                               BANGER_OPERATIONS_PER_UID_MAX);
    else
        (void)banger_set_errno(&call->error, BANGER_ERROR_ACCESS_DENIED, -r,
                               "cannot ask the bus who %s is", sender);
    finish(call);
}
