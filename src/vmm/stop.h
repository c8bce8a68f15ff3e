/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"
#include "vmm/machine-list.h"
#include "vmm/process.h"

/*
 * Kills the VMM @process, waits until it has ended (5 s), and removes the directory of its jail.
 * Errors: NotFound if it has ended already; Timeout.
 */
bool banger_machine_kill(const BangerSettings *settings, const BangerProcess *process,
                         GError **error);

/*
 * Opens the VMM of the machine @vm_id, if it runs: *@ret_found; and what is on record of it, to be
 * freed with banger_machine_info_free(). Errors: those of banger_machine_list().
 */
bool banger_machine_find(const BangerSettings *settings, const char *vm_id,
                         BangerProcess *ret_process, BangerMachineInfo **ret_machine,
                         bool *ret_found, GError **error);

/*
 * Stops what banger_machine_find() found as StopMachine does; *@ret_how is one of its values.
 * Errors: Timeout.
 */
bool banger_machine_stop(const BangerSettings *settings, const BangerProcess *process,
                         const BangerMachineInfo *machine, uint32_t timeout_s, const char **ret_how,
                         GError **error);

BangerOperation banger_op_stop_machine;
