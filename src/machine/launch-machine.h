/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/operation.h"
#include "util/settings.h"

/*
 * banger_launch_run() of @launch, the machine of @request, once the source check knows the Ethernet
 * addresses (guest_mac) of its interfaces; a failure takes that back.
 */
bool banger_launch_machine(const BangerSettings *settings, const BangerRequest *request,
                           const BangerLaunchFirecrackerRequest *launch, bool checked,
                           uint32_t *ret_pid, GError **error);
