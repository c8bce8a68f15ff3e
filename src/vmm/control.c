/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/control.h"

#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"
#include "vmm/executable.h"
#include "vmm/file-access.h"
#include "vmm/jail.h"
#include "vmm/process-scan.h"
#include "vmm/process.h"
#include "vmm/stop.h"
#include "vmm/unit.h"
#include "vmm/unix-socket.h"
#include "vmm/vsock-listeners.h"

bool
banger_op_resolve_firecracker_binary(const BangerSettings *settings, const BangerRequest *request,
                                     BangerReply *reply, GError **error)
{
    (void)settings;
    return banger_executable_resolve(request->resolve_firecracker_binary.requested,
                                     &reply->resolve_firecracker_binary.path, error);
}

/*
 * Finds the VM that connects to the listener @path: the one that listens at what stands before the
 * "_PORT". *@ret_vm_id is NULL if there is none, or if it has no jail and needs nothing.
 */
static void
find_listeners_vm(const BangerSettings *settings, const char *path, char **ret_vm_id,
                  uid_t *ret_uid)
{
    g_autofree char *vsock_path = NULL;
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    banger_autofd int path_fd = -1;
    banger_autofd int fd = -1;
    struct stat st;
    pid_t peer = 0;

    *ret_vm_id = NULL;
    if (!banger_vsock_listener_parse(path, &vsock_path))
        return;
    path_fd = banger_path_open_socket(settings, BANGER_PATH_RUNTIME, vsock_path, NULL);
    fd = path_fd >= 0 ? banger_unix_socket_connect(path_fd, &peer) : -1;
    if (fd < 0 || !banger_process_open((uint32_t)peer, &process, NULL) ||
        fstat(process.directory, &st) < 0 || !banger_file_access_is_dynamic(st.st_uid))
        return;
    *ret_vm_id = banger_process_vm_id(&process);
    *ret_uid = st.st_uid;
}

static bool
ensure_access(const BangerSettings *settings, const char *path, GError **error)
{
    g_auto(BangerJail) jail = BANGER_JAIL_INIT;
    g_autofree char *vm_id = NULL;
    uid_t uid = 0;

    find_listeners_vm(settings, path, &vm_id, &uid);
    if (vm_id == NULL)
        return banger_unix_socket_give(settings, path, error);
    if (!banger_jail_name(settings, vm_id, &jail, error))
        return false;
    jail.uid = uid;
    return banger_vsock_listener_link(&jail, path, error);
}

bool
banger_op_ensure_socket_access(const BangerSettings *settings, const BangerRequest *request,
                               BangerReply *reply, GError **error)
{
    const BangerEnsureSocketAccessRequest *access = &request->ensure_socket_access;

    (void)reply;
    if (ensure_access(settings, access->socket_path, error))
        return true;
    /* What the caller says the socket is. */
    if (access->label[0] != '\0')
        g_prefix_error(error, "%s: ", access->label);
    return false;
}

/* Who listens at @path; 0 if no process does, or if that cannot be known. */
static pid_t
find_listener(const BangerSettings *settings, const char *path)
{
    banger_autofd int path_fd = banger_path_open_socket(settings, BANGER_PATH_RUNTIME, path, NULL);
    banger_autofd int fd = -1;
    bool running = false;
    pid_t peer = 0;

    if (path_fd < 0)
        return 0;
    fd = banger_unix_socket_connect(path_fd, &peer);
    /* A listener may have gone and left its socket to a child: then no process has its pid. */
    if (fd >= 0)
        (void)banger_process_is_running(settings, (uint32_t)peer, "", &running, NULL);
    return running ? peer : 0;
}

bool
banger_op_find_firecracker_pid(const BangerSettings *settings, const BangerRequest *request,
                               BangerReply *reply, GError **error)
{
    const char *api_sock = request->find_firecracker_pid.api_sock;
    pid_t pid = find_listener(settings, api_sock);

    if (pid == 0 && !banger_process_scan(settings, api_sock, &pid, error))
        return false;
    if (pid == 0 && banger_unit_wait_for_starts() &&
        !banger_process_scan(settings, api_sock, &pid, error))
        return false;
    if (pid == 0)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "no process has the API socket %s",
                                api_sock);
    reply->find_firecracker_pid.pid = (uint32_t)pid;
    return true;
}

/* Opens the process @pid, if it is one of ours. */
static bool
find_ours(const BangerSettings *settings, uint32_t pid, BangerProcess *ret_process, GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;

    if (!banger_process_open(pid, &process, error) ||
        !banger_process_check_ours(&process, settings, error))
        return false;
    *ret_process = banger_process_steal(&process);
    return true;
}

bool
banger_op_kill_process(const BangerSettings *settings, const BangerRequest *request,
                       BangerReply *reply, GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;

    (void)reply;
    return find_ours(settings, request->kill_process.pid, &process, error) &&
           banger_machine_kill(settings, &process, error);
}

/*
 * Whether @process is still that of the machine @vm_id (NULL: any); its number may have been
 * another's in the meantime.
 */
static bool
check_machine(const BangerProcess *process, const char *vm_id, GError **error)
{
    g_autofree char *its_id = vm_id != NULL ? banger_process_vm_id(process) : NULL;

    /* Without systemd it is in no unit that says so. */
    return its_id == NULL || g_str_equal(its_id, vm_id) ||
           banger_set_error(error, BANGER_ERROR_NOT_FOUND, "the machine %s has ended", vm_id);
}

bool
banger_op_signal_process(const BangerSettings *settings, const BangerRequest *request,
                         BangerReply *reply, GError **error)
{
    const BangerSignalProcessRequest *wanted = &request->signal_process;
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;

    (void)reply;
    return find_ours(settings, wanted->pid, &process, error) &&
           check_machine(&process, request->machine, error) &&
           banger_process_signal(&process, wanted->signal, error);
}

bool
banger_op_process_running(const BangerSettings *settings, const BangerRequest *request,
                          BangerReply *reply, GError **error)
{
    const BangerProcessRunningRequest *running = &request->process_running;

    return banger_process_is_running(settings, running->pid, running->api_sock,
                                     &reply->process_running.running, error);
}
