/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

/* EnsureBridge, DeleteBridge, CreateTap and DeleteTap, see docs/network.md. */
BangerOperation banger_op_ensure_bridge;
BangerOperation banger_op_create_tap;
BangerOperation banger_op_delete_tap;
BangerOperation banger_op_delete_bridge;

/*
 * CreateTap for @job, which may be NULL; of @reply the warning is set. *@ret_removed is what
 * addresses the bridge had and has no more, for banger_network_restore_bridge(); free it with
 * g_array_unref().
 */
bool banger_network_create_tap(const BangerSettings *settings, const BangerCreateTapRequest *create,
                               BangerJob *job, GArray **ret_removed, BangerReply *reply,
                               GError **error);

/*
 * Puts the addresses @removed back on the bridge, in place of that of @bridge, unless a guest needs
 * it.
 */
void banger_network_restore_bridge(const BangerSettings *settings, const BangerBridge *bridge,
                                   const GArray *removed);

#ifdef BANGER_TEST_HOOKS
/* Called when the TAP @tap_name exists and is about to be made a port of its bridge. */
extern void (*banger_network_test_hook)(const char *tap_name);
#endif
