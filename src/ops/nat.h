/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ops/operations.h"

/* EnsureNAT: see ops/nat-table.h for what it does to nftables. */
BangerOperation banger_nat_ensure;
