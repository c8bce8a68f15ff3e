/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

/*
 * EnsurePortForward and SetEgress (docs/network.md): who reaches a registered guest, and what it
 * reaches.
 */
BangerOperation banger_op_ensure_port_forward;
BangerOperation banger_op_set_egress;

/*
 * Whether EnsurePortForward would forward the host's port of @forward, once its guest is
 * registered. Nothing is changed. Errors: AlreadyExists if it leads to another guest; BadParams or
 * Busy if it is not to be had.
 */
bool banger_reach_check_forward(const BangerSettings *settings,
                                const BangerEnsurePortForwardRequest *forward, GError **error);
