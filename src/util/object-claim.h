/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * Objects that an operation works on and its request does not name: it finds out about them while
 * it runs, on a worker thread. Those that a request names are kept for it by the bus
 * (banger_request_keys()).
 */
typedef struct BangerObjectClaim BangerObjectClaim;

/*
 * Keeps the object of @kind ("link", "dm", "path", "vm") called @name from the calls that come.
 * NULL if a call that runs has it, the caller's own too. Nothing is waited for.
 */
BangerObjectClaim *banger_object_claim(const char *kind, const char *name);

void banger_object_claim_free(BangerObjectClaim *claim);

/* Who keeps objects, for the bus to register. */
typedef struct {
    gpointer (*take)(const char *key, void *user_data); /* NULL: a call has it. From any thread */
    void (*release)(gpointer taken, void *user_data);   /* from any thread */
    void *user_data;
} BangerObjectKeeper;

/*
 * Registers @keeper, which is copied; NULL: nothing is kept, and every claim is granted. While no
 * operation runs.
 */
void banger_object_set_keeper(const BangerObjectKeeper *keeper);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerObjectClaim, banger_object_claim_free)
