/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "image-worker/failure.h"

/*
 * Becomes e2fsck on BANGER_SANDBOX_DEVICE, with what it prints going to the reply after a RUNNING.
 * @command is BANGER_WORKER_CHECK, VERIFY or RECOVER. Returns only if that fails.
 */
bool banger_fsck_exec(const char *command, BangerWorkerFailure *failure);
