/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/front.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "bus/service-private.h"
#include "bus/system-bus.h"

#define WATCH_INTERVAL_MSEC 500
#define STUCK_MAX 4u /* the bus took nothing in so many intervals: it is stuck */
#define START_TIMEOUT_USEC (5 * G_USEC_PER_SEC)
#define FORMER_TIMEOUT_USEC (30 * G_USEC_PER_SEC)
#define FLUSH_TIMEOUT_USEC (2 * G_USEC_PER_SEC)
#define NAME_FLAGS (SD_BUS_NAME_ALLOW_REPLACEMENT | SD_BUS_NAME_REPLACE_EXISTING)

static void
on_objects_idle(void *user_data)
{
    BangerFront *front = user_data;

    banger_service_check_idle(front->service);
}

static void
on_machine_called(sd_bus_message *message, const BangerMethod *method,
                  const BangerMachineInfo *machine, void *user_data)
{
    BangerFront *front = user_data;
    const BangerPeer *peer =
        banger_credentials_find(front->service->credentials, sd_bus_message_get_sender(message));

    banger_call_begin(front, method, message, peer, machine, g_get_monotonic_time());
}

static const BangerObjectsHandlers objects_handlers = {
    .idle = on_objects_idle,
    .machine_called = on_machine_called,
};

static int
on_disconnected(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    BangerFront *front = user_data;

    (void)message;
    (void)ret_error;
    if (front->state == BANGER_FRONT_NAMED)
        banger_service_disconnected(front->service);
    return 0;
}

/* The bus has handed the name to @front, or has not. */
static int
on_name(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    BangerFront *front = user_data;

    (void)ret_error;
    if (!sd_bus_message_is_method_error(reply, NULL))
        banger_service_take_over(front->service);
    return 0;
}

/*
 * The bus's messages come in order: after this one, no call that was sent to the name. It is sent
 * to this connection alone, which needs no match for it.
 */
static int
on_any_message(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    BangerFront *front = user_data;
    const char *name;

    (void)ret_error;
    if (sd_bus_message_is_signal(message, "org.freedesktop.DBus", "NameLost") > 0 &&
        g_strcmp0(sd_bus_message_get_sender(message), "org.freedesktop.DBus") == 0 &&
        sd_bus_message_read_basic(message, 's', &name) > 0 && g_str_equal(name, BANGER_BUS_NAME))
        front->name_lost = true;
    return 0;
}

static int
add_slots(BangerFront *front)
{
    static const sd_bus_message_handler_t filters[] = {banger_intake_filter, on_any_message};
    sd_bus_slot *slot = NULL;
    int r;

    for (size_t i = 0; i < G_N_ELEMENTS(filters); i++) {
        r = sd_bus_add_filter(front->bus, &slot, filters[i], front);
        if (r < 0)
            return r;
        g_ptr_array_add(front->slots, slot);
    }
    r = sd_bus_add_object_vtable(front->bus, &slot, BANGER_OBJECT_PATH, BANGER_INTERFACE,
                                 front->service->vtable, front);
    if (r < 0)
        return r;
    g_ptr_array_add(front->slots, slot);
    r = sd_event_add_defer(front->service->event, &front->drain, banger_intake_drain, front);
    if (r < 0)
        return r;
    return sd_event_source_set_enabled(front->drain, SD_EVENT_OFF);
}

static bool
put_on_bus(BangerFront *front, GError **error)
{
    int r =
        banger_system_bus_open(front->service->event, true, on_disconnected, front, &front->bus);

    if (r < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                "cannot connect to the system bus");
    /* The intake's filter is added later, and so runs before the objects' own. */
    front->objects =
        banger_objects_new(front->bus, front->service->settings, front->service->jobs,
                           front->service->main_queue, &objects_handlers, front, error);
    if (front->objects == NULL)
        return false;
    front->subscribe = banger_subscribe_new(front->bus, front->service->credentials, front->objects,
                                            on_objects_idle, front);
    r = add_slots(front);
    return r >= 0 || banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                      "cannot put " BANGER_OBJECT_PATH " on the bus");
}

BangerFront *
banger_front_new(BangerService *service, bool wait, GError **error)
{
    BangerFront *front = g_new0(BangerFront, 1);
    int r;

    front->service = service;
    front->slots =
        g_ptr_array_new_with_free_func((GDestroyNotify)(void (*)(void))sd_bus_slot_unref);
    front->in_line = g_hash_table_new(NULL, NULL);
    front->since_usec = g_get_monotonic_time();
    if (!put_on_bus(front, error)) {
        banger_front_free(front);
        return NULL;
    }
    /* The flag is for ourselves: the bus policy lets only root own the name. */
    r = wait ? sd_bus_request_name(front->bus, BANGER_BUS_NAME, SD_BUS_NAME_ALLOW_REPLACEMENT)
             : sd_bus_request_name_async(front->bus, NULL, BANGER_BUS_NAME, NAME_FLAGS, on_name,
                                         front);
    if (r < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                               "cannot serve " BANGER_BUS_NAME " on the system bus");
        banger_front_free(front);
        return NULL;
    }
    if (wait)
        front->state = BANGER_FRONT_NAMED;
    return front;
}

/* Sends what was answered, unless the bus does not take it for a while, and closes. */
static void
close_bus(sd_bus *bus, bool stuck)
{
    int64_t end_usec = g_get_monotonic_time() + (stuck ? 0 : FLUSH_TIMEOUT_USEC);
    uint64_t n_queued;

    (void)sd_bus_detach_event(bus);
    while (g_get_monotonic_time() < end_usec && sd_bus_get_n_queued_write(bus, &n_queued) >= 0 &&
           n_queued > 0) {
        if (sd_bus_process(bus, NULL) < 0)
            break;
        (void)sd_bus_wait(bus, FLUSH_TIMEOUT_USEC / 50);
    }
    sd_bus_close(bus);
}

void
banger_front_free(BangerFront *front)
{
    g_assert(front->in_flight == 0);
    g_clear_handle_id(&front->watch, g_source_remove);
    g_ptr_array_unref(front->slots);
    sd_event_source_disable_unref(front->drain);
    g_clear_pointer(&front->subscribe, banger_subscribe_free);
    if (front->bus != NULL)
        close_bus(front->bus, front->n_stuck > 0);
    if (front->objects != NULL)
        banger_objects_free(front->objects);
    g_hash_table_unref(front->in_line);
    sd_bus_unref(front->bus);
    g_free(front);
}

unsigned int
banger_front_in_flight(const BangerFront *front)
{
    /* What is in line is dropped with the connection. */
    unsigned int n_in_line = sd_bus_is_open(front->bus) > 0 ? g_hash_table_size(front->in_line) : 0;

    return front->in_flight + n_in_line + banger_objects_waiting(front->objects);
}

void
banger_front_enter(BangerFront *front)
{
    front->in_flight++;
}

void
banger_front_leave(BangerFront *front)
{
    front->in_flight--;
    banger_front_watch(front);
    banger_service_check_idle(front->service);
}

/*
 * What the bus has not taken yet: messages that sd-bus has, and bytes that the socket has
 * (SIOCOUTQ; a reply is there first, and sd-bus has none while the socket is not full).
 */
static uint64_t
count_unsent(const BangerFront *front)
{
    uint64_t n_queued = 0;
    int n_bytes = 0;
    int fd = sd_bus_get_fd(front->bus);

    (void)sd_bus_get_n_queued_write(front->bus, &n_queued);
    if (fd >= 0)
        (void)ioctl(fd, SIOCOUTQ, &n_bytes);
    return n_queued + (uint64_t)MAX(n_bytes, 0);
}

bool
banger_front_has_unsent(const BangerFront *front)
{
    return count_unsent(front) > 0;
}

/* What the timer of a NAMED connection finds. Returns whether it has to look again. */
static bool
watch_named(BangerFront *front, uint64_t n_unsent)
{
    front->n_stuck = n_unsent == 0 || n_unsent < front->n_unsent ? 0 : front->n_stuck + 1;
    front->n_unsent = n_unsent;
    if (front->n_stuck >= STUCK_MAX)
        banger_service_replace_front(front->service);
    return n_unsent > 0;
}

static bool
is_over(const BangerFront *front, int64_t timeout_usec)
{
    return g_get_monotonic_time() - front->since_usec >= timeout_usec;
}

static gboolean
on_watch(void *user_data)
{
    BangerFront *front = user_data;
    uint64_t n_unsent = count_unsent(front);
    bool goes_on = false;

    switch (front->state) {
    case BANGER_FRONT_STARTING:
        goes_on = !is_over(front, START_TIMEOUT_USEC);
        break;
    case BANGER_FRONT_NAMED:
        goes_on = watch_named(front, n_unsent);
        break;
    case BANGER_FRONT_FORMER:
        if ((n_unsent > 0 || !front->name_lost) && is_over(front, FORMER_TIMEOUT_USEC))
            sd_bus_close(front->bus);
        goes_on = banger_front_in_flight(front) > 0 ||
                  ((n_unsent > 0 || !front->name_lost) && sd_bus_is_open(front->bus) > 0);
        break;
    }
    if (goes_on)
        return G_SOURCE_CONTINUE;
    front->watch = 0;
    if (front->state == BANGER_FRONT_NAMED)
        front->n_unsent = 0;
    else
        banger_service_drop_front(front->service, front);
    return G_SOURCE_REMOVE;
}

void
banger_front_watch(BangerFront *front)
{
    if (front->watch == 0)
        front->watch = g_timeout_add(WATCH_INTERVAL_MSEC, on_watch, front);
}
