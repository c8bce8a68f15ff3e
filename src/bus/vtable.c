/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <systemd/sd-bus-vtable.h>

#include "bus/message.h"
#include "bus/service-private.h"
#include "util/sd-auto.h"
#include "vmm/machine-list.h"

/* The intake takes every call of the bus before sd-bus looks here. */
static int
on_method_call(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    (void)message, (void)user_data, (void)ret_error;
    return -EOPNOTSUPP;
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
    const BangerFront *front = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "s", front->service->settings->state_directory);
}

static int
get_runtime_directory(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerFront *front = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "s", front->service->settings->runtime_directory);
}

static int
get_owner_uid(sd_bus *bus, const char *path, const char *interface, const char *property,
              sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerFront *front = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "u", (uint32_t)front->service->settings->owner_uid);
}

static int
get_owner_gid(sd_bus *bus, const char *path, const char *interface, const char *property,
              sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerFront *front = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "u", (uint32_t)front->service->settings->owner_gid);
}

static int
append_machine(sd_bus_message *reply, const BangerMachineInfo *machine)
{
    g_autofree char *path = banger_object_path(BANGER_OBJECT_MACHINE, machine->id);

    return sd_bus_message_append(reply, "(ssuo)", machine->id,
                                 banger_machine_state_name(machine->state),
                                 (uint32_t)machine->leader, path);
}

static int
on_list_machines(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    const BangerFront *front = user_data;
    const BangerInventory *inventory = banger_objects_inventory(front->objects);
    g_autoptr(sd_bus_message) reply = NULL;
    GHashTableIter iter;
    gpointer machine;
    int r = inventory == NULL ? -ENODATA : sd_bus_message_new_method_return(message, &reply);

    (void)ret_error;
    if (r < 0)
        return r;
    r = sd_bus_message_open_container(reply, 'a', "(ssuo)");
    g_hash_table_iter_init(&iter, inventory->objects[BANGER_OBJECT_MACHINE]);
    while (r >= 0 && g_hash_table_iter_next(&iter, NULL, &machine))
        r = append_machine(reply, machine);
    if (r < 0)
        return r;
    r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int
on_subscribe(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    const BangerFront *front = user_data;

    (void)ret_error;
    banger_subscribe_add(front->subscribe, message);
    return 1;
}

static int
on_unsubscribe(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    const BangerFront *front = user_data;

    (void)ret_error;
    banger_subscribe_remove(front->subscribe, message);
    return 1;
}

static int
get_operations_in_flight(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerFront *front = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "u", front->in_flight);
}

/* @texts is NULL for a message that the objects' filter did not take for what it is. */
static int
append_texts(sd_bus_message *reply, const GPtrArray *texts)
{
    return texts == NULL ? -ENODATA : sd_bus_message_append_strv(reply, (char **)texts->pdata);
}

static int
get_features(sd_bus *bus, const char *path, const char *interface, const char *property,
             sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerFront *front = user_data;
    const BangerInventory *inventory = banger_objects_inventory(front->objects);

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return append_texts(reply, inventory != NULL ? inventory->features : NULL);
}

static int
get_warnings(sd_bus *bus, const char *path, const char *interface, const char *property,
             sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerFront *front = user_data;
    const BangerInventory *inventory = banger_objects_inventory(front->objects);

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return append_texts(reply, inventory != NULL ? inventory->warnings : NULL);
}

/* The members of the interface that are no rows of the method table. */
static const sd_bus_vtable members[] = {
    SD_BUS_METHOD_WITH_NAMES("ListMachines", "", , "a(ssuo)", SD_BUS_PARAM(machines),
                             on_list_machines, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Subscribe", "", "", on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Unsubscribe", "", "", on_unsubscribe, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_NAMES("MachineExited", "ssi",
                             SD_BUS_PARAM(vm_id) SD_BUS_PARAM(result) SD_BUS_PARAM(status), 0),
    SD_BUS_SIGNAL_WITH_NAMES("SnapshotFilling", "stt",
                             SD_BUS_PARAM(name) SD_BUS_PARAM(used) SD_BUS_PARAM(size), 0),
    SD_BUS_PROPERTY("Features", "as", get_features, 0, 0),
    SD_BUS_PROPERTY("Warnings", "as", get_warnings, 0, 0),
    SD_BUS_PROPERTY("OperationsInFlight", "u", get_operations_in_flight, 0, 0),
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
keep_text(BangerService *service, char *text)
{
    g_ptr_array_add(service->vtable_strings, text);
    return text;
}

static sd_bus_vtable
method_entry(BangerService *service, const BangerMethod *method)
{
    GString *names = g_string_new(NULL); /* "in1\0in2\0op_id\0out1\0" */
    const char *in = keep_text(service, banger_message_signature(method));
    const char *out = keep_text(service, banger_fields_signature(method->out));

    append_names(names, method->in);
    g_string_append_len(names, "op_id", sizeof "op_id");
    append_names(names, method->out);
    /* polkit decides, not sd-bus's own check of the sender's capabilities. */
    return (sd_bus_vtable)SD_BUS_METHOD_WITH_NAMES_OFFSET(
        method->dbus_name, in, keep_text(service, g_string_free(names, FALSE)), out, ,
        on_method_call, 0, SD_BUS_VTABLE_UNPRIVILEGED);
}

sd_bus_vtable *
banger_vtable_new(BangerService *service)
{
    sd_bus_vtable *vtable = g_new0(sd_bus_vtable, BANGER_N_METHODS + G_N_ELEMENTS(members) + 2);
    size_t n = 0;

    vtable[n++] = (sd_bus_vtable)SD_BUS_VTABLE_START(0);
    for (BangerMethodId id = 0; id < BANGER_N_METHODS; id++)
        vtable[n++] = method_entry(service, banger_method(id));
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        vtable[n++] = members[i];
    vtable[n] = (sd_bus_vtable)SD_BUS_VTABLE_END;
    return vtable;
}
