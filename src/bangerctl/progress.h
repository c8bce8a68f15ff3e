/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bangerctl/client.h"

/*
 * As client_call(), for a call that can take minutes and whose op_id is @op_id: while it runs, a
 * line on standard error, where that is a terminal, shows how far its job is. The first SIGINT asks
 * the helper to cancel the job, the second ends the program.
 */
ClientStatus progress_call(sd_bus *bus, sd_bus_message *message, const char *op_id,
                           sd_bus_message **ret_reply);
