/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/address.h"
#include "network/netlink.h"

/*
 * Forgets which MAC the neighbour @address has on the link with @index (RTM_DELNEIGH); knowing none
 * is a success. Errors: Timeout, OperationFailed.
 */
bool banger_neighbour_delete(BangerNetlink *route, int index, const BangerAddress *address,
                             GError **error);
