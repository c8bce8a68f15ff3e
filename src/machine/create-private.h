/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/operation.h"
#include "util/settings.h"
#include "util/undo.h"

/* What the files of CreateMachine (create-*.c) share. */

/* A part of a machine in the making, one of those that are made side by side. */
typedef struct {
    const BangerSettings *settings;
    const BangerRequest *request;
    const BangerMachineRequest *machine; /* of @request */
    BangerJob *job;                      /* of the part, or NULL */
    BangerUndo undo;                     /* borrows from @request */
    char *warning;                       /* the last one, or NULL */
} BangerCreation;

/* Takes back what the part has made, unless its undo was committed. */
void banger_creation_clear(BangerCreation *creation);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BangerCreation, banger_creation_clear)

/*
 * Says that @step begins, which is from @first to @last (0 to 1) of @creation; the job of it, or
 * NULL.
 */
BangerJob *banger_creation_begin(const BangerCreation *creation, const char *step, double first,
                                 double last);

/* Takes over the warning of @reply, if it has one. */
void banger_creation_take_warning(BangerCreation *creation, BangerReply *reply);

/* Runs @operation, a method's own, as a step of @creation. */
bool banger_creation_run(BangerCreation *creation, BangerOperation *operation,
                         const BangerRequest *request, GError **error);

/* The root drive of @machine, or NULL. */
const BangerDrive *banger_machine_root_drive(const BangerMachineRequest *machine);

/* Whether @machine has a bridge and a TAP made, and its root drive. */
bool banger_machine_makes_tap(const BangerMachineRequest *machine);
bool banger_machine_makes_root(const BangerMachineRequest *machine);

/* Makes COW file and snapshot, checks the root drive and writes the files. */
bool banger_create_disk(BangerCreation *creation, GError **error);

/*
 * Makes bridge and TAP, and registers the guest with all that belongs to it, the Ethernet addresses
 * of its interfaces included.
 */
bool banger_create_network(BangerCreation *creation, GError **error);

/* Whether banger_create_disk() and banger_create_network() would be refused; nothing is changed. */
bool banger_create_check_disk(const BangerSettings *settings, const BangerMachineRequest *machine,
                              GError **error);
bool banger_create_check_network(const BangerSettings *settings,
                                 const BangerMachineRequest *machine, GError **error);
