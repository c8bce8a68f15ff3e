/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "bus/message.h"
#include "bus/record.h"
#include "bus/sd-auto.h"
#include "bus/service-private.h"
#include "model/limits.h"
#include "model/scalars.h"
#include "model/validate.h"
#include "ops/operations.h"
#include "util/op-id.h"

/*
 * One call, step by step; each hands on to the next, and each may end it with finish():
 *
 *   banger_call_begin()    decode and validate: from here on the message is only what is answered
 *   on_credentials()       who asks; refuse what is malformed, and what is over the limits
 *   on_verdict()           polkit's word
 *   go()                   nobody else works on the same objects
 *   banger_call_work()     the operation, on a thread of the pool
 *   on_worked()            back on the main thread
 */
typedef struct {
    BangerService *service;
    const BangerMethod *method;
    sd_bus_message *message;
    BangerRequest *request;
    BangerReply reply;
    GError *error;
    gint64 arrived; /* monotonic, in microseconds */
    bool caller_known;
    uid_t uid;
    pid_t pid;
    bool admitted; /* counted in the service's limits */
    BangerTicket *ticket;
} Call;

static void
call_free(Call *call)
{
    banger_reply_clear(call->method, &call->reply);
    banger_request_free(call->method, call->request);
    g_clear_error(&call->error);
    sd_bus_message_unref(call->message);
    g_free(call);
}

/* Counts @call in the limits, or says which of them it is over. */
static bool
admit(Call *call, GError **error)
{
    BangerService *service = call->service;
    gpointer uid = GUINT_TO_POINTER(call->uid);
    unsigned int of_user = GPOINTER_TO_UINT(g_hash_table_lookup(service->per_uid, uid));

    if (of_user >= BANGER_OPERATIONS_PER_UID_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "uid %u has %u operations in flight, which is the limit", call->uid,
                                of_user);
    if (service->admitted >= BANGER_OPERATIONS_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "%u operations are in flight, which is the limit",
                                service->admitted);
    if (service->bytes_admitted + call->request->size > BANGER_BYTES_IN_FLIGHT_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "the arguments of the operations in flight are over the limit of "
                                "%u bytes",
                                BANGER_BYTES_IN_FLIGHT_MAX);
    g_hash_table_insert(service->per_uid, uid, GUINT_TO_POINTER(of_user + 1));
    service->admitted++;
    service->bytes_admitted += call->request->size;
    call->admitted = true;
    return true;
}

static void
dismiss(Call *call)
{
    BangerService *service = call->service;
    gpointer uid = GUINT_TO_POINTER(call->uid);
    unsigned int of_user;

    if (!call->admitted)
        return;
    of_user = GPOINTER_TO_UINT(g_hash_table_lookup(service->per_uid, uid));
    if (of_user > 1)
        g_hash_table_insert(service->per_uid, uid, GUINT_TO_POINTER(of_user - 1));
    else
        g_hash_table_remove(service->per_uid, uid);
    service->admitted--;
    service->bytes_admitted -= call->request->size;
}

static int
send_reply(Call *call)
{
    g_autoptr(sd_bus_message) reply = NULL;
    int r = sd_bus_message_new_method_return(call->message, &reply);

    if (r >= 0)
        r = banger_message_encode(reply, call->method, &call->reply);
    if (r >= 0)
        r = sd_bus_send(call->service->bus, reply, NULL);
    return r;
}

static void
send_error(const Call *call)
{
    g_autofree char *message = g_utf8_make_valid(call->error->message, -1);

    /* A caller that is gone changes nothing. */
    (void)sd_bus_reply_method_errorf(call->message,
                                     banger_error_dbus_name(banger_error_code(call->error)),
                                     "%s (%s)", message, call->request->op_id);
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
    if (call->error != NULL)
        send_error(call);

    banger_call_record_send(&(BangerCallRecord){
        .method = call->method,
        .request = call->request,
        .sender = sd_bus_message_get_sender(call->message),
        .caller_known = call->caller_known,
        .uid = call->uid,
        .pid = call->pid,
        .duration_usec = g_get_monotonic_time() - call->arrived,
        .error = call->error,
    });

    dismiss(call);
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

static void
go(gpointer user_data)
{
    Call *call = user_data;

    /* The pool is as large as the limit on operations in flight: nothing waits for a thread. It
     * only fails to start another thread, and then the threads it has take the work. */
    (void)g_thread_pool_push(call->service->workers, call, NULL);
}

static void
on_verdict(GError *denial, gpointer user_data)
{
    Call *call = user_data;
    g_auto(GStrv) keys = NULL;

    if (denial != NULL) {
        call->error = denial;
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
    int interactive = sd_bus_message_get_allow_interactive_authorization(call->message);

    call->caller_known = known;
    call->uid = uid;
    call->pid = pid;
    if (!known && call->error == NULL)
        (void)banger_set_error(&call->error, BANGER_ERROR_ACCESS_DENIED,
                               "the bus does not know who %s is",
                               sd_bus_message_get_sender(call->message));
    if (call->error != NULL || !admit(call, &call->error)) {
        finish(call);
        return;
    }
    banger_auth_check(call->service->auth, call->method, call->request,
                      sd_bus_message_get_sender(call->message), uid, interactive > 0, on_verdict,
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
    call->message = sd_bus_message_ref(message);
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
