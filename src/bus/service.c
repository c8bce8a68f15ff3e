/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/service.h"

#include "bus/operations.h"
#include "bus/record.h"
#include "bus/service-private.h"
#include "bus/system-bus.h"
#include "model/bounds.h"
#include "util/object-claim.h"

#define RELEASE_TIMEOUT_SEC 2

static void
on_sender_gone(const char *sender, void *user_data)
{
    BangerService *service = user_data;

    banger_auth_forget(service->auth, sender);
}

static void
on_auth_changed(void *user_data)
{
    BangerService *service = user_data;

    banger_limits_forget_trust(service->limits);
}

static void
on_unrecorded(uid_t uid, uint64_t n_calls, void *user_data)
{
    (void)user_data;
    banger_call_record_send_unrecorded(uid, n_calls);
}

void
banger_service_check_idle(BangerService *service)
{
    if (banger_service_in_flight(service) == 0)
        service->events.idle(service->user_data);
}

void
banger_service_disconnected(BangerService *service)
{
    service->events.disconnected(service->user_data);
}

static int
on_credentials_disconnected(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    (void)message;
    (void)ret_error;
    banger_service_disconnected(user_data);
    return 0;
}

void
banger_service_replace_front(BangerService *service)
{
    g_autoptr(GError) error = NULL;

    if (service->starting != NULL)
        return;
    service->starting = banger_front_new(service, false, &error);
    if (service->starting != NULL)
        banger_front_watch(service->starting);
    else
        g_debug("%s", error->message); /* the watch of the present one tries again */
}

static void
end_release(BangerService *service)
{
    g_clear_handle_id(&service->release_timer, g_source_remove);
    service->released(service->user_data);
}

static int
on_name_released(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    BangerService *service = user_data;

    (void)reply;
    (void)ret_error;
    /*
     * Messages come in order: every call sent to the name before the bus took it away has been
     * dispatched by now.
     */
    if (service->release_timer != 0)
        end_release(service);
    return 0;
}

static void
send_release(BangerService *service)
{
    /* Should it fail, the connection is gone, and the name with it. */
    (void)sd_bus_release_name_async(service->front->bus, NULL, BANGER_BUS_NAME, on_name_released,
                                    service);
}

void
banger_service_take_over(BangerService *service)
{
    service->front->state = BANGER_FRONT_FORMER;
    banger_subscribe_stop(service->front->subscribe);
    service->front->since_usec = g_get_monotonic_time();
    banger_front_watch(service->front);
    g_queue_push_tail(&service->formers, service->front);
    service->front = g_steal_pointer(&service->starting);
    service->front->state = BANGER_FRONT_NAMED;
    if (service->leaving)
        send_release(service);
}

void
banger_service_drop_front(BangerService *service, BangerFront *front)
{
    if (front == service->starting)
        service->starting = NULL;
    else
        (void)g_queue_remove(&service->formers, front);
    banger_front_free(front);
}

static void
on_job(const char *name, BangerJobEvent event, void *user_data)
{
    BangerService *service = user_data;

    banger_subscribe_look_at_job(service->front->subscribe, name, event);
}

static bool
connect_to_bus(BangerService *service, GError **error)
{
    /* Nothing that comes on it has a descriptor. */
    int r = banger_system_bus_open(service->event, false, on_credentials_disconnected, service,
                                   &service->credentials_bus);

    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                "cannot connect to the system bus");
    r = banger_credentials_new(service->credentials_bus, on_sender_gone, service,
                               &service->credentials);
    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                "cannot watch the bus for callers that leave");
    service->jobs = banger_jobs_new(service->credentials, on_job, service);
    service->front = banger_front_new(service, true, error);
    return service->front != NULL;
}

static gpointer
take_object(const char *key, void *user_data)
{
    const BangerService *service = user_data;

    return banger_order_try(service->order, key);
}

static void
on_released(void *user_data)
{
    banger_order_leave(user_data);
}

/* On the main thread: who waited for the object goes on there. */
static void
release_object(gpointer taken, void *user_data)
{
    BangerService *service = user_data;

    banger_main_queue_push(service->main_queue, on_released, taken);
}

BangerService *
banger_service_new(sd_event *event, const BangerSettings *settings,
                   const BangerServiceEvents *events, void *user_data, GError **error)
{
    g_autoptr(BangerService) service = g_new0(BangerService, 1);

    banger_operations_init();
    service->event = sd_event_ref(event);
    service->settings = settings;
    service->events = *events;
    service->user_data = user_data;
    g_queue_init(&service->formers);
    service->vtable_strings = g_ptr_array_new_with_free_func(g_free);
    service->vtable = banger_vtable_new(service);
    service->auth = banger_auth_new(settings, on_auth_changed, service);
    service->order = banger_order_new();
    banger_object_set_keeper(&(BangerObjectKeeper){take_object, release_object, service});
    service->limits = banger_limits_new(settings, on_unrecorded, service);
    service->ready = banger_user_queue_new();
    service->workers =
        g_thread_pool_new(banger_call_work, service, (int)BANGER_WORKERS_MAX, FALSE, NULL);
    service->main_queue = banger_main_queue_new(error);
    if (service->main_queue == NULL || !connect_to_bus(service, error))
        return NULL;
    return g_steal_pointer(&service);
}

void
banger_service_free(BangerService *service)
{
    BangerFront *former;

    g_clear_handle_id(&service->release_timer, g_source_remove);
    while ((former = g_queue_pop_head(&service->formers)) != NULL)
        banger_front_free(former);
    g_clear_pointer(&service->starting, banger_front_free);
    g_clear_pointer(&service->front, banger_front_free);
    g_clear_pointer(&service->jobs, banger_jobs_free);
    g_clear_pointer(&service->credentials, banger_credentials_free);
    sd_bus_close_unref(service->credentials_bus);
    g_thread_pool_free(service->workers, FALSE, TRUE);
    g_clear_pointer(&service->main_queue, banger_main_queue_free);
    banger_user_queue_free(service->ready);
    banger_object_set_keeper(NULL);
    banger_order_free(service->order);
    banger_auth_free(service->auth);
    banger_limits_free(service->limits);
    g_free(service->vtable);
    g_ptr_array_unref(service->vtable_strings);
    sd_event_unref(service->event);
    g_free(service);
}

void
banger_service_stop(BangerService *service)
{
    banger_auth_stop(service->auth);
    banger_subscribe_stop(service->front->subscribe);
    banger_jobs_cancel_all(service->jobs, "the helper is stopping");
}

static void start_release(BangerService *service, bool replace);

static gboolean
on_release_timeout(void *user_data)
{
    BangerService *service = user_data;

    service->release_timer = 0;
    if (service->replaced_to_release)
        end_release(service);
    else
        start_release(service, true);
    return G_SOURCE_REMOVE;
}

/*
 * The bus does not hear of it from a connection that is stuck (@replace), and would go on to send
 * calls there when the process is gone: another one takes the name, and gives it up.
 */
static void
start_release(BangerService *service, bool replace)
{
    service->replaced_to_release = replace;
    service->release_timer =
        g_timeout_add_seconds(RELEASE_TIMEOUT_SEC, on_release_timeout, service);
    if (replace)
        banger_service_replace_front(service);
    else
        send_release(service);
}

void
banger_service_release_name(BangerService *service, void (*released)(void *user_data))
{
    service->leaving = true;
    service->released = released;
    start_release(service, banger_front_has_unsent(service->front));
}

unsigned int
banger_service_in_flight(const BangerService *service)
{
    unsigned int n = banger_front_in_flight(service->front);

    for (const GList *link = service->formers.head; link != NULL; link = link->next)
        n += banger_front_in_flight(link->data);
    return n;
}

bool
banger_service_is_idle(const BangerService *service)
{
    return banger_service_in_flight(service) == 0 &&
           banger_subscribe_count(service->front->subscribe) == 0;
}
