/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "vmm/process.h"

/* Whether @process has the TAP called @tap open (proc_pid_fdinfo(5)). */
bool banger_process_has_tap(const BangerProcess *process, const char *tap);

/* Whether @process has the block device @number open. */
bool banger_process_has_device(const BangerProcess *process, dev_t number);
