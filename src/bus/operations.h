/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/methods.h"

/* Once, before the first operation: what the rooms must know of each other. */
void banger_operations_init(void);

/* Runs the operation of @method on the calling thread. Errors: those of the operation. */
bool banger_operation_run(const BangerMethod *method, const BangerSettings *settings,
                          const BangerRequest *request, BangerReply *reply, GError **error);
