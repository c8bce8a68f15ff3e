/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bus/objects.h"

/* What the files of the objects share: objects.c owns it. */

/*
 * What is collected one after the other: lists in one lane, single objects in another, so that who
 * asks for one object does not wait for a list of thousands.
 */
typedef struct {
    GQueue batches; /* of Batch, not begun */
    bool busy;
} BangerObjectLane;

/* Of the objects of one kind. */
typedef struct {
    BangerObjects *objects;
    BangerObjectKind kind;
    char *path;
} BangerObjectFolder;

struct BangerObjects {
    sd_bus *bus;
    const BangerSettings *settings;
    BangerJobs *jobs;
    BangerMainQueue *main_queue;
    GPtrArray *slots; /* of what was put on the bus */
    BangerObjectFolder folders[BANGER_N_OBJECT_KINDS];
    GThreadPool *collectors;
    BangerObjectLane lists, singles;
    GHashTable *ready;       /* message that is in line again -> its BangerInventory */
    GHashTable *senders;     /* unique name -> how many messages of it wait */
    unsigned int n_messages; /* messages that wait, those in @ready included */
    unsigned int waiting;    /* they, and who else waits for an inventory */
    BangerInventory *current;
    BangerObjectsHandlers handlers;
    void *user_data;
};

/* The last part but one of the path of each object of @kind, such as "machines". */
const char *banger_object_folder(BangerObjectKind kind);

/* Whether @path is that of an object of @kind, or could be; *@ret_name is its name. */
bool banger_object_parse_path(const char *path, BangerObjectKind *ret_kind, char **ret_name);

/* Puts tables and enumerators of all kinds on the bus. A negative errno on failure. */
int banger_object_tree_add(BangerObjects *objects);

/* Called with what was collected, on the main thread. */
typedef void BangerObjectCollected(BangerInventory *inventory, void *user_data);

/*
 * Has what @query asks for collected, and calls @collected(@user_data) with it. Takes over the name
 * of @query.
 */
void banger_object_query(BangerObjects *objects, BangerInventoryQuery *query,
                         BangerObjectCollected *collected, void *user_data);

/* The D-Bus interface of the objects of @kind. */
const char *banger_object_interface(BangerObjectKind kind);

/* What a thread of @collectors runs. */
void banger_object_query_work(gpointer data, void *user_data);

/* The filter. */
int banger_object_query_filter(sd_bus_message *message, void *user_data, sd_bus_error *ret_error);
