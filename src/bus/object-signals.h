/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "bus/objects.h"

/* The signals of the objects. A bus that does not take one is about to be lost: nothing is said. */

/* InterfacesAdded of the object @name, which is in @inventory. */
void banger_object_signal_added(BangerObjects *objects, BangerObjectKind kind, const char *name,
                                BangerInventory *inventory);

/* InterfacesRemoved of an object that is no more. */
void banger_object_signal_removed(BangerObjects *objects, BangerObjectKind kind, const char *name);

/* PropertiesChanged of a machine, with State and Leader. */
void banger_object_signal_machine(BangerObjects *objects, const char *vm_id, const char *state,
                                  pid_t leader);

/* PropertiesChanged of a snapshot, with State. */
void banger_object_signal_snapshot(BangerObjects *objects, const char *name, const char *state);

/* PropertiesChanged of a job, with Progress and Step. */
void banger_object_signal_job(BangerObjects *objects, const BangerJobInfo *job);

/* MachineExited. */
void banger_object_signal_exited(BangerObjects *objects, const char *vm_id, const char *result,
                                 int status);

/* SnapshotFilling. */
void banger_object_signal_filling(BangerObjects *objects, const char *name, uint64_t used_bytes,
                                  uint64_t size_bytes);
