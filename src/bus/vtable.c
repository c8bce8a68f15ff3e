/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <systemd/sd-bus-vtable.h>

#include "bus/message.h"
#include "bus/service-private.h"

static int
on_method_call(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    const BangerMethod *method = banger_method_by_dbus_name(sd_bus_message_get_member(message));

    (void)ret_error;
    banger_call_begin(user_data, method, message);
    return 1;
}

static int
get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
            sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)user_data, (void)ret_error;
    return sd_bus_message_append(reply, "s", PACKAGE_VERSION);
}

static int
get_state_directory(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerService *service = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "s", service->settings->state_directory);
}

static int
get_runtime_directory(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerService *service = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "s", service->settings->runtime_directory);
}

static int
get_owner_uid(sd_bus *bus, const char *path, const char *interface, const char *property,
              sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerService *service = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "u", (uint32_t)service->settings->owner_uid);
}

static int
get_owner_gid(sd_bus *bus, const char *path, const char *interface, const char *property,
              sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerService *service = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "u", (uint32_t)service->settings->owner_gid);
}

static const sd_bus_vtable properties[] = {
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("StateDirectory", "s", get_state_directory, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("RuntimeDirectory", "s", get_runtime_directory, 0,
                    SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("OwnerUID", "u", get_owner_uid, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("OwnerGID", "u", get_owner_gid, 0, SD_BUS_VTABLE_PROPERTY_CONST),
};

static void
append_names(GString *names, const BangerField *fields)
{
    for (const BangerField *field = fields; field->name != NULL; field++)
        g_string_append_len(names, field->name, (gssize)strlen(field->name) + 1);
}

/* Hands @text over to the vtable's strings. */
static const char *
keep(BangerService *service, char *text)
{
    g_ptr_array_add(service->vtable_strings, text);
    return text;
}

static sd_bus_vtable
method_entry(BangerService *service, const BangerMethod *method)
{
    GString *names = g_string_new(NULL); /* "in1\0in2\0op_id\0out1\0" */
    const char *in = keep(service, banger_message_signature(method));
    const char *out = keep(service, banger_fields_signature(method->out));

    append_names(names, method->in);
    g_string_append_len(names, "op_id", sizeof "op_id");
    append_names(names, method->out);
    /* polkit judges, not sd-bus's own check of the sender's capabilities. */
    return (sd_bus_vtable)SD_BUS_METHOD_WITH_NAMES_OFFSET(
        method->dbus_name, in, keep(service, g_string_free(names, FALSE)), out, , on_method_call, 0,
        SD_BUS_VTABLE_UNPRIVILEGED);
}

sd_bus_vtable *
banger_vtable_new(BangerService *service)
{
    sd_bus_vtable *vtable = g_new0(sd_bus_vtable, BANGER_N_METHODS + G_N_ELEMENTS(properties) + 2);
    size_t n = 0;

    vtable[n++] = (sd_bus_vtable)SD_BUS_VTABLE_START(0);
    for (BangerMethodId id = 0; id < BANGER_N_METHODS; id++)
        vtable[n++] = method_entry(service, banger_method(id));
    for (size_t i = 0; i < G_N_ELEMENTS(properties); i++)
        vtable[n++] = properties[i];
    vtable[n] = (sd_bus_vtable)SD_BUS_VTABLE_END;
    return vtable;
}

int
banger_vtable_filter_signature(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    const BangerMethod *method;

    (void)ret_error;
    if (!sd_bus_message_is_method_call(message, BANGER_INTERFACE, NULL) ||
        g_strcmp0(sd_bus_message_get_path(message), BANGER_OBJECT_PATH) != 0)
        return 0;
    method = banger_method_by_dbus_name(sd_bus_message_get_member(message));
    if (method == NULL || banger_message_check_signature(message, method, NULL))
        return 0;
    banger_call_begin(user_data, method, message);
    return 1;
}
