/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ops/operations.h"

/* EnsureBridge, CreateTap and DeleteTap, as design and introspection XML describe them. */
BangerOperation banger_network_ensure_bridge;
BangerOperation banger_network_create_tap;
BangerOperation banger_network_delete_tap;

#ifdef BANGER_TEST_HOOKS
/* Called when the TAP @tap_name exists and is about to be made a port of its bridge. */
extern void (*banger_network_test_hook)(const char *tap_name);
#endif
