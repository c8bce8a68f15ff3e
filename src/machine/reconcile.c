/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/reconcile-private.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "disk/dm-list.h"
#include "disk/dm.h"
#include "disk/snapshot.h"
#include "machine/machine.h"
#include "model/names.h"
#include "network/network-list.h"
#include "network/network-records.h"
#include "network/network.h"
#include "util/error.h"
#include "util/object-claim.h"
#include "util/uptime.h"
#include "vmm/machine-list.h"

#define YOUNG_S 600 /* what is younger may be in the making */

void
banger_sweep_report(BangerSweep *sweep, const char *kind, const char *name, const char *action)
{
    BangerReconciled object = {g_strdup(kind), g_strdup(name), g_strdup(action)};

    g_array_append_val(sweep->found, object);
}

static bool
matches_any(const GArray *patterns, const char *name)
{
    for (unsigned int i = 0; i < patterns->len; i++)
        if (g_pattern_match_simple(g_array_index(patterns, char *, i), name))
            return true;
    return false;
}

/*
 * Whether @leftover is named in @patterns: by its name, that without directories, or its machine.
 */
static bool
is_named(const GArray *patterns, const BangerLeftover *leftover)
{
    const char *slash = strrchr(leftover->name, '/');

    return matches_any(patterns, leftover->name) ||
           (slash != NULL && matches_any(patterns, slash + 1)) ||
           (leftover->machine[0] != '\0' && matches_any(patterns, leftover->machine));
}

bool
banger_sweep_is_to_go(const BangerSweep *sweep, const BangerLeftover *leftover)
{
    if (is_named(sweep->request->keep, leftover) ||
        g_hash_table_contains(sweep->machines, leftover->machine))
        return false;
    return is_named(sweep->request->remove, leftover) ||
           (leftover->age_s >= YOUNG_S &&
            !g_str_has_prefix(leftover->name, BANGER_TAP_POOL_PREFIX));
}

bool
banger_sweep_take(BangerSweep *sweep, const BangerLeftover *leftover)
{
    g_autoptr(BangerObjectClaim) claim = NULL;
    g_autoptr(GError) failure = NULL;
    g_autofree char *words = NULL;
    bool gone = false;

    if (!banger_sweep_is_to_go(sweep, leftover) || !banger_job_check(sweep->job, NULL))
        return false;
    if (sweep->request->dry_run) {
        banger_sweep_report(sweep, leftover->kind, leftover->name, "would be removed");
        return true;
    }
    claim = banger_object_claim(leftover->claim, leftover->name);
    if (claim == NULL)
        return false; /* it is in use just now */
    if (!leftover->remove(sweep, leftover->name, &gone, &failure)) {
        words = g_strdup_printf("failed: %s", failure->message);
        banger_sweep_report(sweep, leftover->kind, leftover->name, words);
    } else if (gone) {
        banger_sweep_report(sweep, leftover->kind, leftover->name, "removed");
    }
    return gone;
}

static uint64_t
age_of_link(uint64_t made_at_s)
{
    uint64_t now_s = banger_uptime_s();

    return made_at_s == 0 || made_at_s > now_s ? UINT64_MAX : now_s - made_at_s;
}

static bool
remove_tap(BangerSweep *sweep, const char *name, bool *ret_gone, GError **error)
{
    g_autoptr(GHashTable) now =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, banger_tap_info_free);
    const BangerRequest request = {.delete_tap = {(char *)name}};
    BangerReply reply = {0};
    const BangerTapInfo *tap;

    if (!banger_network_find_tap(name, now, error))
        return false;
    tap = g_hash_table_lookup(now, name);
    *ret_gone = false;
    if (tap == NULL || tap->attached)
        return true;
    if (!banger_op_delete_tap(sweep->settings, &request, &reply, error))
        return false;
    g_free(reply.warning);
    *ret_gone = true;
    return true;
}

/* Whether a machine that there is has @tap on its record. */
static bool
has_machine(const BangerSweep *sweep, const char *tap)
{
    GHashTableIter iter;
    BangerMachineInfo *machine;

    g_hash_table_iter_init(&iter, sweep->machines);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&machine))
        if (g_str_equal(machine->tap, tap))
            return true;
    return false;
}

/* @bridges lose the ports that go. */
static void
sweep_taps(BangerSweep *sweep, GHashTable *taps, GHashTable *bridges)
{
    GHashTableIter iter;
    BangerTapInfo *tap;

    g_hash_table_iter_init(&iter, taps);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&tap)) {
        const BangerLeftover leftover = {
            "tap", tap->name, tap->machine, age_of_link(tap->made_at_s), "link", remove_tap,
        };
        BangerBridgeInfo *bridge = g_hash_table_lookup(bridges, tap->bridge);

        if (!tap->attached && !has_machine(sweep, tap->name) &&
            banger_sweep_take(sweep, &leftover) && bridge != NULL && bridge->ports > 0)
            bridge->ports--;
    }
}

/* One that got a port meanwhile is Busy, and in use. */
static bool
remove_bridge(BangerSweep *sweep, const char *name, bool *ret_gone, GError **error)
{
    const BangerRequest request = {.delete_bridge = {(char *)name}};
    g_autoptr(GError) failure = NULL;
    BangerReply reply = {0};

    *ret_gone = banger_op_delete_bridge(sweep->settings, &request, &reply, &failure);
    if (*ret_gone || g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_BUSY))
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

static void
sweep_bridges(BangerSweep *sweep, GHashTable *bridges)
{
    GHashTableIter iter;
    BangerBridgeInfo *bridge;

    g_hash_table_iter_init(&iter, bridges);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&bridge)) {
        const BangerLeftover leftover = {
            "bridge", bridge->name, "", age_of_link(bridge->made_at_s), "link", remove_bridge,
        };

        if (bridge->ports == 0)
            (void)banger_sweep_take(sweep, &leftover);
    }
}

static bool
remove_record(BangerSweep *sweep, const char *name, bool *ret_gone, GError **error)
{
    return banger_network_remove_stale(sweep->settings, name, ret_gone, error);
}

static bool
sweep_records(BangerSweep *sweep, GError **error)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    const char *name;

    if (!banger_network_list_stale(names, error))
        return false;
    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, (void **)&name, NULL))
        (void)banger_sweep_take(
            sweep, &(BangerLeftover){"record", name, "", UINT64_MAX, "link", remove_record});
    return true;
}

static bool
remove_snapshot(BangerSweep *sweep, const char *name, bool *ret_gone, GError **error)
{
    const BangerRequest request = {.remove_dm_snapshot = {(char *)name}};
    BangerReply reply = {0};
    BangerDmInfo info;

    if (!banger_dm_get_info(name, &info, error))
        return false;
    *ret_gone = false;
    if (!info.exists || info.open_count > 0)
        return true;
    *ret_gone = banger_op_remove_dm_snapshot(sweep->settings, &request, &reply, error);
    return *ret_gone;
}

/* How old the snapshot's node is. */
static uint64_t
age_of_snapshot(const char *name)
{
    g_autofree char *path = g_strconcat(BANGER_DM_DIRECTORY, name, NULL);
    struct stat st;
    time_t now = time(NULL);

    if (lstat(path, &st) < 0)
        return UINT64_MAX;
    return now > st.st_mtime ? (uint64_t)(now - st.st_mtime) : 0;
}

/* Whether a machine that there is has @snapshot on its record, or a program has it open. */
static bool
is_snapshot_used(const BangerSweep *sweep, const char *snapshot)
{
    GHashTableIter iter;
    BangerMachineInfo *machine;
    BangerDmInfo info;

    g_hash_table_iter_init(&iter, sweep->machines);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&machine))
        if (g_str_equal(machine->snapshot, snapshot))
            return true;
    return !banger_dm_get_info(snapshot, &info, NULL) || info.open_count > 0;
}

static bool
sweep_snapshots(BangerSweep *sweep, GError **error)
{
    g_autoptr(GHashTable) snapshots =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, banger_snapshot_info_free);
    GHashTableIter iter;
    const BangerSnapshotInfo *snapshot;

    if (!banger_dm_list(NULL, snapshots, error))
        return false;
    g_hash_table_iter_init(&iter, snapshots);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&snapshot)) {
        const BangerLeftover leftover = {
            "snapshot",
            snapshot->name,
            snapshot->name + strlen(BANGER_DM_PREFIX),
            age_of_snapshot(snapshot->name),
            "dm",
            remove_snapshot,
        };

        if (g_str_has_prefix(snapshot->name, BANGER_DM_PREFIX) &&
            !is_snapshot_used(sweep, snapshot->name))
            (void)banger_sweep_take(sweep, &leftover);
    }
    return true;
}

/* Devices without a table: no snapshots, and in the way of none but the next one of the name. */
static bool
sweep_unfinished(BangerSweep *sweep, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (!banger_dm_list_unfinished(names, error))
        return false;
    for (unsigned int i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);

        (void)banger_sweep_take(sweep,
                                &(BangerLeftover){"snapshot", name, name + strlen(BANGER_DM_PREFIX),
                                                  UINT64_MAX, "dm", remove_snapshot});
    }
    return true;
}

/* Puts back what a dry run cannot find to be lacking. */
static bool
put_back(BangerSweep *sweep, GError **error)
{
    bool changed;

    if (sweep->request->dry_run)
        return true;
    if (!banger_network_put_back(sweep->settings, &changed, error))
        return false;
    if (changed)
        banger_sweep_report(sweep, "tables", "banger", "put back");
    return true;
}

static bool
sweep_host(BangerSweep *sweep, GError **error)
{
    g_autoptr(GHashTable) taps =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, banger_tap_info_free);
    g_autoptr(GHashTable) bridges =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, banger_bridge_info_free);

    if (!banger_machine_list(sweep->settings, NULL, BANGER_MACHINE_RECORD, sweep->machines, error))
        return false;
    banger_sweep_machines(sweep);
    if (!banger_network_list(taps, bridges, false, error))
        return false;
    sweep_taps(sweep, taps, bridges);
    if (!sweep_records(sweep, error) || !sweep_snapshots(sweep, error) ||
        !sweep_unfinished(sweep, error))
        return false;
    banger_sweep_sockets(sweep);
    sweep_bridges(sweep, bridges);
    return banger_job_check(sweep->job, error) && put_back(sweep, error);
}

bool
banger_op_reconcile(const BangerSettings *settings, const BangerRequest *request,
                    BangerReply *reply, GError **error)
{
    g_autoptr(GHashTable) machines =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, banger_machine_info_free);
    BangerSweep sweep = {
        .settings = settings,
        .request = &request->reconcile,
        .job = request->job,
        .machines = machines,
        .found = g_array_new(FALSE, TRUE, sizeof(BangerReconciled)),
    };

    /* It is freed with the reply, whatever comes. */
    reply->reconcile.objects = sweep.found;
    banger_job_set_step(request->job, "looking for what is left");
    return sweep_host(&sweep, error);
}
