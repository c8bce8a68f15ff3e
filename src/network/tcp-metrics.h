/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/address.h"

/*
 * Forgets what the kernel's TCP has learned of the path to @address (ip-tcp_metrics(8)); nothing
 * is a success, and so is a kernel that keeps nothing. Errors: Timeout, OperationFailed.
 */
bool banger_tcp_metrics_forget(const BangerAddress *address, GError **error);
