/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "util/settings.h"

/*
 * Finds the process with --api-sock @api_sock in its command line, among those that may be a VMM
 * (banger_process_may_be_vmm()). One that banger_process_check_ours() accepts goes before any
 * other, the youngest before older ones. *@ret_pid is 0 if there is none. Reads one directory and,
 * of each process, no more than it takes to pass it over: first only processes of the owner and of
 * dynamic users, then, if none of those was it, the rest.
 *
 * Errors: OperationFailed if /proc cannot be read, or not every process in it could be and those
 * that were are not ours.
 */
bool banger_process_scan(const BangerSettings *settings, const char *api_sock, pid_t *ret_pid,
                         GError **error);

/*
 * Finds a process of the VM @vm_id: one in its unit, or one that banger_process_check_ours()
 * accepts, with --id @vm_id, of root or the owner. *@ret_pid is 0 if there is none. No other can be
 * a VMM of that name: a process of another user is one only in a unit, and a unit is that of the VM
 * in its name, whatever the processes in it say. So a VMM in a jail is passed over by its user
 * alone, and what each of them costs a launch is one system call.
 *
 * Errors: OperationFailed if the unit or /proc cannot be read, or not every process that may be it
 * could be and none of the others is it.
 */
bool banger_process_find_machine(const BangerSettings *settings, const char *vm_id, pid_t *ret_pid,
                                 GError **error);

/*
 * What banger_process_scan_ours() calls for a process: its command line, @length bytes and a NUL,
 * and when it was started, in microseconds since the epoch.
 */
typedef void BangerProcessVisitor(pid_t pid, const char *command_line, size_t length,
                                  guint64 start_usec, void *user_data);

/*
 * Calls @visit for each process that banger_process_check_ours() accepts. Errors: OperationFailed
 * if /proc cannot be read.
 */
bool banger_process_scan_ours(const BangerSettings *settings, BangerProcessVisitor *visit,
                              void *user_data, GError **error);

/*
 * Whether a process of the user @uid runs in the unit of a VM, or that cannot be seen, for want of
 * descriptors or memory.
 */
bool banger_process_uid_may_have_unit(uid_t uid);

/* Whether a process of the process group @group has not ended: zombies do not count. */
bool banger_process_group_lives(pid_t group);
