/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

/*
 * LaunchFirecracker. Where a VMM may reach is decided by what it runs as: as the owner (the
 * default) it opens nothing that the owner could not open anyway, apart from the root drive's dm
 * device, which is named by a directory that only root writes. So the paths it is given, which it
 * opens by itself and by name, need no more protection than the owner's other files; yet before the
 * guest starts the files it has open are compared with those that were checked, and any other one
 * ends the launch. Under User=root the same comparison is what stands between a path exchanged at
 * the right moment and a guest with a disk that is not the owner's. It comes after firecracker has
 * opened its log: what a root VMM can be led to by then is to append its first lines of log to
 * another file. That is a reason for the default.
 *
 * `network` of the request is not used: the TAP is there, with its bridge, before a launch.
 */

/* What is not there yet when a launch is checked, and is made before it. */
typedef struct {
    bool tap;  /* the TAP tap_device */
    bool root; /* the root drive, a snapshot's device */
} BangerLaunchMade;

/*
 * What LaunchFirecracker would be refused on this host as it is, short of what the VMM says; with
 * @claim also for who else has its disks. Nothing is changed. The errors of LaunchFirecracker.
 */
bool banger_launch_check_host(const BangerSettings *settings, const BangerLaunchMade *made,
                              const BangerLaunchFirecrackerRequest *request, bool claim,
                              GError **error);

/*
 * LaunchFirecracker, for the operation @op_id of @caller_uid, with its @job or NULL, which can be
 * cancelled until the guest has started. @checked: banger_launch_check_host() was
 * asked, and the machine is not launched by another call meanwhile.
 */
bool banger_launch_run(const BangerSettings *settings,
                       const BangerLaunchFirecrackerRequest *request, const char *op_id,
                       uid_t caller_uid, BangerJob *job, bool checked, uint32_t *ret_pid,
                       GError **error);
