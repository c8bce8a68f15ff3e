/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"
#include "network/readdress.h"

/* EnsureBridge, DeleteBridge, CreateTap and DeleteTap, see docs/network.md. */
BangerOperation banger_op_ensure_bridge;
BangerOperation banger_op_create_tap;
BangerOperation banger_op_delete_tap;
BangerOperation banger_op_delete_bridge;

/*
 * CreateTap for @job, which may be NULL; of @reply the warning is set. *@ret_readdress is what was
 * done to the addresses of a bridge that was there, for banger_network_restore_bridge().
 */
bool banger_network_create_tap(const BangerSettings *settings, const BangerCreateTapRequest *create,
                               BangerJob *job, BangerReaddress *ret_readdress, BangerReply *reply,
                               GError **error);

/*
 * Takes back what was done to the addresses of the bridge, as banger_bridge_restore() does, and the
 * tables follow.
 */
void banger_network_restore_bridge(const BangerSettings *settings, const BangerBridge *bridge,
                                   const BangerReaddress *readdress);

#ifdef BANGER_TEST_HOOKS
/* Called when the TAP @tap_name exists and is about to be made a port of its bridge. */
extern void (*banger_network_test_hook)(const char *tap_name);
#endif
