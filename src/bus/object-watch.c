/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/object-watch.h"

#include <systemd/sd-daemon.h>

#include "bus/object-private.h"
#include "bus/object-signals.h"
#include "disk/dm-list.h"
#include "network/link-watch.h"
#include "vmm/machine-list.h"
#include "vmm/unit-watch.h"

/* What is looked at; a job is not, of which the helper knows. */
#define LOOKED_AT (BANGER_OBJECT_ALL & ~BANGER_OBJECT_BIT(BANGER_OBJECT_JOB))

#define FILL_INTERVAL_MSEC 2000
#define RETRY_DELAY_MSEC 500
#define LINKS_DELAY_MSEC 10 /* a link changes several times while it is made */

/*
 * banger_object_watch_new()   starts the watches of links and units
 * on_units_ready()            they are in place: a list of what there is is asked for
 * on_first_list()             it is known: ready
 *
 * After that each change leads to a look at one object (look_at_object()) or at all of a kind
 * (list_objects()), and what comes of it is compared with what is known.
 */
struct BangerObjectWatch {
    BangerObjects *objects;
    int references; /* one for each question that is open */
    bool ended;
    bool known; /* the tables are filled */
    void (*ready)(const GError *error, void *user_data);
    void *user_data;
    BangerUnitWatch *units;
    BangerLinkWatch *links;
    unsigned int fill_timer, links_timer, retry_timer;
    unsigned int to_retry;                            /* kinds that could not be looked at */
    GHashTable *objects_known[BANGER_N_OBJECT_KINDS]; /* name -> Known */
    GHashTable *looks[BANGER_N_OBJECT_KINDS];         /* name -> Look */
    unsigned int listing;                             /* kinds that are being listed */
    unsigned int list_again;                          /* and have changed since */
};

/* What was last said of an object. */
typedef struct {
    unsigned int state;
    pid_t leader;      /* of a machine */
    unsigned int mark; /* of a snapshot: that of marks[] it has passed */
} Known;

/* A look at one object that is under way. */
typedef struct {
    BangerObjectWatch *watch;
    BangerObjectKind kind;
    char *name;
    bool again; /* it has changed since */
} Look;

/* A list of some kinds that is under way. */
typedef struct {
    BangerObjectWatch *watch;
    unsigned int kinds;
} List;

static const unsigned int marks[] = {80, 90, 95, 100}; /* percent of the COW device */

static void look_at_object(BangerObjectWatch *watch, BangerObjectKind kind, const char *name);
static void list_objects(BangerObjectWatch *watch, unsigned int kinds);

static void
watch_unref(BangerObjectWatch *watch)
{
    if (--watch->references > 0)
        return;
    for (unsigned int kind = 0; kind < BANGER_N_OBJECT_KINDS; kind++) {
        g_hash_table_unref(watch->objects_known[kind]);
        g_hash_table_unref(watch->looks[kind]);
    }
    g_free(watch);
}

static void
look_free(Look *its_look)
{
    g_free(its_look->name);
    g_free(its_look);
}

/* How many of the marks the snapshot has passed. */
static unsigned int
count_marks(const BangerSnapshotInfo *snapshot)
{
    unsigned int n = 0;

    if (snapshot->state != BANGER_SNAPSHOT_ACTIVE)
        return G_N_ELEMENTS(marks);
    while (n < G_N_ELEMENTS(marks) && snapshot->cow_bytes > 0 &&
           snapshot->used_bytes >= snapshot->cow_bytes / 100 * marks[n])
        n++;
    return n;
}

static Known
describe_object(BangerObjectKind kind, gconstpointer object)
{
    const BangerMachineInfo *machine = object;
    const BangerSnapshotInfo *snapshot = object;

    if (kind == BANGER_OBJECT_MACHINE)
        return (Known){.state = machine->state, .leader = machine->leader};
    if (kind == BANGER_OBJECT_SNAPSHOT)
        return (Known){.state = snapshot->state, .mark = count_marks(snapshot)};
    return (Known){0};
}

static void
learn_object(BangerObjectWatch *watch, BangerObjectKind kind, const char *name,
             gconstpointer object)
{
    Known *known = g_new0(Known, 1);

    *known = describe_object(kind, object);
    g_hash_table_insert(watch->objects_known[kind], g_strdup(name), known);
}

static void
forget_object(BangerObjectWatch *watch, BangerObjectKind kind, const char *name)
{
    Look *its_look = g_hash_table_lookup(watch->looks[kind], name);

    if (its_look != NULL)
        its_look->again = true;
    if (g_hash_table_remove(watch->objects_known[kind], name))
        banger_object_signal_removed(watch->objects, kind, name);
}

/* Says what has changed of an object that is known, if anything has. */
static void
compare_object(BangerObjectWatch *watch, BangerObjectKind kind, const char *name,
               gconstpointer object, Known *known)
{
    const Known now = describe_object(kind, object);
    const BangerSnapshotInfo *snapshot = object;

    if (kind == BANGER_OBJECT_MACHINE && (now.state != known->state || now.leader != known->leader))
        banger_object_signal_machine(watch->objects, name, banger_machine_state_name(now.state),
                                     now.leader);
    if (kind == BANGER_OBJECT_SNAPSHOT && now.state != known->state)
        banger_object_signal_snapshot(watch->objects, name, banger_snapshot_state_name(now.state));
    if (kind == BANGER_OBJECT_SNAPSHOT && now.mark > known->mark)
        banger_object_signal_filling(watch->objects, name,
                                     now.state == BANGER_SNAPSHOT_ACTIVE ? snapshot->used_bytes
                                                                         : snapshot->cow_bytes,
                                     snapshot->cow_bytes);
    *known = now;
}

static void
take_look(Look *its_look, BangerInventory *inventory)
{
    BangerObjectWatch *watch = its_look->watch;
    gpointer object = g_hash_table_lookup(inventory->objects[its_look->kind], its_look->name);
    Known *known = g_hash_table_lookup(watch->objects_known[its_look->kind], its_look->name);
    const BangerMachineInfo *machine = its_look->kind == BANGER_OBJECT_MACHINE ? object : NULL;

    if (object == NULL) {
        /* How a machine ended is said by its unit's signals, which may be on their way still. */
        if (its_look->kind != BANGER_OBJECT_MACHINE)
            forget_object(watch, its_look->kind, its_look->name);
    } else if (known != NULL) {
        compare_object(watch, its_look->kind, its_look->name, object, known);
    } else if (machine == NULL || machine->state != BANGER_MACHINE_FAILED) {
        /* A unit that has failed is not worth a new object: it is gone in a moment. */
        learn_object(watch, its_look->kind, its_look->name, object);
        banger_object_signal_added(watch->objects, its_look->kind, its_look->name, inventory);
    }
}

static gboolean
on_retry_timer(void *user_data)
{
    BangerObjectWatch *watch = user_data;
    watch->retry_timer = 0;
    list_objects(watch, watch->to_retry);
    watch->to_retry = 0;
    return G_SOURCE_REMOVE;
}

/* A look failed, for want of descriptors perhaps: what has changed is still to be said. */
static void
retry_later(BangerObjectWatch *watch, unsigned int kinds)
{
    watch->to_retry |= kinds;
    if (watch->retry_timer == 0)
        watch->retry_timer = g_timeout_add(RETRY_DELAY_MSEC, on_retry_timer, watch);
}

static void
on_looked(BangerInventory *inventory, void *user_data)
{
    Look *its_look = user_data;
    BangerObjectWatch *watch = its_look->watch;

    (void)g_hash_table_remove(watch->looks[its_look->kind], its_look->name);
    if (!watch->ended) {
        if (its_look->again)
            look_at_object(watch, its_look->kind, its_look->name);
        else if (inventory->error == NULL)
            take_look(its_look, inventory);
        else
            retry_later(watch, BANGER_OBJECT_BIT(its_look->kind));
    }
    watch_unref(watch);
    look_free(its_look);
}

/* Looks at one object, unless that is done already and it has not changed since. */
static void
look_at_object(BangerObjectWatch *watch, BangerObjectKind kind, const char *name)
{
    Look *its_look = g_hash_table_lookup(watch->looks[kind], name);
    BangerInventoryQuery query = {BANGER_OBJECT_BIT(kind), g_strdup(name), true};

    if (its_look != NULL) {
        its_look->again = true;
        g_free(query.name);
        return;
    }
    its_look = g_new0(Look, 1);
    its_look->watch = watch;
    its_look->kind = kind;
    its_look->name = g_strdup(name);
    g_hash_table_insert(watch->looks[kind], its_look->name, its_look);
    watch->references++;
    banger_object_query(watch->objects, &query, on_looked, its_look);
}

/* Compares all objects of @kind with those that are known. */
static void
take_list(BangerObjectWatch *watch, BangerObjectKind kind, BangerInventory *inventory)
{
    g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
    GHashTable *known = watch->objects_known[kind];
    GHashTableIter iter;
    gpointer name, object;

    g_hash_table_iter_init(&iter, known);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (!g_hash_table_contains(inventory->objects[kind], name))
            g_ptr_array_add(gone, g_strdup(name));
    for (unsigned int i = 0; i < gone->len; i++)
        forget_object(watch, kind, g_ptr_array_index(gone, i));
    g_hash_table_iter_init(&iter, inventory->objects[kind]);
    while (g_hash_table_iter_next(&iter, &name, &object)) {
        Known *its = g_hash_table_lookup(known, name);

        if (its == NULL)
            look_at_object(watch, kind, name);
        else
            compare_object(watch, kind, name, object, its);
    }
}

static void
on_listed(BangerInventory *inventory, void *user_data)
{
    List *its_list = user_data;
    BangerObjectWatch *watch = its_list->watch;
    unsigned int again = watch->list_again & its_list->kinds;

    watch->listing &= ~its_list->kinds;
    watch->list_again &= ~its_list->kinds;
    for (unsigned int kind = 0; kind < BANGER_N_OBJECT_KINDS; kind++)
        if (!watch->ended && inventory->error == NULL &&
            (its_list->kinds & BANGER_OBJECT_BIT(kind)))
            take_list(watch, kind, inventory);
    if (!watch->ended && inventory->error != NULL)
        retry_later(watch, its_list->kinds);
    if (!watch->ended && again != 0)
        list_objects(watch, again);
    watch_unref(watch);
    g_free(its_list);
}

/* Lists all objects of @kinds, once more at the end if that is under way. */
static void
list_objects(BangerObjectWatch *watch, unsigned int kinds)
{
    BangerInventoryQuery query = {.kinds = kinds & ~watch->listing};
    List *its_list;

    watch->list_again |= kinds & watch->listing;
    if (query.kinds == 0)
        return;
    watch->listing |= query.kinds;
    its_list = g_new0(List, 1);
    its_list->watch = watch;
    its_list->kinds = query.kinds;
    watch->references++;
    banger_object_query(watch->objects, &query, on_listed, its_list);
}

static gboolean
on_links_timer(void *user_data)
{
    BangerObjectWatch *watch = user_data;

    watch->links_timer = 0;
    list_objects(watch,
                 BANGER_OBJECT_BIT(BANGER_OBJECT_TAP) | BANGER_OBJECT_BIT(BANGER_OBJECT_BRIDGE));
    return G_SOURCE_REMOVE;
}

static void
on_links_changed(void *user_data)
{
    BangerObjectWatch *watch = user_data;

    if (watch->known && watch->links_timer == 0)
        watch->links_timer = g_timeout_add(LINKS_DELAY_MSEC, on_links_timer, watch);
}

static gboolean
on_fill_timer(void *user_data)
{
    banger_object_watch_snapshots(user_data);
    return G_SOURCE_CONTINUE;
}

static void
on_unit_changed(const char *vm_id, void *user_data)
{
    look_at_object(user_data, BANGER_OBJECT_MACHINE, vm_id);
}

static void
on_unit_ended(const char *vm_id, const char *result, int status, bool failed, void *user_data)
{
    BangerObjectWatch *watch = user_data;

    if (failed && g_hash_table_contains(watch->objects_known[BANGER_OBJECT_MACHINE], vm_id))
        banger_object_signal_machine(watch->objects, vm_id,
                                     banger_machine_state_name(BANGER_MACHINE_FAILED), 0);
    banger_object_signal_exited(watch->objects, vm_id, result, status);
    forget_object(watch, BANGER_OBJECT_MACHINE, vm_id);
}

static void
on_unit_removed(const char *vm_id, void *user_data)
{
    forget_object(user_data, BANGER_OBJECT_MACHINE, vm_id);
}

/* The one job called @name, or all. */
static BangerInventory *
collect_jobs(BangerObjectWatch *watch, const char *name)
{
    const BangerInventoryQuery query = {BANGER_OBJECT_BIT(BANGER_OBJECT_JOB), (char *)name, true,
                                        false};

    return banger_inventory_collect(watch->objects->settings, watch->objects->jobs, &query);
}

static void
learn_jobs(BangerObjectWatch *watch)
{
    g_autoptr(BangerInventory) inventory = collect_jobs(watch, NULL);
    GHashTableIter iter;
    gpointer name, object;

    g_hash_table_iter_init(&iter, inventory->objects[BANGER_OBJECT_JOB]);
    while (g_hash_table_iter_next(&iter, &name, &object))
        learn_object(watch, BANGER_OBJECT_JOB, name, object);
}

static void
on_first_list(BangerInventory *inventory, void *user_data)
{
    BangerObjectWatch *watch = user_data;
    GHashTableIter iter;
    gpointer name, object;

    for (unsigned int kind = 0; kind < BANGER_N_OBJECT_KINDS && !watch->ended; kind++) {
        g_hash_table_iter_init(&iter, inventory->objects[kind]);
        while (g_hash_table_iter_next(&iter, &name, &object))
            if (!g_hash_table_contains(watch->objects_known[kind], name))
                learn_object(watch, kind, name, object);
    }
    watch->known = true;
    if (!watch->ended)
        learn_jobs(watch);
    if (!watch->ended)
        watch->ready(inventory->error, watch->user_data);
    /* What changed while the list was made. */
    if (!watch->ended)
        list_objects(watch, LOOKED_AT);
    watch_unref(watch);
}

static void
on_units_ready(const GError *error, void *user_data)
{
    BangerObjectWatch *watch = user_data;
    BangerInventoryQuery query = {.kinds = LOOKED_AT};

    if (error != NULL) {
        watch->ready(error, watch->user_data);
        return;
    }
    watch->references++;
    banger_object_query(watch->objects, &query, on_first_list, watch);
}

static const BangerUnitWatchHandlers unit_handlers = {
    .ready = on_units_ready,
    .changed = on_unit_changed,
    .ended = on_unit_ended,
    .removed = on_unit_removed,
};

/* Whether links and units are watched; who watches units calls on_units_ready(). */
static bool
start_watches(BangerObjectWatch *watch, GError **error)
{
    watch->links = banger_link_watch_new(on_links_changed, watch, error);
    if (watch->links == NULL)
        return false;
    if (sd_booted() <= 0) {
        on_units_ready(NULL, watch);
        return true;
    }
    watch->units =
        banger_unit_watch_new(sd_bus_get_event(watch->objects->bus), &unit_handlers, watch, error);
    return watch->units != NULL;
}

BangerObjectWatch *
banger_object_watch_new(BangerObjects *objects, void (*ready)(const GError *error, void *user_data),
                        void *user_data, GError **error)
{
    BangerObjectWatch *watch = g_new0(BangerObjectWatch, 1);

    watch->objects = objects;
    watch->references = 1;
    watch->ready = ready;
    watch->user_data = user_data;
    for (unsigned int kind = 0; kind < BANGER_N_OBJECT_KINDS; kind++) {
        watch->objects_known[kind] = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        watch->looks[kind] = g_hash_table_new(g_str_hash, g_str_equal);
    }
    watch->fill_timer = g_timeout_add(FILL_INTERVAL_MSEC, on_fill_timer, watch);
    if (start_watches(watch, error))
        return watch;
    banger_object_watch_free(watch);
    return NULL;
}

void
banger_object_watch_free(BangerObjectWatch *watch)
{
    watch->ended = true;
    g_clear_handle_id(&watch->fill_timer, g_source_remove);
    g_clear_handle_id(&watch->links_timer, g_source_remove);
    g_clear_handle_id(&watch->retry_timer, g_source_remove);
    g_clear_pointer(&watch->units, banger_unit_watch_free);
    g_clear_pointer(&watch->links, banger_link_watch_free);
    watch_unref(watch);
}

void
banger_object_watch_snapshots(BangerObjectWatch *watch)
{
    if (watch->known)
        list_objects(watch, BANGER_OBJECT_BIT(BANGER_OBJECT_SNAPSHOT));
}

void
banger_object_watch_job(BangerObjectWatch *watch, const char *name, BangerJobEvent event)
{
    g_autoptr(BangerInventory) inventory = NULL;
    gpointer job;

    if (!watch->known)
        return;
    if (event == BANGER_JOB_ENDED) {
        forget_object(watch, BANGER_OBJECT_JOB, name);
        return;
    }
    inventory = collect_jobs(watch, name);
    job = g_hash_table_lookup(inventory->objects[BANGER_OBJECT_JOB], name);
    if (job == NULL)
        return;
    if (event == BANGER_JOB_CHANGED) {
        banger_object_signal_job(watch->objects, job);
        return;
    }
    learn_object(watch, BANGER_OBJECT_JOB, name, job);
    banger_object_signal_added(watch->objects, BANGER_OBJECT_JOB, name, inventory);
}
