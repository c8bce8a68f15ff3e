/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "util/error.h"
#include "util/settings.h"

/*
 * Serves org.banger.Helper1 on the system bus until the service has been idle for
 * @settings->idle_timeout_sec, SIGTERM or SIGINT arrives, or the bus goes away.
 *
 * No call is ever dropped: the name is given up first, calls that reached this process before the
 * bus confirmed that are still served, and the process ends when the last of them was answered. A
 * call made later finds no owner of the name, and the bus starts the service again.
 *
 * Errors: OperationFailed if the bus or the name cannot be had.
 */
bool banger_daemon_run(const BangerSettings *settings, GError **error);
