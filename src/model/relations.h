/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/requests.h"
#include "util/settings.h"

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

/* protocol is "tcp" or "udp", and becomes lower case. */
bool banger_relations_ensure_port_forward(BangerRequest *request, const BangerSettings *settings,
                                          GError **error);

/* "none" and "*" stand alone. The list is sorted, and has each network once. */
bool banger_relations_set_egress(BangerRequest *request, const BangerSettings *settings,
                                 GError **error);

/* The base image and the COW file are two files. */
bool banger_relations_create_dm_snapshot(BangerRequest *request, const BangerSettings *settings,
                                         GError **error);

/* dm_name and dm_dev, where both are given, name the same device; where one is, both do then. */
bool banger_relations_cleanup_dm_snapshot(BangerRequest *request, const BangerSettings *settings,
                                          GError **error);

/*
 * At most one root drive, drive ids unique, dm devices only as the root drive; vsock_path and a
 * vsock_cid of 3 or more together or not at all; the sockets are two; network is whole or absent.
 */
bool banger_relations_launch_firecracker(BangerRequest *request, const BangerSettings *settings,
                                         GError **error);

/*
 * CreateMachine: what LaunchFirecracker says, with the snapshot that rootfs_path, cow_path and
 * dm_name ask for as its root drive, which is appended to the drives. What belongs to a guest needs
 * guest_ip, what is written into the root drive a root drive that may be written, resolver a
 * network.
 */
bool banger_relations_create_machine(BangerRequest *request, const BangerSettings *settings,
                                     GError **error);

/* DestroyMachine: remove_cow goes with cow_path. */
bool banger_relations_destroy_machine(BangerRequest *request, const BangerSettings *settings,
                                      GError **error);

/* Reconcile: what is to be kept or removed is made of the characters of names, "*" and "?". */
bool banger_relations_reconcile(BangerRequest *request, const BangerSettings *settings,
                                GError **error);

/*
 * What several methods check of their members: that *@protocol is "tcp" or "udp", and becomes lower
 * case; the list of networks of SetEgress; the machine of LaunchFirecracker.
 */
bool banger_relations_check_protocol(char **protocol, GError **error);
bool banger_relations_check_networks(GArray *networks, GError **error);
bool banger_relations_check_launch(const BangerLaunchFirecrackerRequest *launch, GError **error);

/* Two files; type is one of those that there are. */
bool banger_relations_snapshot_machine(BangerRequest *request, const BangerSettings *settings,
                                       GError **error);
