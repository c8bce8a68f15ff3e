/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "model/methods.h"

/* Between D-Bus messages and the structs of model/requests.h, by the method table's descriptors. */

/* Whether @message has the signature of a call of @method. Errors: BadParams. */
bool banger_message_check_signature(sd_bus_message *message, const BangerMethod *method,
                                    GError **error);

/*
 * Reads @message, a call of @method, into a new request that owns
 * everything: the message is not needed afterwards. The op_id, the last argument, is as the caller
 * gave it. Strings are parsed (model/value.h) as they are read.
 *
 * On failure the request is returned all the same in *@ret_request, with as much of the op_id as
 * could be read, so that the answer can carry it. Errors: BadParams for a wrong signature, for a
 * string that is not of its kind, for a dictionary with an unknown, duplicate, missing or wrongly
 * typed key and for an array over its limit; LimitsExceeded for more than BANGER_MESSAGE_MAX bytes
 * of arguments.
 */
bool banger_message_decode(sd_bus_message *message, const BangerMethod *method,
                           const BangerSettings *settings, BangerRequest **ret_request,
                           GError **error);

/*
 * As banger_message_decode(), for @message that calls the method of the machine @vm_id's object
 * which is @method without its first argument, the machine or its process @leader, and without
 * op_id. Its signature was checked. Errors: NotFound without a process that the method needs.
 */
bool banger_message_decode_machine(sd_bus_message *message, const BangerMethod *method,
                                   const char *vm_id, pid_t leader, const BangerSettings *settings,
                                   BangerRequest **ret_request, GError **error);

/*
 * The op_id of @message, a call of @method of the right signature, as the caller gave it; without
 * reading the other arguments. "" if it cannot be found. Free with g_free().
 */
char *banger_message_read_op_id(sd_bus_message *message, const BangerMethod *method);

/*
 * Whether the interface, the member and the arguments of @message, a call that is none of the
 * method table, are as short as all that there are: the message may have to wait, and sd-bus quotes
 * what it does not know. Its path is another matter.
 */
bool banger_message_is_short(sd_bus_message *message);

/*
 * A message that can be answered in place of @call: the same sender, serial and flags, without the
 * body and without the descriptors that came with it, which would be kept open until the answer.
 * Should it not be made, a reference on @call itself.
 */
sd_bus_message *banger_message_make_stub(sd_bus_message *call);

/*
 * Appends the members of @reply to @message, a method return of @method. A negative errno on
 * failure.
 */
int banger_message_encode(sd_bus_message *message, const BangerMethod *method,
                          const BangerReply *reply);

/* Answers @call with @error. What sd-bus returns. */
int banger_message_reply_error(sd_bus_message *call, const GError *error);

/* The signature of a call of @method, "s" for op_id at the end. Free with g_free(). */
char *banger_message_signature(const BangerMethod *method);
