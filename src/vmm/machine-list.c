/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/machine-list.h"

#include <systemd/sd-daemon.h>

#include "model/names.h"
#include "util/text.h"
#include "vmm/command-line.h"
#include "vmm/process-scan.h"
#include "vmm/unit-list.h"

const char *
banger_machine_state_name(BangerMachineState state)
{
    static const char *const names[] = {
        [BANGER_MACHINE_STARTING] = "starting",
        [BANGER_MACHINE_RUNNING] = "running",
        [BANGER_MACHINE_STOPPING] = "stopping",
        [BANGER_MACHINE_FAILED] = "failed",
    };

    return names[state];
}

BangerMachineInfo *
banger_machine_info_new(const char *id)
{
    BangerMachineInfo *machine = g_new0(BangerMachineInfo, 1);
    char **texts[] = {&machine->unit,      &machine->op_id,    &machine->tap,
                      &machine->bridge,    &machine->snapshot, &machine->api_socket,
                      &machine->vsock_path};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        *texts[i] = g_strdup("");
    machine->id = g_strdup(id);
    machine->creator = (uid_t)UINT32_MAX;
    return machine;
}

void
banger_machine_info_free(void *user_data)
{
    BangerMachineInfo *machine = user_data;

    g_free(machine->id);
    g_free(machine->unit);
    g_free(machine->op_id);
    g_free(machine->tap);
    g_free(machine->bridge);
    g_free(machine->snapshot);
    g_free(machine->api_socket);
    g_free(machine->vsock_path);
    g_strfreev(machine->guest_ips);
    g_free(machine);
}

typedef struct {
    const char *vm_id; /* NULL: all */
    GHashTable *machines;
} Search;

/* Takes a VMM of ours that says which machine it is. */
static void
take_process(pid_t pid, const char *command_line, size_t length, guint64 start_usec,
             void *user_data)
{
    const Search *search = user_data;
    const char *id = banger_command_line_value(command_line, length, "id");
    const char *socket = banger_command_line_value(command_line, length, "api-sock");
    BangerMachineInfo *machine;

    if (id == NULL || socket == NULL || !banger_name_check_vm_id(id, NULL) ||
        (search->vm_id != NULL && !g_str_equal(id, search->vm_id)))
        return;
    machine = banger_machine_info_new(id);
    machine->state = BANGER_MACHINE_RUNNING;
    machine->leader = pid;
    machine->since_usec = start_usec;
    g_free(machine->api_socket);
    machine->api_socket = banger_text_make_printable(socket, -1);
    g_hash_table_insert(search->machines, machine->id, machine);
}

bool
banger_machine_list(const BangerSettings *settings, const char *vm_id, BangerMachineDetails details,
                    GHashTable *machines, GError **error)
{
    Search search = {vm_id, machines};

    return sd_booted() > 0 ? banger_unit_list(vm_id, details, machines, error)
                           : banger_process_scan_ours(settings, take_process, &search, error);
}
