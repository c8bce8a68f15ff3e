/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "image-worker/failure.h"

/*
 * Becomes e2fsck on BANGER_SANDBOX_DEVICE, with what it prints going to the reply after a RUNNING:
 * "-fy" if @everything, else "-p", which replays the journal and checks what must be checked.
 * Returns only if that fails.
 */
bool banger_fsck_exec(bool everything, BangerWorkerFailure *failure);
