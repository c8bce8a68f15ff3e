/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/requests.h"
#include "util/settings.h"

/*
 * What EnsureBridge, CreateTap and EnsureNAT would refuse on this host as it is.
 * Nothing is changed. The errors are those of the methods.
 */

/* Whether the bridge could be made, or put in order, as @bridge says. */
bool banger_network_check_bridge(const BangerSettings *settings, const BangerBridge *bridge,
                                 GError **error);

/* Whether the TAP @tap could be made, or is one that a VMM can open. */
bool banger_network_check_tap(const BangerSettings *settings, const char *tap, GError **error);

/*
 * Whether @guest could be registered for the TAP @tap, which is to be on @bridge; with @bridge NULL
 * on the bridge that it is on.
 */
bool banger_network_check_guest(const BangerSettings *settings, const BangerBridge *bridge,
                                const char *tap, const BangerAddress *guest, GError **error);
