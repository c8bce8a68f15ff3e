/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

/* EnsureBridge, DeleteBridge, CreateTap and DeleteTap, see docs/network.md. */
BangerOperation banger_op_ensure_bridge;
BangerOperation banger_op_create_tap;
BangerOperation banger_op_delete_tap;
BangerOperation banger_op_delete_bridge;

#ifdef BANGER_TEST_HOOKS
/* Called when the TAP @tap_name exists and is about to be made a port of its bridge. */
extern void (*banger_network_test_hook)(const char *tap_name);
#endif
