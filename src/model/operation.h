/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/methods.h"

/*
 * One method's work. Runs on a worker thread; @request was validated by banger_request_validate()
 * and is read only. On success @reply, zeroed by the caller, is filled in; the caller clears it. On
 * failure nothing that was done stays behind.
 */
typedef bool BangerOperation(const BangerSettings *settings, const BangerRequest *request,
                             BangerReply *reply, GError **error);
