/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ops/operations.h"

/*
 * CreateDMSnapshot: a device that reads from the base image and writes to the COW file. Errors:
 * BadParams (sizes, paths), NotFound, AlreadyExists (the name is taken by anything but a snapshot
 * of these very files), Busy (the COW file is in use), NotSupported.
 */
BangerOperation banger_create_dm_snapshot;

/*
 * CleanupDMSnapshot: removes the device and detaches its loops. A loop that is not banger's, or
 * part of another snapshot, is left alone: that is success when a device was named, since its loops
 * are gone with it and the numbers may be somebody else's by now, and NotManaged or Busy otherwise.
 */
BangerOperation banger_cleanup_dm_snapshot;

/* RemoveDMSnapshot: absent → success; in use for 5 s → Busy. */
BangerOperation banger_remove_dm_snapshot;

/* FsckSnapshot: e2fsck -fy on a device that nobody has open. */
BangerOperation banger_fsck_snapshot;
