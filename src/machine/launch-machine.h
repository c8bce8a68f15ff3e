/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"
#include "util/settings.h"
#include "util/undo.h"

/*
 * Has the source check know the Ethernet addresses (guest_mac) of @launch's interfaces, whose TAPs
 * are there; @undo takes that back.
 */
bool banger_machine_note_macs(const BangerSettings *settings,
                              const BangerLaunchFirecrackerRequest *launch, BangerUndo *undo,
                              GError **error);
