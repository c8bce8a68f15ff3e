/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "vmm/machine-list.h"

/*
 * Fills @machine from @text, that of the file systemd keeps of a transient unit (systemd.unit(5)),
 * where it stands what the unit was made with: of its Environment= the assignments of
 * BANGER_OP_ID, BANGER_UID, BANGER_TAP, BANGER_BRIDGE, BANGER_ROOT, BANGER_API, BANGER_VSOCK and
 * BANGER_START. The process's own environment would not do: it can write there what it likes. What
 * is missing or malformed stays as it is. Pure.
 */
void banger_unit_record_parse(const char *text, BangerMachineInfo *machine);
