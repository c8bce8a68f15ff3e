/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "bus/jobs.h"
#include "util/settings.h"

/*
 * What the objects of the bus are computed from: machines, snapshots, TAPs and bridges as systemd,
 * device-mapper and the kernel know them at one moment, and the jobs in flight. Collected on a
 * thread, for the kernel, systemd and resolved may take their time; read on the main thread; never
 * kept.
 */

typedef enum {
    BANGER_OBJECT_MACHINE,
    BANGER_OBJECT_SNAPSHOT,
    BANGER_OBJECT_TAP,
    BANGER_OBJECT_BRIDGE,
    BANGER_OBJECT_JOB,
    BANGER_N_OBJECT_KINDS,
} BangerObjectKind;

#define BANGER_OBJECT_BIT(kind) (1u << (kind))
#define BANGER_OBJECT_ALL (BANGER_OBJECT_BIT(BANGER_N_OBJECT_KINDS) - 1)

/* What is to be collected. */
typedef struct {
    unsigned int kinds; /* bits, by BANGER_OBJECT_BIT() */
    char *name;         /* the one object of the one kind in @kinds; NULL: all of them */
    bool details;       /* more than what there is, and of machines their leaders */
    bool host;          /* what this host can do, and what is in the way */
} BangerInventoryQuery;

/*
 * By kind a table from name to BangerMachineInfo, BangerSnapshotInfo, BangerTapInfo,
 * BangerBridgeInfo or BangerJobInfo; kinds that were not asked for may be there, or have an empty
 * table.
 */
typedef struct {
    GHashTable *objects[BANGER_N_OBJECT_KINDS];
    GPtrArray *features; /* of text, ended by NULL; of the host */
    GPtrArray *warnings;
    GError *error; /* why it could not be collected, or NULL */
    gint references;
} BangerInventory;

/* Collects what @query asks for. Never NULL: a failure is in its error. */
BangerInventory *banger_inventory_collect(const BangerSettings *settings, BangerJobs *jobs,
                                          const BangerInventoryQuery *query);

BangerInventory *banger_inventory_ref(BangerInventory *inventory);
void banger_inventory_unref(BangerInventory *inventory);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerInventory, banger_inventory_unref)
