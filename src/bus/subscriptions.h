/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "util/error.h"

/*
 * Which connections are subscribed: each once, and no longer than it is on the bus, which
 * sd_bus_track(3) sees to. Bounded, of one user and in all (model/bounds.h).
 *
 * Used from the main thread alone.
 */
typedef struct BangerSubscriptions BangerSubscriptions;

/* @last_gone(@user_data) is called after the last one has left the bus or was removed. */
BangerSubscriptions *banger_subscriptions_new(sd_bus *bus, void (*last_gone)(void *user_data),
                                              void *user_data);

void banger_subscriptions_free(BangerSubscriptions *subscriptions);

/*
 * Subscribes the connection @sender, of @uid; one that is subscribed already stays so. Errors:
 * LimitsExceeded, OperationFailed.
 */
bool banger_subscriptions_add(BangerSubscriptions *subscriptions, const char *sender, uid_t uid,
                              GError **error);

/* Unsubscribes @sender, if it was subscribed. */
void banger_subscriptions_remove(BangerSubscriptions *subscriptions, const char *sender);

/* Unsubscribes all. */
void banger_subscriptions_clear(BangerSubscriptions *subscriptions);

/* How many there are. */
unsigned int banger_subscriptions_count(const BangerSubscriptions *subscriptions);
