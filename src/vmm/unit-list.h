/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "vmm/machine-list.h"

/* banger_machine_list() where systemd is PID 1. */
bool banger_unit_list(const char *vm_id, BangerMachineDetails details, GHashTable *machines,
                      GError **error);

/* Whether systemd has a unit of the VM @vm_id, by the file that it keeps of it. */
bool banger_unit_exists(const char *vm_id);

/* A process of @unit by its cgroup, the main one if there are more; 0 if there is none. */
pid_t banger_unit_find_leader(const char *unit);

/*
 * The same for the unit of the VM @vm_id, at *@ret_pid. Errors: OperationFailed if it cannot be
 * seen, for want of descriptors or memory.
 */
bool banger_unit_find_process(const char *vm_id, pid_t *ret_pid, GError **error);
