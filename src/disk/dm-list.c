/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/dm-list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "disk/dm-private.h"
#include "model/names.h"
#include "util/error.h"

/* There while the driver is loaded. */
#define DM_DRIVER "/sys/class/misc/device-mapper"

const char *
banger_snapshot_state_name(BangerSnapshotState state)
{
    static const char *const names[] = {
        [BANGER_SNAPSHOT_ACTIVE] = "active",
        [BANGER_SNAPSHOT_FULL] = "full",
        [BANGER_SNAPSHOT_INVALID] = "invalid",
    };

    return names[state];
}

bool
banger_dm_is_there(void)
{
    if (!banger_dm_lock(NULL))
        return false;
    banger_dm_unlock();
    return true;
}

void
banger_snapshot_info_free(gpointer snapshot)
{
    BangerSnapshotInfo *info = snapshot;

    g_free(info->name);
    g_free(info->machine);
    g_free(info);
}

/* The size of the COW device that the snapshot's table names; 0 if it cannot be had. */
static uint64_t
get_cow_size(const char *name)
{
    banger_auto_dm_task *task = banger_dm_task_new(DM_DEVICE_TABLE, name);
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    uint64_t start = 0, length = 0;
    char *type = NULL, *parameters = NULL;
    unsigned int major, minor;

    if (task == NULL || !dm_task_run(task))
        return 0;
    (void)dm_get_next_target(task, NULL, &start, &length, &type, &parameters);
    if (parameters == NULL || sscanf(parameters, "%*u:%*u %u:%u", &major, &minor) != 2)
        return 0;
    path = g_strdup_printf("/sys/dev/block/%u:%u/size", major, minor);
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    return g_ascii_strtoull(text, NULL, 10) * BANGER_DM_SECTOR;
}

/*
 * The status of a snapshot: "<allocated>/<total> <metadata>" in sectors, or why it
 * cannot be used any more.
 */
static void
read_status(const char *status, BangerSnapshotInfo *info)
{
    uint64_t allocated, total;

    if (sscanf(status, "%" SCNu64 "/%" SCNu64, &allocated, &total) == 2) {
        info->cow_bytes = total * BANGER_DM_SECTOR;
        info->used_bytes = allocated * BANGER_DM_SECTOR;
        info->state = allocated < total ? BANGER_SNAPSHOT_ACTIVE : BANGER_SNAPSHOT_FULL;
        return;
    }
    info->cow_bytes = get_cow_size(info->name);
    info->state = BANGER_SNAPSHOT_INVALID;
    if (g_str_equal(status, "Overflow")) {
        info->used_bytes = info->cow_bytes;
        info->state = BANGER_SNAPSHOT_FULL;
    }
}

/* Adds the device @name, if it is a snapshot of ours. Under the lock. */
static bool
add_snapshot(const char *name, GHashTable *snapshots, GError **error)
{
    banger_auto_dm_task *task = banger_dm_task_new(DM_DEVICE_STATUS, name);
    g_autofree char *expected = g_strconcat(BANGER_DM_UUID_PREFIX, name, NULL);
    uint64_t start = 0, length = 0;
    char *type = NULL, *status = NULL;
    BangerSnapshotInfo *info;
    void *next;

    if (task == NULL || !dm_task_no_flush(task) || !dm_task_run(task))
        return (task != NULL && dm_task_get_errno(task) == ENXIO) ||
               banger_dm_refuse(task, "examine", name, error);
    next = dm_get_next_target(task, NULL, &start, &length, &type, &status);
    if (g_strcmp0(dm_task_get_uuid(task), expected) != 0 || next != NULL ||
        g_strcmp0(type, "snapshot") != 0 || status == NULL)
        return true;
    info = g_new0(BangerSnapshotInfo, 1);
    info->name = g_strdup(name);
    info->size_bytes = length * BANGER_DM_SECTOR;
    read_status(status, info);
    g_hash_table_insert(snapshots, info->name, info);
    return true;
}

/* The names of all devices that may be ours. NULL on failure. Under the lock. */
static GPtrArray *
list_names(GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    banger_auto_dm_task *task = dm_task_create(DM_DEVICE_LIST);
    const struct dm_names *names;

    if (task == NULL || !dm_task_run(task) || (names = dm_task_get_names(task)) == NULL) {
        (void)banger_dm_refuse(task, "list", "the devices of device-mapper", error);
        return NULL;
    }
    /* Without a device there is one entry, and it has no number. */
    while (names->dev != 0) {
        if (g_str_has_prefix(names->name, BANGER_DM_PREFIX))
            g_ptr_array_add(list, g_strdup(names->name));
        if (names->next == 0)
            break;
        names = (const struct dm_names *)(const void *)((const char *)names + names->next);
    }
    return g_steal_pointer(&list);
}

static bool
list_locked(GHashTable *snapshots, GError **error)
{
    g_autoptr(GPtrArray) names = list_names(error);

    for (unsigned int i = 0; names != NULL && i < names->len; i++)
        if (!add_snapshot(g_ptr_array_index(names, i), snapshots, error))
            return false;
    return names != NULL;
}

/* Whether the device @name has our UUID and no table. Under the lock. */
static bool
is_unfinished(const char *name)
{
    banger_auto_dm_task *task = banger_dm_task_new(DM_DEVICE_INFO, name);
    g_autofree char *expected = g_strconcat(BANGER_DM_UUID_PREFIX, name, NULL);
    struct dm_info info;

    return task != NULL && dm_task_run(task) && dm_task_get_info(task, &info) && info.exists &&
           !info.live_table && g_strcmp0(dm_task_get_uuid(task), expected) == 0;
}

bool
banger_dm_list_unfinished(GPtrArray *names, GError **error)
{
    g_autoptr(GPtrArray) all = NULL;

    if (access(DM_DRIVER, F_OK) < 0)
        return true;
    if (!banger_dm_lock(error))
        return false;
    all = list_names(error);
    for (unsigned int i = 0; all != NULL && i < all->len; i++)
        if (is_unfinished(g_ptr_array_index(all, i)))
            g_ptr_array_add(names, g_strdup(g_ptr_array_index(all, i)));
    banger_dm_unlock();
    return all != NULL;
}

bool
banger_dm_list(const char *name, GHashTable *snapshots, GError **error)
{
    bool done;

    if (access(DM_DRIVER, F_OK) < 0 || (name != NULL && !banger_name_check_dm(name, NULL)))
        return true;
    if (!banger_dm_lock(error))
        return false;
    done = name != NULL ? add_snapshot(name, snapshots, error) : list_locked(snapshots, error);
    banger_dm_unlock();
    return done;
}
