/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

/* SyncResolverRouting and ClearResolverRouting. */
BangerOperation banger_op_sync_resolver_routing;
BangerOperation banger_op_clear_resolver_routing;
