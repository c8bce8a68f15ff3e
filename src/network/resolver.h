/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ops/operations.h"

/* SyncResolverRouting and ClearResolverRouting. */
BangerOperation banger_resolver_sync;
BangerOperation banger_resolver_clear;
