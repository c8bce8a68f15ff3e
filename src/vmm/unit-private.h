/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "sys/unit.h"

/* What the two kinds of units (unit-systemd.c, unit-spawn.c) give unit.c, and share. */

typedef struct {
    bool (*start)(BangerUnit *unit, const BangerUnitSpec *spec, GError **error);
    char *(*describe_end)(BangerUnit *unit);
    void (*stop)(BangerUnit *unit);
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

/* Time limits. A caller of the bus waits 25 s by default: all of a launch has to fit. */
#define BANGER_UNIT_START_MS 10000
#define BANGER_UNIT_STOP_MS 10000

/*
 * The group that a VMM needs besides its user's own to open /dev/kvm: that of the device, if it is
 * not root's and may open it. False if none is needed.
 */
bool banger_unit_kvm_group(gid_t *ret_gid);

/* "exited with status 1" and the like, from the si_code and si_status of waitid(2). */
char *banger_unit_format_end(int code, int status);
