/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"
#include "network/bridge-change.h"

/* EnsureBridge, DeleteBridge, CreateTap and DeleteTap, see docs/network.md. */
BangerOperation banger_op_ensure_bridge;
BangerOperation banger_op_create_tap;
BangerOperation banger_op_delete_tap;
BangerOperation banger_op_delete_bridge;

/*
 * CreateTap for @job, which may be NULL; of @reply the warning is set. *@ret_change, which must be
 * {0}, is what was done to the bridge, for banger_network_restore_bridge().
 */
bool banger_network_create_tap(const BangerSettings *settings, const BangerCreateTapRequest *create,
                               BangerJob *job, BangerBridgeChange *ret_change, BangerReply *reply,
                               GError **error);

/*
 * Takes back what was done to the addresses of a bridge that was there, as
 * banger_bridge_restore_addresses() does, and the tables follow.
 */
void banger_network_restore_bridge(const BangerSettings *settings, const BangerBridge *bridge,
                                   const BangerBridgeChange *change);

#ifdef BANGER_TEST_HOOKS
/* Called when the TAP @tap_name exists and is about to be made a port of its bridge. */
extern void (*banger_network_test_hook)(const char *tap_name);
#endif
