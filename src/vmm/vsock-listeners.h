/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "util/settings.h"
#include "vmm/jail.h"

/*
 * Connections from a guest to its host: firecracker connects to <vsock_path>_<port>, where the
 * owner listens. A VM in a jail sees its own directory there, and not the owner's, so the listening
 * socket gets a second name in the VM's directory, and the VM's uid an entry in its access list.
 */

/* Whether @path is of the form <vsock_path>_<port>; *@ret_vsock_path is freed with g_free(). */
bool banger_vsock_listener_parse(const char *path, char **ret_vsock_path);

/* Lets the VM of @jail reach the owner's listening socket @path. Any number of times. */
bool banger_vsock_listener_link(const BangerJail *jail, const char *path, GError **error);

/* The same for every listening socket of @vsock_path that is there, 64 at most. */
bool banger_vsock_listeners_link_all(const BangerJail *jail, const char *vsock_path,
                                     GError **error);
