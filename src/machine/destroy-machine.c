/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/cow-file.h"
#include "disk/dm-list.h"
#include "disk/dm.h"
#include "disk/snapshot.h"
#include "machine/machine.h"
#include "model/details.h"
#include "model/methods.h"
#include "network/network-list.h"
#include "network/network.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/object-claim.h"
#include "util/path.h"
#include "vmm/jail.h"
#include "vmm/process-use.h"
#include "vmm/snapshot-directory.h"
#include "vmm/stop.h"
#include "vmm/unit.h"
#include "vmm/unix-socket.h"

#define CLAIM_WAIT_USEC (5 * G_USEC_PER_SEC)
#define CLAIM_LOOK_USEC 10000

/* What there is of a machine: by the caller's dictionary, else by the records. "" is nothing. */
typedef struct {
    const BangerSettings *settings;
    const BangerRequest *request;
    const BangerMachineRequest *machine; /* of @request */
    BangerProcess process;               /* the VMM, if it runs */
    BangerMachineInfo *info;
    bool is_running;
    const char *tap;
    const char *snapshot;
    const char *sockets[2];
    GHashTable *taps;             /* the one called @tap, if it is there */
    char *recorded_tap;           /* by the TAP's label */
    BangerObjectClaim *tap_claim; /* where the request did not name it */
    BangerObjectClaim *snapshot_claim;
} Remains;

static void
remains_clear(Remains *remains)
{
    banger_process_close(&remains->process);
    g_clear_pointer(&remains->info, banger_machine_info_free);
    g_clear_pointer(&remains->taps, g_hash_table_unref);
    g_clear_pointer(&remains->recorded_tap, g_free);
    g_clear_pointer(&remains->tap_claim, banger_object_claim_free);
    g_clear_pointer(&remains->snapshot_claim, banger_object_claim_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Remains, remains_clear)

/* Finds the VMM; one that a helper which was killed asked systemd for may be about to start. */
static bool
find_vmm(Remains *remains, GError **error)
{
    const char *vm_id = remains->machine->launch.vm_id;

    if (!banger_machine_find(remains->settings, vm_id, &remains->process, &remains->info,
                             &remains->is_running, error))
        return false;
    return remains->is_running || !banger_unit_wait_for_starts() ||
           banger_machine_find(remains->settings, vm_id, &remains->process, &remains->info,
                               &remains->is_running, error);
}

static const char *
choose_name(const char *given, const char *recorded)
{
    return given[0] != '\0' || recorded == NULL ? given : recorded;
}

/* The TAP that says it is the machine's, where nothing else says which one is. */
static bool
find_tap_by_label(Remains *remains, GError **error)
{
    g_autoptr(GHashTable) all =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, banger_tap_info_free);
    GHashTableIter iter;
    BangerTapInfo *tap;

    if (!banger_network_list(all, NULL, false, error))
        return false;
    g_hash_table_iter_init(&iter, all);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&tap))
        if (g_str_equal(tap->machine, remains->machine->launch.vm_id)) {
            remains->recorded_tap = g_strdup(tap->name);
            remains->tap = remains->recorded_tap;
            break;
        }
    return true;
}

/*
 * Whether the request names the object itself, by whichever of its members (drives too), so that it
 * is kept for this call already.
 */
static bool
is_kept(const Remains *remains, const char *kind, const char *name)
{
    g_autofree char *key = g_strconcat(kind, ":", name, NULL);
    g_autofree char *share = g_strconcat(BANGER_KEY_SHARED, key, NULL);
    g_auto(GStrv) keys =
        banger_request_keys(banger_method(BANGER_METHOD_DESTROY_MACHINE), remains->request);

    return g_strv_contains((const char *const *)keys, key) ||
           g_strv_contains((const char *const *)keys, share);
}

/* Keeps @name, unless the request names it, from other calls. */
static bool
claim_object(const Remains *remains, const char *kind, const char *name, BangerObjectClaim **claim,
             GError **error)
{
    gint64 end_usec = g_get_monotonic_time() + CLAIM_WAIT_USEC;

    if (name[0] == '\0' || is_kept(remains, kind, name))
        return true;
    while ((*claim = banger_object_claim(kind, name)) == NULL) {
        if (g_get_monotonic_time() >= end_usec)
            return banger_set_error(error, BANGER_ERROR_BUSY, "another call works on %s", name);
        g_usleep(CLAIM_LOOK_USEC);
    }
    return true;
}

static bool
find_remains(Remains *remains, GError **error)
{
    const BangerMachineRequest *machine = remains->machine;
    const BangerLaunchFirecrackerRequest *launch = &machine->launch;
    const BangerMachineInfo *info;

    if (!find_vmm(remains, error))
        return false;
    info = remains->info;
    remains->tap = choose_name(launch->tap_device, info != NULL ? info->tap : NULL);
    remains->snapshot = choose_name(machine->dm_name, info != NULL ? info->snapshot : NULL);
    remains->sockets[0] = choose_name(launch->socket_path, info != NULL ? info->api_socket : NULL);
    remains->sockets[1] = choose_name(launch->vsock_path, info != NULL ? info->vsock_path : NULL);
    if (remains->tap[0] == '\0' && !find_tap_by_label(remains, error))
        return false;
    if (!claim_object(remains, "link", remains->tap, &remains->tap_claim, error) ||
        !claim_object(remains, "dm", remains->snapshot, &remains->snapshot_claim, error))
        return false;
    remains->taps = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, banger_tap_info_free);
    return remains->tap[0] == '\0' || banger_network_find_tap(remains->tap, remains->taps, error);
}

/* Whether the TAP, where a program has it open, is open for this VMM. */
static bool
check_tap(const Remains *remains, GError **error)
{
    const BangerTapInfo *tap = g_hash_table_lookup(remains->taps, remains->tap);

    return tap == NULL || !tap->attached ||
           (remains->is_running && banger_process_has_tap(&remains->process, remains->tap)) ||
           banger_set_error(error, BANGER_ERROR_BUSY,
                            "the TAP %s is open in another program than the VMM of %s",
                            remains->tap, remains->machine->launch.vm_id);
}

static bool
check_snapshot(const Remains *remains, GError **error)
{
    BangerDmInfo info;

    if (remains->snapshot[0] == '\0' || !banger_dm_is_there())
        return true;
    if (!banger_dm_get_info(remains->snapshot, &info, error))
        return false;
    return !info.exists || info.open_count == 0 ||
           (remains->is_running && banger_process_has_device(&remains->process, info.number)) ||
           banger_set_error(error, BANGER_ERROR_BUSY,
                            "the snapshot %s is open in another program than the VMM of %s",
                            remains->snapshot, remains->machine->launch.vm_id);
}

/* Whether only this VMM listens at @path. */
static bool
check_socket(const Remains *remains, const char *path, GError **error)
{
    banger_autofd int path_fd = -1;
    banger_autofd int fd = -1;
    pid_t peer = 0;

    if (path[0] == '\0')
        return true;
    path_fd = banger_path_open_socket(remains->settings, BANGER_PATH_RUNTIME, path, NULL);
    if (path_fd < 0)
        return true;
    fd = banger_unix_socket_connect(path_fd, &peer);
    return fd < 0 || (remains->is_running && peer == remains->process.pid) ||
           banger_set_error(error, BANGER_ERROR_BUSY,
                            "process %d, which is not the VMM of %s, listens at %s", peer,
                            remains->machine->launch.vm_id, path);
}

static bool
check_remains(const Remains *remains, GError **error)
{
    return check_tap(remains, error) && check_snapshot(remains, error) &&
           check_socket(remains, remains->sockets[0], error) &&
           check_socket(remains, remains->sockets[1], error);
}

static bool
stop_vmm(const Remains *remains, GError **error)
{
    const char *how;

    return !remains->is_running ||
           banger_machine_stop(remains->settings, &remains->process, remains->info,
                               remains->machine->stop_timeout_s, &how, error);
}

/*
 * The directories in which a VMM that ended by itself, or with its host, left sockets or a part of
 * a snapshot.
 */
static void
remove_directories(const Remains *remains)
{
    const char *vm_id = remains->machine->launch.vm_id;
    g_auto(BangerJail) jail = BANGER_JAIL_INIT;
    banger_autofd int snapshots = -1;

    if (banger_jail_name(remains->settings, vm_id, &jail, NULL) &&
        banger_jail_open_directory(&jail))
        banger_jail_remove_directory(&jail);
    snapshots = banger_snapshot_directory_open(remains->settings, vm_id);
    if (snapshots >= 0)
        banger_snapshot_directory_remove(remains->settings, vm_id, snapshots);
}

static bool
remove_sockets(const Remains *remains, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(remains->sockets); i++) {
        g_autoptr(GError) failure = NULL;

        /* What is no socket of ours is not what was made. */
        if (remains->sockets[i][0] != '\0' &&
            !banger_unix_socket_remove_stale(remains->settings, remains->sockets[i], &failure) &&
            !g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
    }
    return true;
}

static bool
remove_tap(const Remains *remains, GError **error)
{
    const BangerRequest request = {.delete_tap = {(char *)remains->tap}};
    BangerReply reply = {0};

    if (remains->tap[0] == '\0')
        return true;
    if (!banger_op_delete_tap(remains->settings, &request, &reply, error))
        return false;
    g_free(reply.warning);
    return true;
}

static bool
remove_snapshot(const Remains *remains, GError **error)
{
    const BangerRequest request = {.remove_dm_snapshot = {(char *)remains->snapshot}};
    BangerReply reply = {0};

    return remains->snapshot[0] == '\0' || !banger_dm_is_there() ||
           banger_op_remove_dm_snapshot(remains->settings, &request, &reply, error);
}

static bool
remove_cow(const Remains *remains, GError **error)
{
    return !remains->machine->remove_cow ||
           banger_cow_file_remove(remains->settings, remains->machine->cow_path, error);
}

/* Removes what is there, and says the first that could not be. */
static bool
remove_all(const Remains *remains, BangerJob *job, GError **error)
{
    static const struct {
        bool (*remove)(const Remains *remains, GError **error);
        const char *done;
    } steps[] = {
        {remove_sockets, "sockets-removed"},
        {remove_tap, "tap-removed"},
        {remove_snapshot, "snapshot-removed"},
        {remove_cow, "cow-removed"},
    };
    g_autoptr(GError) first = NULL;

    remove_directories(remains);
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        GError **failure = first == NULL ? &first : NULL;

        if (steps[i].remove(remains, failure))
            (void)banger_job_pass(job, steps[i].done, failure);
    }
    if (first == NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&first));
    return false;
}

bool
banger_op_destroy_machine(const BangerSettings *settings, const BangerRequest *request,
                          BangerReply *reply, GError **error)
{
    const BangerMachineRequest *machine = &request->destroy_machine;
    g_auto(Remains) remains = {.settings = settings,
                               .request = request,
                               .machine = machine,
                               .process = BANGER_PROCESS_INIT};

    (void)reply;
    if (!find_remains(&remains, error) || !check_remains(&remains, error))
        return false;
    if (machine->dry_run)
        return true;
    banger_job_set_step(request->job, "stopping the virtual machine");
    if (!banger_job_commit(request->job, error) || !stop_vmm(&remains, error) ||
        !banger_job_pass(request->job, "vmm-stopped", error))
        return false;
    banger_job_set_step(request->job, "removing what is left");
    return remove_all(&remains, request->job, error);
}
