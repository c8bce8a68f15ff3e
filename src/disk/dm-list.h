/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The snapshots of ours that there are, as device-mapper knows them (the kernel's
 * Documentation/admin-guide/device-mapper/snapshot.rst). Nothing is changed.
 */

typedef enum {
    BANGER_SNAPSHOT_ACTIVE,
    BANGER_SNAPSHOT_FULL,    /* the COW device has no room for one change more */
    BANGER_SNAPSHOT_INVALID, /* the kernel has given it up: it ran over, or its COW device failed */
} BangerSnapshotState;

typedef struct {
    char *name;
    uint64_t size_bytes; /* of the device */
    uint64_t cow_bytes;  /* of its COW device */
    uint64_t used_bytes; /* of the COW device; 0 if it is invalid */
    BangerSnapshotState state;
    char *machine; /* NULL: on record at the unit of the machine, for whoever reads that */
} BangerSnapshotInfo;

/* "active", "full" or "invalid". */
const char *banger_snapshot_state_name(BangerSnapshotState state);

/* Whether this host's kernel has device-mapper. */
bool banger_dm_is_there(void);

/* Frees a BangerSnapshotInfo. */
void banger_snapshot_info_free(gpointer snapshot);

/*
 * Adds the devices with our UUID whose table is one snapshot to @snapshots, name to
 * BangerSnapshotInfo; the keys are parts of the values. With @name that one alone, if it is there.
 * A host without device-mapper has none. One ioctl(2) for the list and one a device, which take no
 * lock that a suspended device keeps. Errors: OperationFailed.
 */
bool banger_dm_list(const char *name, GHashTable *snapshots, GError **error);

/*
 * Appends the names of the devices with our UUID that have no table to @names, a GPtrArray of text:
 * what a helper left that was killed while making a snapshot, or one that another call is just
 * making. Errors: OperationFailed.
 */
bool banger_dm_list_unfinished(GPtrArray *names, GError **error);
