/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/inventory.h"

#include "disk/dm-list.h"
#include "network/network-host.h"
#include "network/network-list.h"
#include "util/beside.h"
#include "util/job.h"
#include "vmm/machine-list.h"
#include "vmm/vmm-host.h"

static BangerInventory *
inventory_new(void)
{
    static const GDestroyNotify destroy[] = {
        [BANGER_OBJECT_MACHINE] = banger_machine_info_free,
        [BANGER_OBJECT_SNAPSHOT] = banger_snapshot_info_free,
        [BANGER_OBJECT_TAP] = banger_tap_info_free,
        [BANGER_OBJECT_BRIDGE] = banger_bridge_info_free,
        [BANGER_OBJECT_JOB] = banger_job_info_free,
    };
    BangerInventory *inventory = g_new0(BangerInventory, 1);

    /* The keys are parts of the values. */
    for (unsigned int kind = 0; kind < BANGER_N_OBJECT_KINDS; kind++)
        inventory->objects[kind] =
            g_hash_table_new_full(g_str_hash, g_str_equal, NULL, destroy[kind]);
    inventory->features = g_ptr_array_new_with_free_func(g_free);
    inventory->warnings = g_ptr_array_new_with_free_func(g_free);
    inventory->references = 1;
    return inventory;
}

BangerInventory *
banger_inventory_ref(BangerInventory *inventory)
{
    g_atomic_int_inc(&inventory->references);
    return inventory;
}

void
banger_inventory_unref(BangerInventory *inventory)
{
    if (!g_atomic_int_dec_and_test(&inventory->references))
        return;
    for (unsigned int kind = 0; kind < BANGER_N_OBJECT_KINDS; kind++)
        g_hash_table_unref(inventory->objects[kind]);
    g_ptr_array_unref(inventory->features);
    g_ptr_array_unref(inventory->warnings);
    g_clear_error(&inventory->error);
    g_free(inventory);
}

static bool
collect_machines(BangerInventory *inventory, const BangerSettings *settings, const char *name,
                 BangerMachineDetails details)
{
    return banger_machine_list(settings, name, details, inventory->objects[BANGER_OBJECT_MACHINE],
                               &inventory->error);
}

/* What is on record of one object at another. */
static void
join_parts(BangerInventory *inventory)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, inventory->objects[BANGER_OBJECT_MACHINE]);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        BangerMachineInfo *machine = value;
        const BangerTapInfo *tap =
            g_hash_table_lookup(inventory->objects[BANGER_OBJECT_TAP], machine->tap);
        BangerSnapshotInfo *snapshot =
            g_hash_table_lookup(inventory->objects[BANGER_OBJECT_SNAPSHOT], machine->snapshot);

        if (tap != NULL) {
            machine->guest_ips = g_strdupv(tap->guest_ips);
            g_free(machine->bridge); /* where it is now, whatever the launch said */
            machine->bridge = g_strdup(tap->bridge);
        }
        if (snapshot != NULL) {
            g_free(snapshot->machine);
            snapshot->machine = g_strdup(machine->id);
        }
    }
}

/* The one machine there is, and the TAP that it has. */
static bool
collect_machine(BangerInventory *inventory, const BangerSettings *settings,
                const BangerInventoryQuery *query)
{
    const BangerMachineInfo *machine;

    if (!collect_machines(inventory, settings, query->name, BANGER_MACHINE_ALL))
        return false;
    machine = g_hash_table_lookup(inventory->objects[BANGER_OBJECT_MACHINE], query->name);
    return !query->details || machine == NULL || machine->tap[0] == '\0' ||
           banger_network_find_tap(machine->tap, inventory->objects[BANGER_OBJECT_TAP],
                                   &inventory->error);
}

static bool
collect_one(BangerInventory *inventory, const BangerSettings *settings,
            const BangerInventoryQuery *query)
{
    GHashTable **objects = inventory->objects;

    if (query->kinds & BANGER_OBJECT_BIT(BANGER_OBJECT_MACHINE))
        return collect_machine(inventory, settings, query);
    if (query->kinds & BANGER_OBJECT_BIT(BANGER_OBJECT_SNAPSHOT))
        return banger_dm_list(query->name, objects[BANGER_OBJECT_SNAPSHOT], &inventory->error) &&
               (!query->details ||
                collect_machines(inventory, settings, NULL, BANGER_MACHINE_RECORD));
    if (query->kinds & BANGER_OBJECT_BIT(BANGER_OBJECT_TAP))
        return banger_network_find_tap(query->name, objects[BANGER_OBJECT_TAP], &inventory->error);
    return banger_network_list(NULL, objects[BANGER_OBJECT_BRIDGE], query->details,
                               &inventory->error);
}

/* What the TAPs and bridges are listed for. */
typedef struct {
    BangerInventory *inventory;
    const BangerInventoryQuery *query;
} LinkQuery;

static bool
collect_links(void *user_data, GError **error)
{
    const LinkQuery *links = user_data;
    GHashTable **objects = links->inventory->objects;
    bool bridges = (links->query->kinds & BANGER_OBJECT_BIT(BANGER_OBJECT_BRIDGE)) != 0;

    return banger_network_list(objects[BANGER_OBJECT_TAP],
                               bridges ? objects[BANGER_OBJECT_BRIDGE] : NULL,
                               links->query->details, error);
}

/* What is no link. */
static bool
collect_others(BangerInventory *inventory, const BangerSettings *settings,
               const BangerInventoryQuery *query)
{
    const unsigned int kinds = query->kinds;

    return (!(kinds & BANGER_OBJECT_BIT(BANGER_OBJECT_MACHINE)) ||
            collect_machines(inventory, settings, NULL, query->details ? BANGER_MACHINE_ALL : 0)) &&
           (!(kinds & BANGER_OBJECT_BIT(BANGER_OBJECT_SNAPSHOT)) ||
            banger_dm_list(NULL, inventory->objects[BANGER_OBJECT_SNAPSHOT], &inventory->error));
}

/*
 * Whether there is a TAP, that of a machine, which @inventory has not: both were made after the
 * links had been listed.
 */
static bool
lacks_tap(const BangerInventory *inventory)
{
    GHashTable *taps = inventory->objects[BANGER_OBJECT_TAP];
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, inventory->objects[BANGER_OBJECT_MACHINE]);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const BangerMachineInfo *machine = value;

        if (machine->tap[0] != '\0' && !g_hash_table_contains(taps, machine->tap) &&
            banger_network_find_tap(machine->tap, taps, NULL) &&
            g_hash_table_contains(taps, machine->tap))
            return true;
    }
    return false;
}

/* Lists the links while systemd lists the machines, and again if there are new ones by then. */
static bool
collect_links_beside(BangerInventory *inventory, const BangerSettings *settings,
                     const BangerInventoryQuery *query)
{
    LinkQuery links = {inventory, query};
    g_auto(BangerBeside) beside = BANGER_BESIDE_INIT;

    banger_beside_begin(&beside, "links", collect_links, &links);
    if (!banger_job_pass(NULL, "links-listed", &inventory->error) ||
        !collect_others(inventory, settings, query) ||
        !banger_beside_await(&beside, &inventory->error))
        return false;
    if (!lacks_tap(inventory))
        return true;
    g_hash_table_remove_all(inventory->objects[BANGER_OBJECT_TAP]);
    g_hash_table_remove_all(inventory->objects[BANGER_OBJECT_BRIDGE]);
    return collect_links(&links, &inventory->error);
}

static bool
collect_all(BangerInventory *inventory, const BangerSettings *settings,
            const BangerInventoryQuery *query)
{
    const unsigned int links =
        BANGER_OBJECT_BIT(BANGER_OBJECT_TAP) | BANGER_OBJECT_BIT(BANGER_OBJECT_BRIDGE);

    if (!(query->kinds & links))
        return collect_others(inventory, settings, query);
    if (!(query->kinds & ~links))
        return collect_links(&(LinkQuery){inventory, query}, &inventory->error);
    return collect_links_beside(inventory, settings, query);
}

static void
describe_host(BangerInventory *inventory, const BangerSettings *settings)
{
    banger_vmm_describe_host(settings, inventory->features, inventory->warnings);
    if (banger_dm_is_there())
        g_ptr_array_add(inventory->features, g_strdup("device-mapper"));
    banger_network_describe_host(settings, inventory->features, inventory->warnings);
}

BangerInventory *
banger_inventory_collect(const BangerSettings *settings, BangerJobs *jobs,
                         const BangerInventoryQuery *query)
{
    BangerInventory *inventory = inventory_new();

    if (query->kinds & BANGER_OBJECT_BIT(BANGER_OBJECT_JOB))
        banger_jobs_list(jobs, query->name, inventory->objects[BANGER_OBJECT_JOB]);
    if (query->kinds == BANGER_OBJECT_BIT(BANGER_OBJECT_JOB))
        ; /* which is all */
    else if (query->name != NULL)
        (void)collect_one(inventory, settings, query);
    else
        (void)collect_all(inventory, settings, query);
    join_parts(inventory);
    if (query->host)
        describe_host(inventory, settings);
    g_ptr_array_add(inventory->features, NULL);
    g_ptr_array_add(inventory->warnings, NULL);
    return inventory;
}
