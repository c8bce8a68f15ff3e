/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "bus/inventory.h"
#include "util/error.h"
#include "util/main-queue.h"
#include "util/settings.h"
#include "vmm/machine-list.h"

/*
 * The objects below BANGER_OBJECT_PATH, computed and not kept: org.freedesktop.DBus.ObjectManager,
 * introspection at every level, and a D-Bus interface for each kind of object.
 *
 * A message that asks for objects waits in a filter until what it asks for was collected on
 * a thread, then put in line again (sd_bus_enqueue_for_read(3)); sd-bus answers it from the tables
 * of object-tree.c, which read the inventory of that moment. Messages that ask for the same thing
 * while it waits to be collected share one inventory; what is just being collected is too old for
 * those that come meanwhile.
 *
 * Used from the main thread alone.
 */
typedef struct BangerObjects BangerObjects;

/* Called from the main thread. */
typedef struct {
    /* The last message that waited went its way. */
    void (*idle)(void *user_data);
    /* @message calls a method of @machine's object, which does what @method does. */
    void (*machine_called)(sd_bus_message *message, const BangerMethod *method,
                           const BangerMachineInfo *machine, void *user_data);
} BangerObjectsHandlers;

/*
 * Puts the objects on @bus. The filter that keeps messages waiting runs before those that were
 * added to @bus earlier. @jobs are those that are shown; by @main_queue threads hand over what they
 * collected. Errors: OperationFailed.
 */
BangerObjects *banger_objects_new(sd_bus *bus, const BangerSettings *settings, BangerJobs *jobs,
                                  BangerMainQueue *main_queue,
                                  const BangerObjectsHandlers *handlers, void *user_data,
                                  GError **error);

/* No message may wait. */
void banger_objects_free(BangerObjects *objects);

/* How many messages wait. */
unsigned int banger_objects_waiting(const BangerObjects *objects);

/* Whether @path is as those of the objects are. There may be none. */
bool banger_objects_could_have(const char *path);

/*
 * Whether @message was delayed, and is in line again with what it asked for; about how many bytes
 * its reply will have, then.
 */
bool banger_objects_have_collected(const BangerObjects *objects, sd_bus_message *message,
                                   size_t *ret_bytes);

/* What was collected for the message that is being handled. */
const BangerInventory *banger_objects_inventory(const BangerObjects *objects);

/* The path of the object @name of @kind. Free with g_free(). */
char *banger_object_path(BangerObjectKind kind, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerObjects, banger_objects_free)
