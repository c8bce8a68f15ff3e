/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/service.h"

#include "bus/service-private.h"
#include "model/limits.h"

static void
on_sender_gone(const char *sender, void *user_data)
{
    BangerService *service = user_data;

    banger_auth_forget(service->auth, sender);
}

static bool
export_object(BangerService *service, GError **error)
{
    int r = banger_credentials_new(service->bus, on_sender_gone, service, &service->credentials);

    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                "cannot watch the bus for callers that leave");
    r = sd_bus_add_filter(service->bus, &service->filter, banger_vtable_filter_signature, service);
    if (r >= 0)
        r = sd_bus_add_object_vtable(service->bus, &service->object, BANGER_OBJECT_PATH,
                                     BANGER_INTERFACE, service->vtable, service);
    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                "cannot put " BANGER_OBJECT_PATH " on the bus");
    return true;
}

BangerService *
banger_service_new(sd_bus *bus, const BangerSettings *settings, void (*idle)(gpointer user_data),
                   gpointer user_data, GError **error)
{
    g_autoptr(BangerService) service = g_new0(BangerService, 1);

    service->bus = sd_bus_ref(bus);
    service->settings = settings;
    service->vtable_strings = g_ptr_array_new_with_free_func(g_free);
    service->vtable = banger_vtable_new(service);
    service->auth = banger_auth_new(bus, settings);
    service->order = banger_order_new();
    service->limits = banger_limits_new(settings);
    service->idle = idle;
    service->idle_data = user_data;
    service->workers =
        g_thread_pool_new(banger_call_work, service, (gint)BANGER_OPERATIONS_MAX, FALSE, NULL);
    if (!export_object(service, error))
        return NULL;
    return g_steal_pointer(&service);
}

void
banger_service_free(BangerService *service)
{
    g_assert(service->in_flight == 0);
    sd_bus_slot_unref(service->object);
    sd_bus_slot_unref(service->filter);
    if (service->credentials != NULL)
        banger_credentials_free(service->credentials);
    g_thread_pool_free(service->workers, FALSE, TRUE);
    banger_order_free(service->order);
    banger_auth_free(service->auth);
    banger_limits_free(service->limits);
    g_free(service->vtable);
    g_ptr_array_unref(service->vtable_strings);
    sd_bus_unref(service->bus);
    g_free(service);
}

void
banger_service_stop(BangerService *service)
{
    banger_auth_stop(service->auth);
}

unsigned int
banger_service_in_flight(const BangerService *service)
{
    return service->in_flight;
}
