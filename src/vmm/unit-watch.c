/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unit-watch.h"

#include <stdlib.h>

#include "util/sd-auto.h"
#include "vmm/unit-common.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define MANAGER SYSTEMD ".Manager"
#define PATH "/org/freedesktop/systemd1"
#define ANSWER_TIMEOUT_USEC (5 * G_USEC_PER_SEC)

struct BangerUnitWatch {
    const BangerUnitWatchHandlers *handlers;
    void *user_data;
    sd_bus *bus;
    GHashTable *ends; /* vm_id -> End, of those whose main process is known to have ended */
};

typedef struct {
    char *result;
    int32_t code; /* si_code of waitid(2); 0: it has not ended */
    int32_t status;
    bool told; /* a unit that has failed is inactive once that is reset, and has not ended again */
} End;

static void
end_free(void *user_data)
{
    End *end = user_data;

    g_free(end->result);
    g_free(end);
}

/* The machine whose unit has the object @path; NULL if it is another unit. Free with g_free(). */
static char *
parse_path(const char *path)
{
    char *name = NULL;
    char *vm_id;

    if (sd_bus_path_decode(path, PATH "/unit", &name) <= 0)
        return NULL;
    vm_id = banger_unit_parse_name(name);
    free(name);
    return vm_id;
}

/* Reads the value of the property that is next, if it is one of @end's. */
static int
read_end_property(sd_bus_message *message, const char *name, End *end)
{
    const char *text;
    int r;

    if (g_str_equal(name, "ExecMainCode"))
        return sd_bus_message_read(message, "v", "i", &end->code);
    if (g_str_equal(name, "ExecMainStatus"))
        return sd_bus_message_read(message, "v", "i", &end->status);
    if (!g_str_equal(name, "Result"))
        return sd_bus_message_skip(message, "v");
    r = sd_bus_message_read(message, "v", "s", &text);
    if (r >= 0) {
        g_free(end->result);
        end->result = g_strdup(text);
    }
    return r;
}

/* The properties of the service: how it ended. They come before those of the unit. */
static void
take_service(BangerUnitWatch *watch, const char *vm_id, sd_bus_message *message)
{
    const End *former = g_hash_table_lookup(watch->ends, vm_id);
    End *end = g_new0(End, 1);
    const char *name;
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    end->result = g_strdup("");
    while (r >= 0 && sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        r = sd_bus_message_read_basic(message, 's', &name);
        if (r >= 0)
            r = read_end_property(message, name, end);
        if (r >= 0)
            r = sd_bus_message_exit_container(message);
    }
    end->told = former != NULL && former->told && end->code != 0;
    g_hash_table_insert(watch->ends, g_strdup(vm_id), end);
}

/* The "ActiveState" among the properties that are next; NULL if it is not. */
static const char *
read_active_state(sd_bus_message *message)
{
    const char *state = NULL;
    const char *name;
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    while (r >= 0 && sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        r = sd_bus_message_read_basic(message, 's', &name);
        if (r >= 0)
            r = g_str_equal(name, "ActiveState") ? sd_bus_message_read(message, "v", "s", &state)
                                                 : sd_bus_message_skip(message, "v");
        if (r >= 0)
            r = sd_bus_message_exit_container(message);
    }
    return state;
}

static void
take_unit(BangerUnitWatch *watch, const char *vm_id, sd_bus_message *message)
{
    const char *state = read_active_state(message);
    End *end = g_hash_table_lookup(watch->ends, vm_id);
    bool failed = g_strcmp0(state, "failed") == 0;

    /* A unit is inactive before its start, too. */
    if (end != NULL && !end->told &&
        (failed || (g_strcmp0(state, "inactive") == 0 && end->code != 0))) {
        g_autofree char *result = g_strdup(end->result);

        end->told = true;
        watch->handlers->ended(vm_id, result, end->status, failed, watch->user_data);
    } else {
        watch->handlers->changed(vm_id, watch->user_data);
    }
}

static int
on_properties_changed(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    BangerUnitWatch *watch = user_data;
    g_autofree char *vm_id = parse_path(sd_bus_message_get_path(message));
    const char *interface;

    (void)ret_error;
    if (vm_id == NULL || sd_bus_message_read_basic(message, 's', &interface) <= 0)
        return 0;
    if (g_str_equal(interface, SYSTEMD ".Service"))
        take_service(watch, vm_id, message);
    else if (g_str_equal(interface, SYSTEMD ".Unit"))
        take_unit(watch, vm_id, message);
    return 0;
}

/* The machine whose unit's name is next; NULL if it is another unit. Free with g_free(). */
static char *
read_machine(sd_bus_message *message)
{
    const char *name;

    return sd_bus_message_read_basic(message, 's', &name) > 0 ? banger_unit_parse_name(name) : NULL;
}

static int
on_unit_new(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    BangerUnitWatch *watch = user_data;
    g_autofree char *vm_id = read_machine(message);

    (void)ret_error;
    if (vm_id != NULL)
        watch->handlers->changed(vm_id, watch->user_data);
    return 0;
}

static int
on_unit_removed(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    BangerUnitWatch *watch = user_data;
    g_autofree char *vm_id = read_machine(message);

    (void)ret_error;
    if (vm_id != NULL) {
        g_hash_table_remove(watch->ends, vm_id);
        watch->handlers->removed(vm_id, watch->user_data);
    }
    return 0;
}

static int
on_subscribed(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    BangerUnitWatch *watch = user_data;
    g_autoptr(GError) error = NULL;

    (void)ret_error;
    if (sd_bus_message_is_method_error(reply, NULL))
        (void)banger_set_error(&error, BANGER_ERROR_OPERATION_FAILED,
                               "cannot subscribe to systemd's signals: %s",
                               sd_bus_message_get_error(reply)->message);
    watch->handlers->ready(error, watch->user_data);
    return 0;
}

/* The matches first, then the call: when it is answered, they are in place. */
static int
subscribe_to_units(BangerUnitWatch *watch)
{
    static const char match[] =
        "type='signal',sender='" SYSTEMD "',interface='org.freedesktop.DBus.Properties',"
        "member='PropertiesChanged',path_namespace='" PATH "/unit',arg0='" SYSTEMD;
    sd_bus *bus = watch->bus;
    g_autofree char *service = g_strconcat(match, ".Service'", NULL);
    g_autofree char *unit = g_strconcat(match, ".Unit'", NULL);
    g_autoptr(sd_bus_message) message = NULL;
    int r = sd_bus_add_match_async(bus, NULL, service, on_properties_changed, NULL, watch);

    if (r < 0)
        return r;
    r = sd_bus_add_match_async(bus, NULL, unit, on_properties_changed, NULL, watch);
    if (r < 0)
        return r;
    r = sd_bus_match_signal_async(bus, NULL, SYSTEMD, PATH, MANAGER, "UnitNew", on_unit_new, NULL,
                                  watch);
    if (r < 0)
        return r;
    r = sd_bus_match_signal_async(bus, NULL, SYSTEMD, PATH, MANAGER, "UnitRemoved", on_unit_removed,
                                  NULL, watch);
    if (r < 0)
        return r;
    r = sd_bus_message_new_method_call(bus, &message, SYSTEMD, PATH, MANAGER, "Subscribe");
    if (r < 0)
        return r;
    return sd_bus_call_async(bus, NULL, message, on_subscribed, watch, ANSWER_TIMEOUT_USEC);
}

BangerUnitWatch *
banger_unit_watch_new(sd_event *event, const BangerUnitWatchHandlers *handlers, void *user_data,
                      GError **error)
{
    BangerUnitWatch *watch = g_new0(BangerUnitWatch, 1);
    int r;

    watch->handlers = handlers;
    watch->user_data = user_data;
    watch->ends = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, end_free);
    r = sd_bus_open_system_with_description(&watch->bus, "banger-unit-watch");
    if (r >= 0)
        r = subscribe_to_units(watch);
    if (r >= 0)
        r = sd_bus_attach_event(watch->bus, event, SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        return watch;
    (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                           "cannot watch systemd's units");
    banger_unit_watch_free(watch);
    return NULL;
}

void
banger_unit_watch_free(BangerUnitWatch *watch)
{
    if (watch->bus != NULL)
        (void)sd_bus_detach_event(watch->bus);
    sd_bus_close_unref(watch->bus);
    g_hash_table_unref(watch->ends);
    g_free(watch);
}
