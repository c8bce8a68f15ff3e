/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unstarted.h"

#include <sys/stat.h>

#include "util/fd.h"
#include "util/path.h"
#include "vmm/firecracker-api.h"
#include "vmm/jail.h"
#include "vmm/unix-socket.h"

#define API_MS 500

/* Opens the API socket where it is during a launch: in the directory of the VM's jail. */
static int
open_jailed_socket(const BangerSettings *settings, const BangerMachineInfo *machine,
                   const BangerProcess *process)
{
    g_auto(BangerJail) jail = BANGER_JAIL_INIT;
    g_autofree char *outside = NULL;
    struct stat st;

    if (!banger_jail_name(settings, machine->id, &jail, NULL) ||
        !g_str_has_prefix(machine->api_socket, settings->runtime_directory) ||
        fstat(process->directory, &st) < 0)
        return -1;
    outside = banger_jail_outside(&jail, machine->api_socket);
    return banger_unix_socket_open(settings, outside, st.st_uid, 1, NULL);
}

bool
banger_machine_is_unstarted(const BangerSettings *settings, const BangerMachineInfo *machine,
                            const BangerProcess *process)
{
    banger_autofd int path_fd =
        banger_path_open_socket(settings, BANGER_PATH_RUNTIME, machine->api_socket, NULL);
    g_autoptr(BangerFirecrackerApi) api = NULL;
    bool unstarted;

    if (path_fd < 0)
        path_fd = open_jailed_socket(settings, machine, process);
    if (path_fd < 0)
        return false;
    api = banger_firecracker_api_new(path_fd, machine->api_socket, process, API_MS, NULL, NULL);
    return api != NULL && banger_firecracker_api_get_unstarted(api, &unstarted, NULL) && unstarted;
}
