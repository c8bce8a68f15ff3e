/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "model/methods.h"

/*
 * Reads the arguments @fields of @message into the struct at @base, which is zeroed, from where the
 * message is read next. *@ret_bytes is how many bytes its strings and byte arrays have. On failure
 * what was read so far is in @base: banger_fields_clear() frees it. Errors: as
 * banger_message_decode().
 */
bool banger_message_decode_fields(sd_bus_message *message, const BangerField *fields,
                                  const BangerSettings *settings, void *base, size_t *ret_bytes,
                                  GError **error);

/*
 * Skips the arguments @fields of @message. By the table's types rather than by
 * sd_bus_message_skip(), which goes through an array of bytes one by one: a second for 32 MiB, on
 * the thread that every caller waits for. False if they are not there, or if an array is over its
 * limit.
 */
bool banger_message_skip_fields(sd_bus_message *message, const BangerField *fields);
