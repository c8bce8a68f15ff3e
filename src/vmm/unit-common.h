/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* What the two kinds of units (unit-systemd.c, unit-spawn.c) have in common. */

/* How long the end of what was killed is waited for. */
#define BANGER_UNIT_STOP_MS 4000

/* The unit of a machine is banger-vm-<vm_id>.service. */
#define BANGER_UNIT_PREFIX "banger-vm-"
#define BANGER_UNIT_SUFFIX ".service"

/* The vm_id in the name @unit; NULL if that is not the unit of a machine. Free with g_free(). */
char *banger_unit_parse_name(const char *unit);

/*
 * The group that a VMM needs besides its user's own to open /dev/kvm: that of the device, if it is
 * not root's and may open it. False if none is needed.
 */
bool banger_unit_kvm_group(gid_t *ret_gid);

/* "exited with status 1" and the like, from the si_code and si_status of waitid(2). */
char *banger_unit_format_end(int code, int status);
