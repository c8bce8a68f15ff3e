/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bangerctl/client.h"
#include "bangerctl/output.h"

/*
 * Subscribes, and prints each signal of the helper on a line, until the connection ends. Subscribes
 * again when another process takes over the helper's name.
 */
ClientStatus watch_run(sd_bus *bus, const OutputOptions *options);
