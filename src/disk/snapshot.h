/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

/*
 * CreateDMSnapshot: a device that reads from the base image and writes to the COW file. The kernel
 * believes what the COW file begins with, so that must be zeros or the header of a snapshot with
 * chunks of 4 KiB. Errors: BadParams (sizes, paths, another beginning), NotFound, AlreadyExists
 * (the name is taken by anything but a snapshot of these very files), Busy (one of the files is in
 * use), OperationFailed (the snapshot ran over its COW file, or the host has no room for a sparse
 * one), NotSupported.
 */
BangerOperation banger_op_create_dm_snapshot;

/*
 * CleanupDMSnapshot: removes the device and detaches its loops. A loop that is not managed, or
 * part of another snapshot, is left alone: that is success when a device was named, since its loops
 * are gone with it and the numbers may be another program's by now, and NotManaged or Busy
 * otherwise.
 */
BangerOperation banger_op_cleanup_dm_snapshot;

/* RemoveDMSnapshot: absent → success; in use for 5 s → Busy. */
BangerOperation banger_op_remove_dm_snapshot;

/*
 * Whether CreateDMSnapshot would be refused on this host as it is; with @makes_cow where the COW
 * file is made before, if it is not there. Nothing is changed. The same errors.
 */
bool banger_snapshot_check(const BangerSettings *settings,
                           const BangerCreateDmSnapshotRequest *request, bool makes_cow,
                           GError **error);
