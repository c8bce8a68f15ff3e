/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

/*
 * A machine's whole host side: bridge, TAP and what is registered of its guest, root drive, and VMM
 * (docs/machines.md, "A machine in one call"). What these do is what the single methods do.
 */

/* LaunchFirecracker (vmm/launch.h); what its interfaces send has their guest_mac from then on. */
BangerOperation banger_op_launch_firecracker;

/*
 * CreateMachine: all of it or nothing. What was there before stays as it was, but for what was
 * written into a root drive that was there.
 */
BangerOperation banger_op_create_machine;

/*
 * Reconcile: removes what is ours and of no machine, and puts back what is to be there. An object
 * that another call works on is passed over, one that cannot be removed is reported, and it goes
 * on.
 */
BangerOperation banger_op_reconcile;

/*
 * DestroyMachine: stops the VMM and removes the sockets, TAP and snapshot that the dictionary
 * names, or, where it names none, that are on record; what is not there is skipped. It goes on when
 * one of them cannot be removed, and fails with the first that could not. The bridge stays. Errors:
 * Busy, and then nothing was done, if another program uses one of them.
 */
BangerOperation banger_op_destroy_machine;
