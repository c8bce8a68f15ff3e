/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Opens /dev/net/tun, for which the kernel loads its module if it may; that there is a node says
 * nothing, for there may be one without a driver. Returns a descriptor, or a negative errno.
 *
 * Errors: NotSupported without the node or its driver; OperationFailed.
 */
int banger_tap_open_driver(GError **error);

/*
 * Makes the TAP @name by TUNSETIFF with IFF_TUN_EXCL and gives it to @owner and @group. It lives as
 * long as *@ret_fd is open, and is gone without a trace when that is closed, by whatever: a
 * failure, a crash, a SIGKILL. banger_tap_persist() makes it stay; until then no other process can
 * attach to it.
 *
 * Errors: AlreadyExists if the name is taken; NotSupported without /dev/net/tun; OperationFailed.
 */
bool banger_tap_create(const char *name, uid_t owner, gid_t group, int *ret_fd, GError **error);

/*
 * Makes @owner and @group those of the existing TAP @name, which means attaching to it for a
 * moment. A TAP in use cannot be attached to and is left as it is: Busy.
 */
bool banger_tap_set_owner(const char *name, uid_t owner, gid_t group, GError **error);

/* Lets the TAP of @fd, which is @name, outlive the descriptor (TUNSETPERSIST). The last step. */
bool banger_tap_persist(int fd, const char *name, GError **error);
