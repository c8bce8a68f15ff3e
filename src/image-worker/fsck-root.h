/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/types.h>

#include "image-worker/failure.h"

/*
 * Gives the process, which must have a mount namespace of its own, a root that has: the
 * libraries, read-only; one node of the block device that @image_fd is open on, owned by @uid:@gid
 * with mode 0600; nothing else. Leaves e2fsck open at BANGER_SANDBOX_FD_PROGRAM.
 *
 * e2fsck wants a path, and the device's own node is root's. A second node made in /dev would be
 * left behind by a SIGKILL; this one is in a tmpfs that only this namespace has, and goes with it.
 */
bool banger_fsck_root_enter(int image_fd, uid_t uid, gid_t gid, BangerWorkerFailure *failure);
