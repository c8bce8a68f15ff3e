/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "vmm/unit.h"

/* What the two kinds of units (unit-systemd.c, unit-spawn.c) give unit.c. */

typedef struct {
    bool (*start)(BangerUnit *unit, const BangerUnitSpec *spec, GError **error);
    char *(*describe_end)(BangerUnit *unit);
    bool (*stop)(BangerUnit *unit, GError **error);
    void (*release)(BangerUnit *unit);
} BangerUnitKind;

struct BangerUnit {
    const BangerUnitKind *kind;
    BangerProcess process;
    void *data; /* of the kind; freed by its release() */
};

extern const BangerUnitKind banger_unit_systemd;
extern const BangerUnitKind banger_unit_spawn;

/* banger_unit_wait_for_starts() where systemd is PID 1. */
bool banger_unit_systemd_wait_for_starts(void);

/* Stops the unit whose start failed with @error, which gets to know what could not be stopped. */
void banger_unit_stop_failed_start(BangerUnit *unit, GError **error);
