/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/address.h"

/*
 * systemd-resolved over D-Bus (org.freedesktop.resolve1(5)). Each function has a connection of its
 * own to the system bus, because it runs on a worker thread, and is bounded: 5 s a call.
 *
 * *@ret_available is false, and nothing was done, where resolved is neither on the bus nor can be
 * started by it: a host without it is no failure.
 */

/* Whether resolved is there, or starts when asked. Errors: Timeout, OperationFailed. */
bool banger_resolve1_probe(bool *ret_available, GError **error);

/*
 * Makes @server the name server of the link with the index @link for names below @domain, and only
 * those: SetLinkDNS (SetLinkDNSEx with a port), SetLinkDomains with @domain for routing only,
 * SetLinkDefaultRoute false; without DNSSEC, TLS, LLMNR and multicast DNS on that link. A link that
 * resolved does not know of yet is retried for up to 1 s. If a later call fails, or the first has
 * no answer in time, the link is reverted.
 *
 * Errors: NotFound if resolved knows no such link, Busy if another program manages it, Timeout,
 * OperationFailed.
 */
bool banger_resolve1_route(int link, const BangerServer *server, const char *domain,
                           bool *ret_available, GError **error);

/* Takes back what any program set on the link (RevertLink); an unknown link is a success. */
bool banger_resolve1_revert(int link, bool *ret_available, GError **error);
