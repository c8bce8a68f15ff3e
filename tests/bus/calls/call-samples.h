/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/methods.h"
#include "rig/rig-client.h"

/*
 * Well-formed calls of every method of the table, made from the table's own descriptors, so that
 * the tests about the call path cover a method as soon as it has a row. What they name does not
 * exist, but for @pid.
 */

/* A call of @method with @pid where it wants a process, and @op_id. */
sd_bus_message *sample_call(sd_bus *bus, const BangerMethod *method, uint32_t pid,
                            const char *op_id);

/* The value that sample_call() gives the string @field. */
char *sample_text(const BangerField *field);
