/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/launch.h"

#include <string.h>
#include <systemd/sd-daemon.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"
#include "vmm/executable.h"
#include "vmm/file-access.h"
#include "vmm/firecracker-api.h"
#include "vmm/firecracker-config.h"
#include "vmm/launch-private.h"
#include "vmm/log-tail.h"
#include "vmm/unix-socket.h"
#include "vmm/vsock-listeners.h"

/*
 * All of a launch. With what undoing takes it is less than the 25 s that a caller of the bus waits
 * by default.
 */
#define LAUNCH_USEC (18 * G_USEC_PER_SEC)

#define TASKS_BESIDE_VCPUS 32u
#define MIB ((uint64_t)1 << 20)
#define MEMORY_BESIDE_GUEST (128 * MIB)

int
banger_launch_left_ms(const Launch *launch)
{
    return (int)MAX((launch->deadline_usec - g_get_monotonic_time()) / 1000, 1);
}

void
banger_launch_clear(Launch *launch)
{
    g_clear_pointer(&launch->unit, banger_unit_free);
    for (size_t i = 0; i < launch->n_files; i++)
        banger_close_fd(&launch->files[i].fd);
    g_clear_pointer(&launch->claim, banger_disk_claim_free);
    banger_jail_clear(&launch->jail);
    g_free(launch->binary);
}

/* Removes what the VMM bound, now that it is gone. */
static void
remove_sockets(void *user_data)
{
    const Launch *launch = user_data;

    (void)banger_unix_socket_remove_stale(launch->settings, launch->request->socket_path, NULL);
    if (launch->request->vsock_path[0] != '\0')
        (void)banger_unix_socket_remove_stale(launch->settings, launch->request->vsock_path, NULL);
}

static bool
clear_sockets(Launch *launch, BangerUndo *undo, GError **error)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;

    if (!banger_unix_socket_remove_stale(launch->settings, request->socket_path, error) ||
        (request->vsock_path[0] != '\0' &&
         !banger_unix_socket_remove_stale(launch->settings, request->vsock_path, error)))
        return false;
    banger_undo_push(undo, remove_sockets, launch, NULL);
    return true;
}

static void
remove_jail(void *user_data)
{
    const Launch *launch = user_data;

    banger_jail_remove_directory(&launch->jail);
}

/* Makes what the jail consists of, where there is to be one: systemd makes it. */
static bool
make_jail(Launch *launch, BangerUndo *undo, GError **error)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    const char *const sockets[] = {request->socket_path, request->vsock_path, NULL};

    if (!launch->settings->jail || sd_booted() <= 0)
        return true;
    if (!banger_jail_name(launch->settings, request->vm_id, &launch->jail, error))
        return false;
    launch->is_jailed = true;
    if (!banger_jail_make_directory(&launch->jail, sockets, error))
        return false;
    banger_undo_push(undo, remove_jail, launch, NULL);
    return true;
}

/* What objects and Reconcile know of the VM (unit-record.h). */
static char **
make_environment(const Launch *launch)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    g_autoptr(GPtrArray) lines = g_ptr_array_new();

    g_ptr_array_add(lines, g_strconcat("BANGER_OP_ID=", launch->op_id, NULL));
    g_ptr_array_add(lines, g_strdup_printf("BANGER_UID=%u", launch->caller_uid));
    g_ptr_array_add(lines, g_strconcat("BANGER_TAP=", request->tap_device, NULL));
    g_ptr_array_add(lines, g_strconcat("BANGER_API=", request->socket_path, NULL));
    if (request->vsock_path[0] != '\0')
        g_ptr_array_add(lines, g_strconcat("BANGER_VSOCK=", request->vsock_path, NULL));
    if (!request->options.start)
        g_ptr_array_add(lines, g_strdup("BANGER_START=no"));
    if (request->network.bridge_name[0] != '\0')
        g_ptr_array_add(lines, g_strconcat("BANGER_BRIDGE=", request->network.bridge_name, NULL));
    for (unsigned int i = 0; i < request->drives->len; i++) {
        const BangerDrive *drive = &g_array_index(request->drives, BangerDrive, i);

        if (drive->is_root)
            g_ptr_array_add(lines, g_strconcat("BANGER_ROOT=", drive->image.path, NULL));
    }
    g_ptr_array_add(lines, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&lines), FALSE);
}

static bool
start_vmm(Launch *launch, GError **error)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    const char *const argv[] = {launch->binary, "--api-sock",   request->socket_path,
                                "--id",         request->vm_id, NULL};
    g_auto(GStrv) environment = make_environment(launch);
    uint64_t guest = request->memory_mib * MIB;
    const BangerUnitSpec spec = {
        .settings = launch->settings,
        .vm_id = request->vm_id,
        .op_id = launch->op_id,
        .argv = argv,
        .needs_libraries = banger_executable_is_dynamic(launch->binary),
        .environment = (const char *const *)environment,
        .output_fd = launch->log_fd,
        .files = launch->files,
        .n_files = launch->n_files,
        .jail = launch->is_jailed ? &launch->jail : NULL,
        .options = &request->options,
        .memory_max = guest + MEMORY_BESIDE_GUEST + guest / 64 +
                      banger_vm_files_in_memory(launch->files, launch->n_files),
        .tasks_max = request->vcpu_count + TASKS_BESIDE_VCPUS,
        .file_size_max =
            banger_vm_files_size_max(launch->files, launch->n_files, guest + MEMORY_BESIDE_GUEST),
        .timeout_ms = banger_launch_left_ms(launch),
    };

    launch->unit = banger_unit_start(&spec, error);
    return launch->unit != NULL;
}

/* Makes the TAP @name the VM's: without a jail the owner's again, if it was that of one. */
static bool
own_tap(const Launch *launch, const char *name, GError **error)
{
    const BangerSettings *settings = launch->settings;

    if (launch->is_jailed)
        return banger_jail_own_tap(name, launch->jail.uid, launch->jail.group, error);
    return !banger_jail_has_tap(settings, name) ||
           banger_jail_own_tap(name, settings->owner_uid, settings->owner_gid, error);
}

static bool
own_taps(const Launch *launch, GError **error)
{
    g_autoptr(GPtrArray) taps = banger_launch_taps(launch);

    for (unsigned int i = 0; i < taps->len; i++)
        if (!own_tap(launch, taps->pdata[i], error))
            return false;
    return true;
}

static void
disown_taps(const Launch *launch)
{
    const BangerSettings *settings = launch->settings;
    g_autoptr(GPtrArray) taps = banger_launch_taps(launch);

    for (unsigned int i = 0; i < taps->len; i++)
        (void)banger_jail_own_tap(taps->pdata[i], settings->owner_uid, settings->owner_gid, NULL);
}

/* Takes back what the VM's uid was let into, for a launch that failed. */
static void
revoke_access(void *user_data)
{
    const Launch *launch = user_data;

    banger_jail_revoke(&launch->jail, launch->files, launch->n_files);
    disown_taps(launch);
}

/*
 * Lets the VMM into what is its own, now that it has a uid; it opens nothing before it is asked to.
 */
static bool
grant_access(Launch *launch, BangerUndo *undo, GError **error)
{
    const BangerProcess *process = banger_unit_process(launch->unit);

    if (!launch->is_jailed)
        return own_taps(launch, error);
    if (!banger_jail_check(&launch->jail, process, launch->files, launch->n_files, error))
        return false;
    banger_undo_push(undo, revoke_access, launch, NULL);
    return banger_jail_grant(&launch->jail, launch->files, launch->n_files, error) &&
           banger_job_pass(launch->job, "files-granted", error) && own_taps(launch, error);
}

/* Who launched the machine may connect too, by an entry of the socket's access control list. */
static bool
let_creator_in(const Launch *launch, const char *path, int path_fd, GError **error)
{
    const uid_t creator = launch->caller_uid;

    return creator == 0 || creator == launch->settings->owner_uid ||
           banger_file_access_grant_user(path_fd, path, creator, true, NULL, error);
}

/* The owner gets the socket that the VMM bound as @path, where it was asked for. */
static bool
give_socket(Launch *launch, const char *path, int path_fd, GError **error)
{
    const BangerSettings *settings = launch->settings;

    return banger_path_give(path_fd, path, settings->owner_uid, settings->owner_gid, 0600, error) &&
           let_creator_in(launch, path, path_fd, error) &&
           (!launch->is_jailed || banger_jail_move_socket(&launch->jail, path, error));
}

static bool
give_vsock(Launch *launch, GError **error)
{
    const char *path = launch->request->vsock_path;
    g_autofree char *outside = NULL;
    banger_autofd int path_fd = -1;

    if (path[0] == '\0')
        return true;
    if (!launch->is_jailed) {
        path_fd = banger_path_open_socket(launch->settings, BANGER_PATH_RUNTIME, path, error);
        return path_fd >= 0 && give_socket(launch, path, path_fd, error);
    }
    outside = banger_jail_outside(&launch->jail, path);
    path_fd = banger_unix_socket_open(launch->settings, outside, launch->jail.uid, 1, error);
    return path_fd >= 0 && give_socket(launch, path, path_fd, error) &&
           banger_vsock_listeners_link_all(&launch->jail, path, error);
}

/* Waits for the API socket and makes it the owner's. Returns an O_PATH descriptor of it, or -1. */
static int
take_api_socket(Launch *launch, GError **error)
{
    const BangerProcess *process = banger_unit_process(launch->unit);
    const char *path = launch->request->socket_path;
    g_autofree char *outside = launch->is_jailed ? banger_jail_outside(&launch->jail, path) : NULL;
    uid_t uid = launch->is_jailed ? launch->jail.uid : launch->settings->owner_uid;
    banger_autofd int path_fd =
        banger_unix_socket_wait(launch->settings, outside != NULL ? outside : path, process, uid,
                                banger_launch_left_ms(launch), launch->job, error);

    if (path_fd < 0 || !give_socket(launch, path, path_fd, error) ||
        !banger_job_pass(launch->job, "socket-given", error))
        return -1;
    return banger_steal_fd(&path_fd);
}

/*
 * Makes @request; a refusal that quotes the kernel's arguments, which may be secret, is left out.
 */
static bool
make_request(Launch *launch, BangerFirecrackerApi *api, const BangerFirecrackerRequest *request,
             GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!banger_job_check(launch->job, error))
        return false;
    if (banger_firecracker_api_request(api, request, &failure))
        return true;
    banger_firecracker_api_await_end(api);
    if (banger_log_tells(failure->message, launch->request->kernel_args))
        return banger_set_error(error, banger_error_code(failure),
                                "%s %s was refused, with a text that shows kernel arguments",
                                request->method, request->path);
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

/* Configures the VMM. */
static bool
configure_machine(Launch *launch, BangerFirecrackerApi *api, GError **error)
{
    g_autoptr(GPtrArray) requests = banger_firecracker_configuration(launch->request);

    for (unsigned int i = 0; i < requests->len; i++) {
        g_autoptr(BangerFirecrackerRequest) older = NULL;
        g_autoptr(GError) failure = NULL;

        if (make_request(launch, api, g_ptr_array_index(requests, i), &failure))
            continue;
        /* A version that does not know the member has refused all of it. */
        if (strstr(failure->message, "vsock_override") != NULL)
            older = banger_firecracker_load_without_override(launch->request);
        if (older == NULL) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
        if (!make_request(launch, api, older, error))
            return false;
    }
    return true;
}

/* Nothing but what was checked is open, and the sockets are where they were asked for. */
static bool
check_configured(Launch *launch, GError **error)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    const char *const sockets[] = {request->socket_path, request->vsock_path, NULL};

    if (!banger_process_check_files(banger_unit_process(launch->unit), launch->files,
                                    launch->n_files, launch->n_drives, error) ||
        !give_vsock(launch, error))
        return false;
    /* Where the owner is to start the guest, he may configure more before. */
    return !launch->is_jailed || !request->options.start ||
           banger_jail_close_directory(&launch->jail, sockets, error);
}

/* Configures the VMM, and starts the guest. */
static bool
configure_and_boot(Launch *launch, GError **error)
{
    const BangerProcess *process = banger_unit_process(launch->unit);
    g_autoptr(GPtrArray) last = banger_firecracker_start(launch->request);
    g_autoptr(BangerFirecrackerApi) api = NULL;
    banger_autofd int path_fd = take_api_socket(launch, error);

    if (path_fd < 0)
        return false;
    api = banger_firecracker_api_new(path_fd, launch->request->socket_path, process,
                                     banger_launch_left_ms(launch), launch->job, error);
    if (api == NULL || !configure_machine(launch, api, error) ||
        !banger_job_pass(launch->job, "vmm-configured", error) ||
        !check_configured(launch, error) || !banger_job_pass(launch->job, "vsock-given", error))
        return false;
    for (unsigned int i = 0; i < last->len; i++)
        if (!make_request(launch, api, g_ptr_array_index(last, i), error))
            return false;
    if (banger_process_wait_end(process, 0))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "the process ended right after the guest was started");
    return true;
}

/*
 * Waits for what is made beside the start of the VMM. That has bounds of its own, and takes nothing
 * of the launch's time.
 */
static bool
await_rest(Launch *launch, GError **error)
{
    const BangerLaunchPart *part = launch->part;
    gint64 began_usec = g_get_monotonic_time();

    launch->rest_failed = part != NULL && !part->await_rest(part->user_data, error);
    launch->deadline_usec += g_get_monotonic_time() - began_usec;
    return !launch->rest_failed;
}

/* Explains @failure and stops the VMM; a VMM that could not be stopped is what is said last. */
static void
fail_launch(Launch *launch, GError **failure)
{
    g_autoptr(GError) left = NULL;

    if (!launch->rest_failed)
        banger_launch_explain(launch, failure);
    if (launch->unit != NULL && !banger_unit_stop(launch->unit, &left)) {
        g_autoptr(GError) explained = g_steal_pointer(failure);

        (void)banger_set_error(failure, banger_error_code(explained), "%s; %s", explained->message,
                               left->message);
    }
}

bool
banger_launch_run(const BangerSettings *settings, const BangerLaunchFirecrackerRequest *request,
                  const char *op_id, uid_t caller_uid, BangerJob *job, const BangerLaunchPart *part,
                  uint32_t *ret_pid, GError **error)
{
    g_auto(Launch) launch = {.settings = settings,
                             .request = request,
                             .op_id = op_id,
                             .caller_uid = caller_uid,
                             .job = job,
                             .part = part,
                             .made = part != NULL ? part->made : (BangerLaunchMade){0},
                             .deadline_usec = g_get_monotonic_time() + LAUNCH_USEC,
                             .log_fd = -1,
                             .jail = BANGER_JAIL_INIT};
    g_auto(BangerUndo) undo =
        BANGER_UNDO_INIT; /* walked before @launch, which it works on, is cleared */
    g_autoptr(GError) failure = NULL;

    if (!banger_launch_check(&launch, error) ||
        !banger_launch_create_files(&launch, &undo, error) ||
        !banger_job_pass(job, "logs-made", error) || !banger_launch_claim(&launch, error) ||
        !clear_sockets(&launch, &undo, error) || !make_jail(&launch, &undo, error) ||
        !banger_job_pass(job, "jail-made", error))
        return false;
    if (!start_vmm(&launch, &failure) || !banger_job_pass(job, "vmm-started", &failure) ||
        !await_rest(&launch, &failure) || !grant_access(&launch, &undo, &failure) ||
        !banger_job_pass(job, "access-granted", &failure) ||
        !configure_and_boot(&launch, &failure) ||
        !banger_job_pass(job, "guest-started", &failure) || !banger_job_commit(job, &failure)) {
        fail_launch(&launch, &failure);
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    banger_undo_commit(&undo);
    *ret_pid = (uint32_t)banger_unit_process(launch.unit)->pid;
    return true;
}
