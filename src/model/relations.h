/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/requests.h"
#include "model/settings.h"

/*
 * What validation says about several members of a request together, after each was found
 * well-formed by itself. The method table names these functions; the shape is that of
 * BangerMethod.validate. Errors: BadParams.
 */

/* cidr must go with bridge_ip. */
bool banger_relations_ensure_bridge(BangerRequest *request, const BangerSettings *settings,
                                    GError **error);

/* cidr must go with bridge_ip; the bridge and the TAP are two links. */
bool banger_relations_create_tap(BangerRequest *request, const BangerSettings *settings,
                                 GError **error);

/* guest_ip is no loopback address. */
bool banger_relations_ensure_nat(BangerRequest *request, const BangerSettings *settings,
                                 GError **error);

/* The base image and the COW file are two files. */
bool banger_relations_create_dm_snapshot(BangerRequest *request, const BangerSettings *settings,
                                         GError **error);

/* dm_name and dm_dev, where both are given, name the same device. */
bool banger_relations_cleanup_dm_snapshot(BangerRequest *request, const BangerSettings *settings,
                                          GError **error);

/*
 * At most one root drive, drive ids unique, dm devices only as the root drive; vsock_path and a
 * vsock_cid of 3 or more together or not at all; the sockets are two; network is whole or absent.
 */
bool banger_relations_launch_firecracker(BangerRequest *request, const BangerSettings *settings,
                                         GError **error);
