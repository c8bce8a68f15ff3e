/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bus/message.h"
#include "bus/object-private.h"
#include "model/bounds.h"
#include "util/sd-auto.h"

#define THREAD_RETRY_MS 100
#define QUOTED_PATH_MAX 64u /* bytes of a path of no object that a reply may contain */

typedef struct {
    BangerObjectCollected *collected;
    void *user_data;
} Listener;

/* Messages, and others, that wait for one inventory. */
typedef struct {
    BangerObjects *objects;
    BangerObjectLane *lane;
    BangerInventoryQuery query;
    GPtrArray *messages;
    GArray *listeners;          /* of Listener */
    BangerInventory *inventory; /* once it was collected */
} Batch;

static void
batch_free(Batch *batch)
{
    g_free(batch->query.name);
    g_ptr_array_unref(batch->messages);
    g_array_unref(batch->listeners);
    g_clear_pointer(&batch->inventory, banger_inventory_unref);
    g_free(batch);
}

/* Whether @message calls @member of @interface, which it need not name. */
static bool
is_call(sd_bus_message *message, const char *interface, const char *member)
{
    const char *its = sd_bus_message_get_interface(message);

    return (its == NULL || g_str_equal(its, interface)) &&
           g_strcmp0(sd_bus_message_get_member(message), member) == 0;
}

/* Whether @message asks for one property that takes no look at other objects, or at resolved. */
static bool
is_plain_get(sd_bus_message *message)
{
    static const char *const others[] = {"GuestIps", "Machine", "Resolver", NULL};
    const char *interface = NULL, *property = NULL;
    int r;

    if (!is_call(message, "org.freedesktop.DBus.Properties", "Get"))
        return false;
    r = sd_bus_message_read(message, "ss", &interface, &property);
    (void)sd_bus_message_rewind(message, true);
    return r >= 0 && !g_strv_contains(others, property);
}

/* Whether @message, to the main object, asks for a property that describes the host. */
static bool
asks_for_host(sd_bus_message *message)
{
    static const char *const properties[] = {"Features", "Warnings", NULL};
    const char *interface = NULL, *property = NULL;
    bool all = is_call(message, "org.freedesktop.DBus.Properties", "GetAll");
    int r;

    if (!all && !is_call(message, "org.freedesktop.DBus.Properties", "Get"))
        return false;
    r = sd_bus_message_read(message, all ? "s" : "ss", &interface, &property);
    (void)sd_bus_message_rewind(message, true);
    if (r < 0 || (!g_str_equal(interface, BANGER_INTERFACE) && interface[0] != '\0'))
        return false;
    return all || g_strv_contains(properties, property);
}

/* Whether @message is to be answered from an inventory, and from which. */
static bool
read_query(sd_bus_message *message, BangerInventoryQuery *ret_query)
{
    const char *path = sd_bus_message_get_path(message);
    BangerObjectKind kind;

    *ret_query = (BangerInventoryQuery){0};
    if (!g_str_has_prefix(path, BANGER_OBJECT_PATH))
        return false;
    if (path[strlen(BANGER_OBJECT_PATH)] == '\0') {
        ret_query->details =
            is_call(message, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
        if (ret_query->details)
            ret_query->kinds = BANGER_OBJECT_ALL;
        else if (is_call(message, BANGER_INTERFACE, "ListMachines"))
            ret_query->kinds = BANGER_OBJECT_BIT(BANGER_OBJECT_MACHINE);
        ret_query->host = asks_for_host(message);
        return ret_query->kinds != 0 || ret_query->host;
    }
    path += strlen(BANGER_OBJECT_PATH);
    for (kind = 0; kind < BANGER_N_OBJECT_KINDS; kind++)
        if (path[0] == '/' && g_str_equal(path + 1, banger_object_folder(kind))) {
            ret_query->kinds = BANGER_OBJECT_BIT(kind);
            return is_call(message, "org.freedesktop.DBus.Introspectable", "Introspect");
        }
    if (!banger_object_parse_path(sd_bus_message_get_path(message), &kind, &ret_query->name))
        return false;
    ret_query->kinds = BANGER_OBJECT_BIT(kind);
    ret_query->details = !is_plain_get(message);
    return true;
}

/* One more went its way. */
static void
let_go(BangerObjects *objects)
{
    objects->waiting--;
    if (objects->waiting == 0)
        objects->handlers.idle(objects->user_data);
}

static void
put_in_line(Batch *batch)
{
    BangerObjects *objects = batch->objects;

    for (unsigned int i = 0; i < batch->messages->len; i++) {
        sd_bus_message *message = g_ptr_array_index(batch->messages, i);

        g_hash_table_insert(objects->ready, message, banger_inventory_ref(batch->inventory));
        if (sd_bus_enqueue_for_read(objects->bus, message) >= 0)
            continue;
        /* The bus is gone, and its callers with it. */
        g_hash_table_remove(objects->ready, message);
        objects->n_messages--;
        let_go(objects);
    }
}

static gboolean
start_collector(void *user_data)
{
    GThreadPool *pool = user_data;

    /* Setting the maximum starts threads for the work that has none. */
    (void)g_thread_pool_set_max_threads(pool, g_thread_pool_get_max_threads(pool), NULL);
    return g_thread_pool_get_num_threads(pool) == 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
start_next(BangerObjectLane *lane)
{
    Batch *batch = lane->busy ? NULL : g_queue_pop_head(&lane->batches);
    GThreadPool *pool;

    if (batch == NULL)
        return;
    lane->busy = true;
    pool = batch->objects->collectors;
    if (!g_thread_pool_push(pool, batch, NULL) && g_thread_pool_get_num_threads(pool) == 0)
        (void)g_timeout_add(THREAD_RETRY_MS, start_collector, pool);
}

static void
on_collected(void *user_data)
{
    Batch *batch = user_data;

    batch->lane->busy = false;
    start_next(batch->lane);
    put_in_line(batch);
    for (unsigned int i = 0; i < batch->listeners->len; i++) {
        const Listener *listener = &g_array_index(batch->listeners, Listener, i);

        listener->collected(batch->inventory, listener->user_data);
        let_go(batch->objects);
    }
    batch_free(batch);
}

void
banger_object_query_work(gpointer data, void *user_data)
{
    Batch *batch = data;

    (void)user_data;
    batch->inventory =
        banger_inventory_collect(batch->objects->settings, batch->objects->jobs, &batch->query);
    banger_main_queue_push(batch->objects->main_queue, on_collected, batch);
}

static bool
is_same_query(const BangerInventoryQuery *a, const BangerInventoryQuery *b)
{
    return a->kinds == b->kinds && a->details == b->details && a->host == b->host &&
           g_strcmp0(a->name, b->name) == 0;
}

/*
 * Those that wait for what @query asks for, one more of which there will be; takes over its name.
 */
static Batch *
join_batch(BangerObjects *objects, BangerInventoryQuery *query)
{
    BangerObjectLane *lane = query->name != NULL ? &objects->singles : &objects->lists;
    Batch *batch = NULL;

    for (GList *at = lane->batches.head; at != NULL && batch == NULL; at = at->next)
        if (is_same_query(&((Batch *)at->data)->query, query))
            batch = at->data;
    if (batch == NULL) {
        batch = g_new0(Batch, 1);
        batch->objects = objects;
        batch->lane = lane;
        batch->query = *query;
        query->name = NULL;
        batch->messages =
            g_ptr_array_new_with_free_func((GDestroyNotify)(void (*)(void))sd_bus_message_unref);
        batch->listeners = g_array_new(FALSE, FALSE, sizeof(Listener));
        g_queue_push_tail(&lane->batches, batch);
    }
    g_clear_pointer(&query->name, g_free);
    objects->waiting++;
    return batch;
}

void
banger_object_query(BangerObjects *objects, BangerInventoryQuery *query,
                    BangerObjectCollected *collected, void *user_data)
{
    Batch *batch = join_batch(objects, query);
    const Listener listener = {collected, user_data};

    g_array_append_val(batch->listeners, listener);
    start_next(batch->lane);
}

/* One more message of @sender waits (@change 1), or one less (-1). */
static void
count_message(BangerObjects *objects, const char *sender, int change)
{
    unsigned int n =
        GPOINTER_TO_UINT(g_hash_table_lookup(objects->senders, sender)) + (unsigned int)change;

    objects->n_messages += (unsigned int)change;
    if (n == 0)
        g_hash_table_remove(objects->senders, sender);
    else
        g_hash_table_insert(objects->senders, g_strdup(sender), GUINT_TO_POINTER(n));
}

static int
reply_error(sd_bus_message *message, const GError *error)
{
    (void)banger_message_reply_error(message, error);
    return 1;
}

static gboolean
on_handled(void *user_data)
{
    let_go(user_data);
    return G_SOURCE_REMOVE;
}

/* Whether @message is to an object that is not there, and whose path sd-bus is not to quote. */
static bool
is_to_long_unknown(sd_bus_message *message, const BangerInventory *inventory)
{
    const char *path = sd_bus_message_get_path(message);
    g_autofree char *name = NULL;
    BangerObjectKind kind;

    return strlen(path) > QUOTED_PATH_MAX && banger_object_parse_path(path, &kind, &name) &&
           !g_hash_table_contains(inventory->objects[kind], name);
}

/* The message is in line again, with what was collected for it. */
static int
go_on(BangerObjects *objects, sd_bus_message *message, BangerInventory *inventory)
{
    objects->current = inventory;
    count_message(objects, sd_bus_message_get_sender(message), -1);
    /* Once it was handled: it may begin a call, and until then this is not idle. */
    (void)g_idle_add_full(G_PRIORITY_DEFAULT, on_handled, objects, NULL);
    if (inventory->error != NULL)
        return reply_error(message, inventory->error);
    if (!is_to_long_unknown(message, inventory))
        return 0;
    (void)sd_bus_reply_method_errorf(message, SD_BUS_ERROR_UNKNOWN_OBJECT,
                                     "there is no such object");
    return 1;
}

static bool
check_bounds(const BangerObjects *objects, const char *sender, GError **error)
{
    if (objects->n_messages >= BANGER_QUERIES_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "%u messages wait for objects, which is the limit",
                                objects->n_messages);
    if (GPOINTER_TO_UINT(g_hash_table_lookup(objects->senders, sender)) >=
        BANGER_QUERIES_PER_SENDER_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "%u messages of %s wait for objects, which is the limit",
                                BANGER_QUERIES_PER_SENDER_MAX, sender);
    return true;
}

int
banger_object_query_filter(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    BangerObjects *objects = user_data;
    BangerInventoryQuery query;
    g_autoptr(GError) error = NULL;
    gpointer inventory;

    (void)ret_error;
    g_clear_pointer(&objects->current, banger_inventory_unref);
    if (!sd_bus_message_is_method_call(message, NULL, NULL))
        return 0;
    if (g_hash_table_steal_extended(objects->ready, message, NULL, &inventory))
        return go_on(objects, message, inventory);
    if (!read_query(message, &query))
        return 0;
    if (sd_bus_message_get_expect_reply(message) > 0) {
        const char *sender = sd_bus_message_get_sender(message);
        Batch *batch;

        if (!check_bounds(objects, sender, &error)) {
            g_free(query.name);
            return reply_error(message, error);
        }
        count_message(objects, sender, 1);
        batch = join_batch(objects, &query);
        g_ptr_array_add(batch->messages, sd_bus_message_ref(message));
        start_next(batch->lane);
    }
    g_free(query.name);
    return 1;
}
