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
 * CleanupDMSnapshot: removes the device and detaches its loops. Loops that are gone, that are not
 * banger's, or that are another snapshot's by now are left alone.
 */
BangerOperation banger_cleanup_dm_snapshot;

/* RemoveDMSnapshot: absent → success; in use for 5 s → Busy. */
BangerOperation banger_remove_dm_snapshot;

/* FsckSnapshot: e2fsck -fy on a device that nobody has open. */
BangerOperation banger_fsck_snapshot;
