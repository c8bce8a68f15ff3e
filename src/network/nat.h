/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"

BangerOperation banger_op_ensure_nat;

/*
 * Registers @guest for the TAP @tap as EnsureNAT does; without @nat for the source check alone: it
 * does not leave its bridge. Sets the warning of @reply. Errors: those of EnsureNAT.
 */
bool banger_nat_register(const BangerSettings *settings, const char *tap,
                         const BangerAddress *guest, bool nat, BangerReply *reply, GError **error);
