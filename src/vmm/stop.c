/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/stop.h"

#include <signal.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"
#include "vmm/firecracker-api.h"
#include "vmm/jail.h"
#include "vmm/machine-list.h"

#define KILL_WAIT_MS 5000
#define TERM_WAIT_MS 5000
#define API_MS 5000
#define ENDING_WAIT_MS 500

/*
 * Opens the directory of the VM that @process is, if it is one in a jail. Before it is asked to
 * end: later on the process does not say any more which VM it was, and the name may be another
 * launch's.
 */
static bool
open_jail(const BangerSettings *settings, const BangerProcess *process, BangerJail *ret_jail)
{
    g_autofree char *vm_id = banger_process_vm_id(process);

    return vm_id != NULL && banger_jail_name(settings, vm_id, ret_jail, NULL) &&
           banger_jail_open_directory(ret_jail);
}

/* Whether @process ends within @timeout_ms. Then the directory of @jail, if not NULL, goes. */
static bool
wait_for_end(const BangerProcess *process, BangerJail *jail, int timeout_ms)
{
    bool ended = banger_process_wait_end(process, timeout_ms);

    if (ended && jail != NULL)
        banger_jail_remove_directory(jail);
    return ended;
}

/*
 * Its sockets, TAP and disk are free only when it is gone, which is what callers kill it for.
 */
static bool
kill_process(const BangerProcess *process, BangerJail *jail, GError **error)
{
    bool ok = banger_process_signal(process, SIGKILL, error);
    bool ended = wait_for_end(process, jail, ok ? KILL_WAIT_MS : 0);

    if (!ok)
        return false;
    return ended || banger_set_error(error, BANGER_ERROR_TIMEOUT,
                                     "process %d was killed, but has not ended within %d s",
                                     process->pid, KILL_WAIT_MS / 1000);
}

bool
banger_machine_kill(const BangerSettings *settings, const BangerProcess *process, GError **error)
{
    g_auto(BangerJail) jail = BANGER_JAIL_INIT;
    bool is_jailed = open_jail(settings, process, &jail);

    return kill_process(process, is_jailed ? &jail : NULL, error);
}

bool
banger_machine_find(const BangerSettings *settings, const char *vm_id, BangerProcess *ret_process,
                    BangerMachineInfo **ret_machine, bool *ret_found, GError **error)
{
    g_autoptr(GHashTable) machines =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, banger_machine_info_free);
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    BangerMachineInfo *machine;

    if (!banger_machine_list(settings, vm_id, BANGER_MACHINE_RECORD, machines, error))
        return false;
    machine = g_hash_table_lookup(machines, vm_id);
    *ret_found = machine != NULL && machine->leader != 0 &&
                 banger_process_open((uint32_t)machine->leader, &process, NULL) &&
                 banger_process_check_ours(&process, settings, NULL);
    if (!*ret_found)
        return true;
    (void)g_hash_table_steal(machines, vm_id);
    *ret_machine = machine;
    *ret_process = banger_process_steal(&process);
    return true;
}

/*
 * Has the guest's keyboard say Ctrl-Alt-Del. Whether the VMM took the request, in @timeout_ms.
 */
static bool
ask_guest(const BangerSettings *settings, const BangerProcess *process, const char *api_socket,
          int timeout_ms)
{
    const BangerFirecrackerRequest request = {
        .method = "PUT",
        .path = (char *)"/actions",
        .body = (char *)"{\"action_type\":\"SendCtrlAltDel\"}",
    };
    banger_autofd int path_fd =
        banger_path_open_socket(settings, BANGER_PATH_RUNTIME, api_socket, NULL);
    g_autoptr(BangerFirecrackerApi) api = NULL;

    if (path_fd < 0)
        return false;
    api = banger_firecracker_api_new(path_fd, api_socket, process, timeout_ms, NULL, NULL);
    if (api == NULL)
        return false;
    if (banger_firecracker_api_request(api, &request, NULL))
        return true;
    banger_firecracker_api_await_end(api);
    return false;
}

/* Kills a VMM that did not end by SIGTERM in time, unless it does just then. */
static bool
kill_late(const BangerProcess *process, BangerJail *jail, const char **ret_how, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (kill_process(process, jail, &failure)) {
        *ret_how = "kill";
        return true;
    }
    if (g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND))
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

bool
banger_machine_stop(const BangerSettings *settings, const BangerProcess *process,
                    const BangerMachineInfo *machine, uint32_t timeout_s, const char **ret_how,
                    GError **error)
{
    g_auto(BangerJail) opened = BANGER_JAIL_INIT;
    BangerJail *jail = open_jail(settings, process, &opened) ? &opened : NULL;
    bool ended = false;

    if (timeout_s > 0) {
        /* One that ends at once may have closed the connection before it answered. */
        const int most_ms = (int)timeout_s * 1000;
        const bool taken = ask_guest(settings, process, machine->api_socket, MIN(most_ms, API_MS));
        const int wait_ms = taken ? most_ms : ENDING_WAIT_MS;

        *ret_how = "guest";
        ended = wait_for_end(process, jail, wait_ms);
    }
    if (!ended) {
        *ret_how = "term";
        /* It may have ended by itself meanwhile, and takes no signal then. */
        ended = wait_for_end(process, jail,
                             banger_process_signal(process, SIGTERM, NULL) ? TERM_WAIT_MS : 0);
    }
    return ended || kill_late(process, jail, ret_how, error);
}

bool
banger_op_stop_machine(const BangerSettings *settings, const BangerRequest *request,
                       BangerReply *reply, GError **error)
{
    const BangerStopMachineRequest *stop = &request->stop_machine;
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    g_autoptr(BangerMachineInfo) machine = NULL;
    const char *how = "gone";
    bool found;

    if (!banger_machine_find(settings, stop->vm_id, &process, &machine, &found, error) ||
        (found && !banger_machine_stop(settings, &process, machine, stop->timeout_s, &how, error)))
        return false;
    reply->stop_machine.how = g_strdup(how);
    return true;
}
