/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/vmm/machine-request.h"

#include <check.h>

static MachineMember *
member(Machine *machine, const char *key)
{
    for (size_t i = 0; i < MACHINE_N_MEMBERS; i++) {
        if (machine->members[i].key == NULL)
            machine->members[i].key = key;
        if (g_str_equal(machine->members[i].key, key))
            return &machine->members[i];
    }
    ck_abort_msg("too many members: %s", key);
}

void
machine_set(Machine *machine, const char *key, const char *text)
{
    MachineMember *set = member(machine, key);

    g_free(set->text);
    set->text = g_strdup(text);
    set->type = 's';
}

void
machine_set_number(Machine *machine, const char *key, uint32_t number)
{
    MachineMember *set = member(machine, key);

    set->number = number;
    set->type = 'u';
}

void
machine_set_type(Machine *machine, const char *key, char type)
{
    member(machine, key)->type = type;
}

void
machine_remove(Machine *machine, const char *key)
{
    member(machine, key)->type = 0;
}

void
machine_add_drive(Machine *machine, const char *id, const char *path, bool read_only, bool is_root)
{
    MachineDrive drive = {g_strdup(id), g_strdup(path), read_only, is_root};

    g_array_append_val(machine->drives, drive);
}

static void
clear_drive(gpointer data)
{
    MachineDrive *drive = data;

    g_free(drive->id);
    g_free(drive->path);
}

Machine *
machine_new(const char *name)
{
    static const char *const named[][3] = {
        {"socket_path", MACHINE_RUN, ".sock"}, {"vsock_path", MACHINE_RUN, ".vsock"},
        {"log_path", MACHINE_STATE, ".log"},   {"metrics_path", MACHINE_STATE, ".metrics"},
        {"tap_device", "tap-fc-", ""},
    };
    Machine *machine = g_new0(Machine, 1);

    machine->drives = g_array_new(FALSE, TRUE, sizeof(MachineDrive));
    g_array_set_clear_func(machine->drives, clear_drive);
    machine_set(machine, "binary_path", MACHINE_BINARY);
    machine_set(machine, "vm_id", name);
    for (size_t i = 0; i < G_N_ELEMENTS(named); i++) {
        g_autofree char *value = g_strconcat(named[i][1], name, named[i][2], NULL);

        machine_set(machine, named[i][0], value);
    }
    machine_set(machine, "kernel_image_path", MACHINE_STATE "kernel");
    machine_set(machine, "kernel_args", "console=ttyS0 token=s3cret");
    machine_set_type(machine, "drives", 'd');
    machine_set_number(machine, "vsock_cid", 3);
    machine_set_number(machine, "vcpu_count", 2);
    machine_set_number(machine, "memory_mib", 256);
    machine_add_drive(machine, "rootfs", MACHINE_STATE "rootfs", false, true);
    return machine;
}

void
machine_free(Machine *machine)
{
    for (size_t i = 0; i < MACHINE_N_MEMBERS; i++)
        g_free(machine->members[i].text);
    g_array_unref(machine->drives);
    g_free(machine);
}

static int
append_drives(sd_bus_message *message, const GArray *drives)
{
    int r = sd_bus_message_open_container(message, 'v', "a(ssbb)");

    if (r >= 0)
        r = sd_bus_message_open_container(message, 'a', "(ssbb)");
    for (guint i = 0; r >= 0 && i < drives->len; i++) {
        const MachineDrive *drive = &g_array_index(drives, MachineDrive, i);

        r = sd_bus_message_append(message, "(ssbb)", drive->id, drive->path, drive->read_only,
                                  drive->is_root);
    }
    for (int i = 0; r >= 0 && i < 2; i++)
        r = sd_bus_message_close_container(message);
    return r;
}

static int
append_member(sd_bus_message *message, const Machine *machine, const MachineMember *one)
{
    switch (one->type) {
    case 'd':
        return append_drives(message, machine->drives);
    case 'u':
        return sd_bus_message_append(message, "v", "u", one->number);
    case 'b':
        return sd_bus_message_append(message, "v", "b", 1);
    case 'n': /* the network, well-formed */
        return sd_bus_message_append(message, "v", "(sss)", "br-fc", "172.16.0.1", "24");
    default:
        return sd_bus_message_append(message, "v", "s", one->text != NULL ? one->text : "");
    }
}

sd_bus_message *
machine_message(sd_bus *bus, const Machine *machine, const char *op_id)
{
    return machine_call_message(bus, "LaunchFirecracker", machine, op_id);
}

sd_bus_message *
machine_call_message(sd_bus *bus, const char *method, const Machine *machine, const char *op_id)
{
    sd_bus_message *message = rig_message_new(bus, method);
    int r = sd_bus_message_open_container(message, 'a', "{sv}");

    for (size_t i = 0; r >= 0 && i < MACHINE_N_MEMBERS; i++) {
        const MachineMember *one = &machine->members[i];

        if (one->key == NULL || one->type == 0)
            continue;
        r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
            r = sd_bus_message_append(message, "s", one->key);
        if (r >= 0)
            r = append_member(message, machine, one);
        if (r >= 0)
            r = sd_bus_message_close_container(message);
    }
    if (r >= 0 && machine->more != NULL)
        r = machine->more(message);
    if (r >= 0)
        r = sd_bus_message_close_container(message);
    if (r >= 0)
        r = sd_bus_message_append(message, "s", op_id);
    ck_assert_int_ge(r, 0);
    return message;
}
