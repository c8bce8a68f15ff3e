/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bus/credentials.h"
#include "bus/objects.h"

/*
 * Subscribe and Unsubscribe: who is subscribed, and the one watch that there is for all of them. A
 * call of Subscribe is answered when nothing is missed any more. Needs no authorization: what is
 * said is open to every local user.
 *
 * Used from the main thread alone.
 */
typedef struct BangerSubscribe BangerSubscribe;

/* @idle(@user_data) is called when the last subscription has ended. */
BangerSubscribe *banger_subscribe_new(sd_bus *bus, BangerCredentials *credentials,
                                      BangerObjects *objects, void (*idle)(void *user_data),
                                      void *user_data);

void banger_subscribe_free(BangerSubscribe *subscribe);

/* Handles a call of Subscribe, which is answered by and by. */
void banger_subscribe_add(BangerSubscribe *subscribe, sd_bus_message *message);

/* Handles a call of Unsubscribe. */
void banger_subscribe_remove(BangerSubscribe *subscribe, sd_bus_message *message);

/* How many connections are subscribed. */
unsigned int banger_subscribe_count(const BangerSubscribe *subscribe);

/* Something has become of a job: says it, if there are subscribers. */
void banger_subscribe_look_at_job(BangerSubscribe *subscribe, const char *name,
                                  BangerJobEvent event);

/* The helper itself has changed the snapshots. */
void banger_subscribe_look_at_snapshots(BangerSubscribe *subscribe);

/* Ends all subscriptions: the service is about to end. */
void banger_subscribe_stop(BangerSubscribe *subscribe);
