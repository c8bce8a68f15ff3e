/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "util/settings.h"
#include "vmm/machine-list.h"
#include "vmm/process.h"

/*
 * Whether the VMM @process of @machine says that its guest was never started: a helper was killed
 * while launching it, or it was launched so that its owner starts the guest. One that does not
 * answer within half a second, or whose socket was removed, counts as started.
 */
bool banger_machine_is_unstarted(const BangerSettings *settings, const BangerMachineInfo *machine,
                                 const BangerProcess *process);
