/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "rig/rig-client.h"

/* What the tests of the objects share. A function that cannot do its work fails the test. */

#define OBJECT_MACHINE "org.banger.Helper1.Machine"
#define OBJECT_SNAPSHOT "org.banger.Helper1.Snapshot"
#define OBJECT_TAP "org.banger.Helper1.Tap"
#define OBJECT_BRIDGE "org.banger.Helper1.Bridge"
#define OBJECT_JOB "org.banger.Helper1.Job"

/*
 * What GetManagedObjects says: "path interface.property" to the value as a text (numbers in
 * decimal, with two places after the point if they are not whole, "true", "false", texts as they
 * are, the members of an array separated by blanks), and "path interface" to "" for each of our
 * interfaces. Free with g_hash_table_unref().
 */
GHashTable *objects_managed(sd_bus *bus);

/* The same of an answer to GetManagedObjects. */
GHashTable *objects_read(sd_bus_message *reply);

/*
 * The property @name of the object @path, in the same form; NULL if the answer is an error. Free
 * with g_free().
 */
char *objects_get(sd_bus *bus, const char *path, const char *interface, const char *name);

/* Fails unless objects_get() says @expected (NULL: an error). */
void objects_assert(sd_bus *bus, const char *path, const char *interface, const char *name,
                    const char *expected);

/* What ListMachines says of the machine @id: "state leader object"; NULL if it is not there. */
char *objects_list(sd_bus *bus, const char *id);

/* The text of the introspection of @path. Free with g_free(). */
char *objects_introspect(sd_bus *bus, const char *path);

/* Calls Subscribe or Unsubscribe, which must succeed. */
void objects_subscribe(sd_bus *bus);
void objects_unsubscribe(sd_bus *bus);

/*
 * The helper's signals that arrive on a connection, as lines:
 *
 *     InterfacesAdded PATH INTERFACE          one for each of our interfaces
 *     InterfacesRemoved PATH INTERFACE
 *     PropertiesChanged PATH NAME=VALUE …     as objects_managed() writes values
 *     MachineExited VM_ID RESULT STATUS
 *     SnapshotFilling NAME USED SIZE
 */
typedef struct ObjectSignals ObjectSignals;

ObjectSignals *objects_signals_new(sd_bus *bus);
void objects_signals_free(ObjectSignals *signals);

/* Waits until there is @line. */
void objects_signals_wait(ObjectSignals *signals, const char *line);

/* How many lines so far contain @part. */
unsigned int objects_signals_count(ObjectSignals *signals, const char *part);
