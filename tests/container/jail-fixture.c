/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "container/jail-fixture.h"

#include <string.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"

pid_t
jail_launch(const char *name)
{
    Machine *machine = machine_new(name);
    g_autofree char *data = g_strdup_printf(MACHINE_STATE "%s.data", name);
    pid_t pid;

    if (access(data, F_OK) < 0)
        machine_write(data, "the data of one VM");
    g_array_set_size(machine->drives, 0);
    machine_add_drive(machine, "rootfs", MACHINE_STATE "rootfs", true, true);
    machine_add_drive(machine, "data", data, false, false);
    pid = machine_launch(machine_bus, machine);
    machine_free(machine);
    return pid;
}

void
jail_clean_up(const char *name)
{
    static const char *const left[] = {MACHINE_STATE "%s.data", MACHINE_STATE "%s.log",
                                       MACHINE_STATE "%s.metrics", MACHINE_RUN "%s.sock",
                                       MACHINE_RUN "%s.vsock"};

    rig_wait_for(machine_has_no_unit, (void *)(uintptr_t)name, "systemd to notice the end");
    for (size_t i = 0; i < G_N_ELEMENTS(left); i++) {
        const char *rest = strstr(left[i], "%s");
        g_autofree char *path =
            g_strdup_printf("%.*s%s%s", (int)(rest - left[i]), left[i], name, rest + 2);

        (void)unlink(path);
    }
}

void
jail_end(const char *name, pid_t pid)
{
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    jail_clean_up(name);
}

void
jail_run(const char *command)
{
    int status = -1;

    ck_assert(g_spawn_command_line_sync(command, NULL, NULL, &status, NULL));
    ck_assert_msg(status == 0, "%s: %d", command, status);
}
