/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "util/disk-use.h"

#define BANGER_DM_CHUNK_SECTORS 8 /* of the snapshots that are made here */

/*
 * Device-mapper snapshots (libdevmapper; the kernel's Documentation/admin-guide/device-mapper/
 * snapshot.rst). The library is not thread-safe: one lock is around it, and nothing under the lock
 * waits for anything but the kernel.
 *
 * Errors of all functions: NotSupported where the kernel has no device-mapper or no snapshot
 * target, OperationFailed with the kernel's reason.
 */

typedef struct {
    bool exists;
    bool is_banger;   /* its UUID is "BANGER-" and its name */
    bool has_table;   /* false: its maker died between making and loading it */
    bool is_snapshot; /* its table is one snapshot target */
    unsigned int open_count;
    dev_t number;
    dev_t base; /* of the snapshot's table; 0 otherwise */
    dev_t cow;
    unsigned int chunk_sectors;
    uint64_t sectors;
} BangerDmInfo;

/* What @name is. A name that does not exist is success with ret_info->exists false. */
bool banger_dm_get_info(const char *name, BangerDmInfo *ret_info, GError **error);

/* The same for what must be a snapshot. Errors: NotFound, NotManaged. */
bool banger_dm_get_snapshot(const char *name, BangerDmInfo *ret_info, GError **error);

typedef struct {
    uint32_t chunk_size; /* in bytes */
    uint32_t n_chunks;
    bool is_of_host; /* the COW file is sparse, and the host's file system has no more than this */
} BangerDmRoom;

/*
 * What the snapshot @name has room for in its COW device, and in the host's file system where its
 * COW file is sparse: so many chunks of the device can be changed. One more, and the kernel gives
 * the whole snapshot up. OperationFailed, with the kernel's name for it, if it has done so.
 */
bool banger_dm_get_room(const BangerSettings *settings, const char *name, BangerDmRoom *ret_room,
                        GError **error);

/* OperationFailed if the host's file system has no room for changes to the snapshot @name. */
bool banger_dm_check_host_room(const BangerSettings *settings, const char *name, GError **error);

/*
 * Makes the snapshot @name of @sectors sectors (512 bytes) of the block device @base, with its
 * changes on the block device @cow, persistent, in chunks of 8 sectors, and waits until udev has
 * made its node. Where no udev runs, which has a rule for it, the node belongs to @uid:@gid.
 * AlreadyExists if the name is taken: the kernel decides. Timeout if udev takes over 10 s. A
 * failure leaves nothing.
 */
bool banger_dm_create_snapshot(const char *name, dev_t base, dev_t cow, uint64_t sectors, uid_t uid,
                               gid_t gid, GError **error);

/*
 * Removes @name. Absent already → success. In use → tried again every 100 ms for 5 s, then Busy.
 * Returns when its node is gone; Timeout if udev takes over 10 s for that.
 */
bool banger_dm_remove(const char *name, GError **error);

/*
 * Opens @name, which must be a snapshot, by its node with @flags of open(2). The node is
 * compared with the device's number. Returns a descriptor, or -1. Errors: NotFound, NotManaged;
 * Busy with O_EXCL for a device that is mounted or opened exclusively.
 */
int banger_dm_open(const char *name, int flags, GError **error);

/*
 * The finder of util/disk-use.h for block devices: whether a device of device-mapper is open, and
 * for readers whether the kernel itself uses it (a mount, another device).
 */
BangerDiskFinder banger_disk_find_dm;
