/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "util/error.h"

/*
 * Watches systemd's units of virtual machines, by the signals of its manager
 * (org.freedesktop.systemd1(5)), over a connection of its own: systemd sends them while that one
 * is subscribed. Used from the thread of the event loop alone.
 */
typedef struct BangerUnitWatch BangerUnitWatch;

typedef struct {
    /* Once: from here on nothing is missed (NULL), or it failed with @error. */
    void (*ready)(const GError *error, void *user_data);
    /* The machine is there, or something about it changed. */
    void (*changed)(const char *vm_id, void *user_data);
    /*
     * The machine has ended: @result as systemd has it ("success", "exit-code", "signal",
     * "oom-kill", …), @status the exit status, or the signal, of its main process. @failed says
     * whether its unit's state was "failed".
     */
    void (*ended)(const char *vm_id, const char *result, int status, bool failed, void *user_data);
    /* Its unit is gone. */
    void (*removed)(const char *vm_id, void *user_data);
} BangerUnitWatchHandlers;

/* Errors: OperationFailed. */
BangerUnitWatch *banger_unit_watch_new(sd_event *event, const BangerUnitWatchHandlers *handlers,
                                       void *user_data, GError **error);

/* May be called from a handler. */
void banger_unit_watch_free(BangerUnitWatch *watch);
