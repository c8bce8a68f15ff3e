/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ops/process.h"

#include <signal.h>

#include "model/names.h"
#include "sys/executable.h"
#include "sys/path.h"
#include "sys/process-scan.h"
#include "sys/process.h"
#include "sys/unit.h"
#include "sys/unix-socket.h"
#include "util/error.h"
#include "util/fd.h"

#define KILL_WAIT_MS 5000

bool
banger_resolve_firecracker_binary(const BangerSettings *settings, const BangerRequest *request,
                                  BangerReply *reply, GError **error)
{
    const char *requested = request->resolve_firecracker_binary.requested;

    (void)settings;
    return banger_executable_resolve(requested[0] != '\0' ? requested : "firecracker",
                                     &reply->resolve_firecracker_binary.path, error);
}

bool
banger_ensure_socket_access(const BangerSettings *settings, const BangerRequest *request,
                            BangerReply *reply, GError **error)
{
    const BangerEnsureSocketAccessRequest *access = &request->ensure_socket_access;

    (void)reply;
    if (banger_unix_socket_give(settings, access->socket_path, error))
        return true;
    /* The caller's word for what the socket is. */
    if (access->label[0] != '\0')
        g_prefix_error(error, "%s: ", access->label);
    return false;
}

/* Who listens at @path; 0 if nobody does, or if that cannot be told. */
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
    /* A listener may have gone and left its socket to a child: then its pid is nobody's. */
    if (fd >= 0)
        (void)banger_process_is_running(settings, (uint32_t)peer, "", &running, NULL);
    return running ? peer : 0;
}

bool
banger_find_firecracker_pid(const BangerSettings *settings, const BangerRequest *request,
                            BangerReply *reply, GError **error)
{
    const char *api_sock = request->find_firecracker_pid.api_sock;
    pid_t pid = find_listener(settings, api_sock);

    if (pid == 0 && !banger_process_scan(settings, "api-sock", api_sock, &pid, NULL, error))
        return false;
    if (pid == 0 && banger_unit_wait_for_starts() &&
        !banger_process_scan(settings, "api-sock", api_sock, &pid, NULL, error))
        return false;
    if (pid == 0)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "no process has the API socket %s",
                                api_sock);
    reply->find_firecracker_pid.pid = (uint32_t)pid;
    return true;
}

/* Opens the process @pid, makes sure that it is one of ours, and sends it @signal. */
static bool
signal_ours(const BangerSettings *settings, uint32_t pid, int signal, BangerProcess *ret_process,
            GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;

    if (!banger_process_open(pid, &process, error) ||
        !banger_process_check_ours(&process, settings, error) ||
        !banger_process_signal(&process, signal, error))
        return false;
    *ret_process = banger_process_steal(&process);
    return true;
}

bool
banger_kill_process(const BangerSettings *settings, const BangerRequest *request,
                    BangerReply *reply, GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;

    (void)reply;
    if (!signal_ours(settings, request->kill_process.pid, SIGKILL, &process, error))
        return false;
    /* Its sockets, TAP and disk are free only when it is gone, which is what callers kill it for.
     */
    if (!banger_process_wait_end(&process, KILL_WAIT_MS))
        return banger_set_error(error, BANGER_ERROR_TIMEOUT,
                                "process %d was killed, but has not ended within %d s", process.pid,
                                KILL_WAIT_MS / 1000);
    return true;
}

bool
banger_signal_process(const BangerSettings *settings, const BangerRequest *request,
                      BangerReply *reply, GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    int signal = banger_signal_parse(request->signal_process.signal, error);

    (void)reply;
    return signal != 0 &&
           signal_ours(settings, request->signal_process.pid, signal, &process, error);
}

bool
banger_process_running(const BangerSettings *settings, const BangerRequest *request,
                       BangerReply *reply, GError **error)
{
    const BangerProcessRunningRequest *running = &request->process_running;

    return banger_process_is_running(settings, running->pid, running->api_sock,
                                     &reply->process_running.running, error);
}
