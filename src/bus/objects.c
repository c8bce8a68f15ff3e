/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/objects.h"

#include "bus/object-private.h"

#define LANES 2
#define OBJECT_BYTES 512u /* of one in a reply, about */

static bool
put_on_bus(BangerObjects *objects, GError **error)
{
    sd_bus_slot *filter = NULL;
    int r = sd_bus_add_filter(objects->bus, &filter, banger_object_query_filter, objects);

    if (r >= 0) {
        g_ptr_array_add(objects->slots, filter);
        r = banger_object_tree_add(objects);
    }
    return r >= 0 || banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -r,
                                      "cannot put the objects on the bus");
}

BangerObjects *
banger_objects_new(sd_bus *bus, const BangerSettings *settings, BangerJobs *jobs,
                   BangerMainQueue *main_queue, const BangerObjectsHandlers *handlers,
                   void *user_data, GError **error)
{
    g_autoptr(BangerObjects) objects = g_new0(BangerObjects, 1);

    objects->bus = sd_bus_ref(bus);
    objects->settings = settings;
    objects->jobs = jobs;
    objects->main_queue = main_queue;
    objects->slots =
        g_ptr_array_new_with_free_func((GDestroyNotify)(void (*)(void))sd_bus_slot_unref);
    objects->collectors = g_thread_pool_new(banger_object_query_work, NULL, LANES, FALSE, NULL);
    objects->ready = g_hash_table_new_full(NULL, NULL, NULL,
                                           (GDestroyNotify)(void (*)(void))banger_inventory_unref);
    objects->senders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    objects->handlers = *handlers;
    objects->user_data = user_data;
    if (!put_on_bus(objects, error))
        return NULL;
    return g_steal_pointer(&objects);
}

void
banger_objects_free(BangerObjects *objects)
{
    g_ptr_array_unref(objects->slots);
    g_thread_pool_free(objects->collectors, FALSE, TRUE);
    g_hash_table_unref(objects->ready);
    g_hash_table_unref(objects->senders);
    g_clear_pointer(&objects->current, banger_inventory_unref);
    for (unsigned int kind = 0; kind < BANGER_N_OBJECT_KINDS; kind++)
        g_free(objects->folders[kind].path);
    sd_bus_unref(objects->bus);
    g_free(objects);
}

unsigned int
banger_objects_waiting(const BangerObjects *objects)
{
    /* What is in line again is dropped with the connection. */
    return sd_bus_is_open(objects->bus) > 0 ? objects->waiting
                                            : objects->waiting - g_hash_table_size(objects->ready);
}

bool
banger_objects_could_have(const char *path)
{
    g_autofree char *name = NULL;
    BangerObjectKind kind;

    return banger_object_parse_path(path, &kind, &name);
}

bool
banger_objects_have_collected(const BangerObjects *objects, sd_bus_message *message,
                              size_t *ret_bytes)
{
    const BangerInventory *inventory = g_hash_table_lookup(objects->ready, message);
    size_t n = 0;

    if (inventory == NULL)
        return false;
    for (unsigned int kind = 0; kind < BANGER_N_OBJECT_KINDS; kind++)
        n += g_hash_table_size(inventory->objects[kind]);
    *ret_bytes = n * OBJECT_BYTES;
    return true;
}

const BangerInventory *
banger_objects_inventory(const BangerObjects *objects)
{
    return objects->current;
}
