/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

/*
 * LaunchFirecracker. A VMM in a jail (vmm/jail.h) has nothing but what was checked here, and what
 * it sees there is compared with that before it has a uid that may open any of it. Without a jail
 * it runs as the owner: it opens nothing that the owner could not open anyway, apart from the root
 * drive's dm device, which is named by a directory that only root writes. In both cases the files
 * that it has open are compared with those that were checked before the guest starts, and any other
 * one ends the launch.
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
 * @claim also for who else has its disks, and without KVM. Nothing is changed. The errors of
 * LaunchFirecracker.
 */
bool banger_launch_check_host(const BangerSettings *settings, const BangerLaunchMade *made,
                              const BangerLaunchFirecrackerRequest *request, bool claim,
                              GError **error);

/*
 * A launch that is a part of a composite, which has asked banger_launch_check_host(), and makes the
 * rest of the machine meanwhile: a VMM that was started does nothing before it is let into what is
 * its own. @await_rest() is called between the two, and waits until all that was not made when the
 * launch began is there; it may fail, and then its error is the launch's.
 */
typedef struct {
    BangerLaunchMade made; /* is not there yet; the root drive is, when a launch begins */
    bool (*await_rest)(void *user_data, GError **error);
    void *user_data;
} BangerLaunchPart;

/*
 * LaunchFirecracker, for the operation @op_id of @caller_uid, with its @job or NULL, which can be
 * cancelled until the guest has started. @part is NULL for a launch of its own; else the machine is
 * not launched by another call meanwhile.
 */
bool banger_launch_run(const BangerSettings *settings,
                       const BangerLaunchFirecrackerRequest *request, const char *op_id,
                       uid_t caller_uid, BangerJob *job, const BangerLaunchPart *part,
                       uint32_t *ret_pid, GError **error);
