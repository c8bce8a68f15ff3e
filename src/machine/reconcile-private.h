/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/requests.h"
#include "util/settings.h"

/* What the files of Reconcile (reconcile*.c) share. */

typedef struct {
    const BangerSettings *settings;
    const BangerReconcileRequest *request;
    BangerJob *job;
    GHashTable *machines; /* that there are: id to BangerMachineInfo */
    GArray *found;        /* of BangerReconciled */
} BangerSweep;

/* Something that belongs to no machine, as far as it was looked at. */
typedef struct {
    const char *kind;
    const char *name;    /* for the caller, and for its patterns */
    const char *machine; /* whose it was, as far as that is known; or "" */
    uint64_t age_s;      /* UINT64_MAX: not known, and taken for old */
    const char *claim;   /* the kind of its key, by which calls wait for each other */
    /*
     * Looks once more, now that no call works on it, and removes it; *@ret_gone is false if it is
     * in use after all.
     */
    bool (*remove)(BangerSweep *sweep, const char *name, bool *ret_gone, GError **error);
} BangerLeftover;

/* Whether @leftover is neither to be kept nor young; one that is named to be removed is to go. */
bool banger_sweep_is_to_go(const BangerSweep *sweep, const BangerLeftover *leftover);

/*
 * Removes @leftover, or says that it would be, unless it is to be kept. True if it is gone, or
 * would be.
 */
bool banger_sweep_take(BangerSweep *sweep, const BangerLeftover *leftover);

/* Adds what was done with @name. */
void banger_sweep_report(BangerSweep *sweep, const char *kind, const char *name,
                         const char *action);

/* VMMs whose guests were never started; they are no machines of @sweep any more. */
void banger_sweep_machines(BangerSweep *sweep);

/*
 * Sockets at which no process listens, and the directories for sockets and for snapshots of
 * machines that are gone.
 */
void banger_sweep_sockets(BangerSweep *sweep);
