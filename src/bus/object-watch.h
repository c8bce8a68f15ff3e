/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bus/objects.h"

/*
 * Says on the bus what happens to the objects: InterfacesAdded, InterfacesRemoved,
 * PropertiesChanged, MachineExited and SnapshotFilling. One watch does for all who are subscribed.
 *
 * It learns of links from the kernel and of machines from systemd; where systemd is not PID 1
 * nothing reports machines. Only the snapshots are looked at by a timer: nothing reports how far
 * their COW devices have filled. What is reported is that something changed; what is sent is the
 * difference between what there was and what there is. The jobs are the helper's own: of those each
 * event is said as it comes.
 *
 * Used from the main thread alone.
 */
typedef struct BangerObjectWatch BangerObjectWatch;

/*
 * Begins. @ready(@error, @user_data) is called once, from the loop: from then on nothing is missed
 * (@error is NULL), or it failed, and is of no use but to be freed. Errors: OperationFailed.
 */
BangerObjectWatch *banger_object_watch_new(BangerObjects *objects,
                                           void (*ready)(const GError *error, void *user_data),
                                           void *user_data, GError **error);

/* Ends; may be called from @ready. */
void banger_object_watch_free(BangerObjectWatch *watch);

/* Something has become of the job @name. */
void banger_object_watch_job(BangerObjectWatch *watch, const char *name, BangerJobEvent event);

/* The helper itself has changed the snapshots: looks at them now. */
void banger_object_watch_snapshots(BangerObjectWatch *watch);
