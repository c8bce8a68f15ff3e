/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Whether this host listens on the port @port of @protocol (IPPROTO_TCP, IPPROTO_UDP) for
 * connections of @family, on any address but a loopback one (sock_diag(7)). A kernel that does not
 * list its sockets has none. Errors: Timeout, OperationFailed.
 */
bool banger_listeners_find(int family, uint8_t protocol, uint16_t port, bool *ret_found,
                           GError **error);
