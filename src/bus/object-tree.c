/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-bus-vtable.h>

#include "bus/jobs.h"
#include "bus/message.h"
#include "bus/object-private.h"
#include "disk/dm-list.h"
#include "model/names.h"
#include "network/network-list.h"
#include "util/object-path.h"
#include "vmm/machine-list.h"

/*
 * The tables of the objects' interfaces. A property without a function of its own is read by sd-bus
 * from the info's member at the offset; what is not marked emits no change signal, for the kernel
 * does not say when it changes.
 */

#define JOB_NAME_MAX 20u /* digits of a number of 64 bits */

/* A property of the name @name in the member @member of @type. */
#define PROPERTY(name, signature, type, member)                                                    \
    SD_BUS_PROPERTY(name, signature, NULL, offsetof(type, member), 0)

static int
get_machine_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                  sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerMachineState *state = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "s", banger_machine_state_name(*state));
}

static int
get_snapshot_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                   sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const BangerSnapshotState *state = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "s", banger_snapshot_state_name(*state));
}

static int
get_device(sd_bus *bus, const char *path, const char *interface, const char *property,
           sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    char *const *name = user_data;
    g_autofree char *device = g_strconcat(BANGER_DM_DIRECTORY, *name, NULL);

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "s", device);
}

static int
get_bool(sd_bus *bus, const char *path, const char *interface, const char *property,
         sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    const bool *value = user_data;

    (void)bus, (void)path, (void)interface, (void)property, (void)ret_error;
    return sd_bus_message_append(reply, "b", *value);
}

/* Stop and Kill do what methods of the main interface do, and go the way of these. */
static int
on_machine_called(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    const BangerObjects *objects =
        sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(message)));
    bool stops = g_str_equal(sd_bus_message_get_member(message), "Stop");

    (void)ret_error;
    objects->handlers.machine_called(
        message, banger_method(stops ? BANGER_METHOD_STOP_MACHINE : BANGER_METHOD_SIGNAL_PROCESS),
        user_data, objects->user_data);
    return 1;
}

static const sd_bus_vtable machine_table[] = {
    SD_BUS_VTABLE_START(0),
    PROPERTY("Id", "s", BangerMachineInfo, id),
    SD_BUS_PROPERTY("State", "s", get_machine_state, offsetof(BangerMachineInfo, state),
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Leader", "u", NULL, offsetof(BangerMachineInfo, leader),
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    PROPERTY("Unit", "s", BangerMachineInfo, unit),
    PROPERTY("Since", "t", BangerMachineInfo, since_usec),
    PROPERTY("OpId", "s", BangerMachineInfo, op_id),
    PROPERTY("CreatorUID", "u", BangerMachineInfo, creator),
    PROPERTY("Tap", "s", BangerMachineInfo, tap),
    PROPERTY("Bridge", "s", BangerMachineInfo, bridge),
    PROPERTY("Snapshot", "s", BangerMachineInfo, snapshot),
    PROPERTY("ApiSocket", "s", BangerMachineInfo, api_socket),
    PROPERTY("VsockPath", "s", BangerMachineInfo, vsock_path),
    PROPERTY("GuestIps", "as", BangerMachineInfo, guest_ips),
    PROPERTY("MemoryCurrent", "t", BangerMachineInfo, memory_bytes),
    PROPERTY("CpuUsageUsec", "t", BangerMachineInfo, cpu_usec),
    SD_BUS_METHOD_WITH_NAMES("Stop", "u", SD_BUS_PARAM(timeout_s), "s", SD_BUS_PARAM(how),
                             on_machine_called, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("Kill", "s", SD_BUS_PARAM(signal), "", , on_machine_called,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static const sd_bus_vtable snapshot_table[] = {
    SD_BUS_VTABLE_START(0),
    PROPERTY("Name", "s", BangerSnapshotInfo, name),
    SD_BUS_PROPERTY("Device", "s", get_device, offsetof(BangerSnapshotInfo, name), 0),
    PROPERTY("SizeBytes", "t", BangerSnapshotInfo, size_bytes),
    PROPERTY("CowBytes", "t", BangerSnapshotInfo, cow_bytes),
    PROPERTY("UsedBytes", "t", BangerSnapshotInfo, used_bytes),
    SD_BUS_PROPERTY("State", "s", get_snapshot_state, offsetof(BangerSnapshotInfo, state),
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    PROPERTY("Machine", "s", BangerSnapshotInfo, machine),
    SD_BUS_VTABLE_END,
};

static const sd_bus_vtable tap_table[] = {
    SD_BUS_VTABLE_START(0),
    PROPERTY("Name", "s", BangerTapInfo, name),
    PROPERTY("Bridge", "s", BangerTapInfo, bridge),
    PROPERTY("OwnerUID", "u", BangerTapInfo, owner),
    PROPERTY("Mtu", "u", BangerTapInfo, mtu),
    SD_BUS_PROPERTY("Attached", "b", get_bool, offsetof(BangerTapInfo, attached), 0),
    PROPERTY("GuestIps", "as", BangerTapInfo, guest_ips),
    SD_BUS_PROPERTY("Nat", "b", get_bool, offsetof(BangerTapInfo, nat), 0),
    PROPERTY("Machine", "s", BangerTapInfo, machine),
    SD_BUS_VTABLE_END,
};

static const sd_bus_vtable bridge_table[] = {
    SD_BUS_VTABLE_START(0),
    PROPERTY("Name", "s", BangerBridgeInfo, name),
    PROPERTY("Addresses", "as", BangerBridgeInfo, addresses),
    PROPERTY("Ports", "u", BangerBridgeInfo, ports),
    PROPERTY("Resolver", "s", BangerBridgeInfo, resolver),
    SD_BUS_VTABLE_END,
};

/* Cancel: by the caller of the job, or root; no question to polkit, whose answer the call had. */
static int
on_cancel(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    const BangerJobInfo *job = user_data;
    g_autoptr(GError) error = NULL;

    (void)ret_error;
    if (banger_jobs_cancel(job->jobs, job->name, sd_bus_message_get_sender(message), &error))
        return sd_bus_reply_method_return(message, "");
    return banger_message_reply_error(message, error);
}

static const sd_bus_vtable job_table[] = {
    SD_BUS_VTABLE_START(0),
    PROPERTY("OpId", "s", BangerJobInfo, op_id),
    PROPERTY("Method", "s", BangerJobInfo, method),
    PROPERTY("Object", "s", BangerJobInfo, object),
    PROPERTY("CallerUID", "u", BangerJobInfo, uid),
    PROPERTY("Since", "t", BangerJobInfo, since_usec),
    SD_BUS_PROPERTY("Progress", "d", NULL, offsetof(BangerJobInfo, progress),
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Step", "s", NULL, offsetof(BangerJobInfo, step),
                    SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_METHOD("Cancel", "", "", on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static bool
check_job_name(const char *name, GError **error)
{
    (void)error;
    return name[0] != '\0' && strlen(name) <= JOB_NAME_MAX &&
           strspn(name, "0123456789") == strlen(name);
}

static const struct {
    const char *folder;
    const char *interface;
    const sd_bus_vtable *table;
    bool (*check_name)(const char *name, GError **error);
} kinds[BANGER_N_OBJECT_KINDS] = {
    [BANGER_OBJECT_MACHINE] = {"machines", BANGER_INTERFACE ".Machine", machine_table,
                               banger_name_check_vm_id},
    [BANGER_OBJECT_SNAPSHOT] = {"snapshots", BANGER_INTERFACE ".Snapshot", snapshot_table,
                                banger_name_check_dm},
    [BANGER_OBJECT_TAP] = {"taps", BANGER_INTERFACE ".Tap", tap_table, banger_name_check_link},
    [BANGER_OBJECT_BRIDGE] = {"bridges", BANGER_INTERFACE ".Bridge", bridge_table,
                              banger_name_check_link},
    [BANGER_OBJECT_JOB] = {"jobs", BANGER_INTERFACE ".Job", job_table, check_job_name},
};

const char *
banger_object_folder(BangerObjectKind kind)
{
    return kinds[kind].folder;
}

const char *
banger_object_interface(BangerObjectKind kind)
{
    return kinds[kind].interface;
}

static char *
folder_path(BangerObjectKind kind)
{
    return g_strconcat(BANGER_OBJECT_PATH "/", kinds[kind].folder, NULL);
}

char *
banger_object_path(BangerObjectKind kind, const char *name)
{
    g_autofree char *folder = folder_path(kind);

    return banger_encode_object_path(folder, name);
}

/* The name in @path if that is one of an object of @kind; NULL if not. Free with g_free(). */
static char *
parse_name(const char *path, BangerObjectKind kind)
{
    g_autofree char *folder = NULL;
    g_autofree char *name = NULL;
    char *decoded = NULL;

    /* First without a copy: all objects of a list go through here, for each of the kinds. */
    if (!g_str_has_prefix(path, BANGER_OBJECT_PATH "/") ||
        !g_str_has_prefix(path + strlen(BANGER_OBJECT_PATH "/"), kinds[kind].folder))
        return NULL;
    folder = folder_path(kind);
    if (sd_bus_path_decode(path, folder, &decoded) <= 0)
        return NULL;
    name = g_strdup(decoded);
    free(decoded);
    return kinds[kind].check_name(name, NULL) ? g_steal_pointer(&name) : NULL;
}

bool
banger_object_parse_path(const char *path, BangerObjectKind *ret_kind, char **ret_name)
{
    for (unsigned int kind = 0; kind < BANGER_N_OBJECT_KINDS; kind++) {
        char *name = parse_name(path, kind);

        if (name == NULL)
            continue;
        *ret_kind = kind;
        *ret_name = name;
        return true;
    }
    return false;
}

static int
find_object(sd_bus *bus, const char *path, const char *interface, void *user_data, void **ret_found,
            sd_bus_error *ret_error)
{
    const BangerObjects *objects = user_data;
    BangerObjectKind kind;
    g_autofree char *name = NULL;

    (void)bus, (void)interface, (void)ret_error;
    if (objects->current == NULL || !banger_object_parse_path(path, &kind, &name))
        return 0;
    *ret_found = g_hash_table_lookup(objects->current->objects[kind], name);
    return *ret_found != NULL;
}

/* The paths of all objects of a kind; @prefix may be a path further up. */
static int
enumerate_objects(sd_bus *bus, const char *prefix, void *user_data, char ***ret_nodes,
                  sd_bus_error *ret_error)
{
    const BangerObjectFolder *folder = user_data;
    const BangerInventory *inventory = folder->objects->current;
    GHashTableIter iter;
    gpointer name;
    size_t n = 0;

    (void)bus, (void)prefix, (void)ret_error;
    if (inventory == NULL)
        return 0;
    /* sd-bus frees all of it with free(3). */
    *ret_nodes = calloc(g_hash_table_size(inventory->objects[folder->kind]) + 1, sizeof(char *));
    g_hash_table_iter_init(&iter, inventory->objects[folder->kind]);
    while (*ret_nodes != NULL && g_hash_table_iter_next(&iter, &name, NULL))
        if (sd_bus_path_encode(folder->path, name, &(*ret_nodes)[n++]) < 0)
            g_error("out of memory");
    return 0;
}

static int
add_kind(BangerObjects *objects, BangerObjectKind kind)
{
    BangerObjectFolder *folder = &objects->folders[kind];
    sd_bus_slot *slot = NULL;
    int r;

    *folder = (BangerObjectFolder){objects, kind, folder_path(kind)};
    r = sd_bus_add_fallback_vtable(objects->bus, &slot, folder->path, kinds[kind].interface,
                                   kinds[kind].table, find_object, objects);
    if (r < 0)
        return r;
    g_ptr_array_add(objects->slots, slot);
    r = sd_bus_add_node_enumerator(objects->bus, &slot, folder->path, enumerate_objects, folder);
    if (r >= 0)
        g_ptr_array_add(objects->slots, slot);
    return r;
}

int
banger_object_tree_add(BangerObjects *objects)
{
    sd_bus_slot *slot = NULL;
    int r = sd_bus_add_object_manager(objects->bus, &slot, BANGER_OBJECT_PATH);

    if (r >= 0)
        g_ptr_array_add(objects->slots, slot);
    for (unsigned int kind = 0; r >= 0 && kind < BANGER_N_OBJECT_KINDS; kind++)
        r = add_kind(objects, kind);
    return r;
}
