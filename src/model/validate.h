/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/methods.h"

/*
 * Validates what the text of no single member says of @request, decoded for @method: numbers are in
 * their range, arrays and bytes within their limits, file modes reduced to their bits, members
 * go with each other, and no detail (model/details.h) is too long for polkit. Pure: the result
 * depends on @request and @settings alone.
 *
 * The op_id is checked, and minted if it is empty, by the caller, which needs it for its answer
 * whatever comes of the rest.
 *
 * Errors: BadParams, with the member's name first in the message.
 */
bool banger_request_validate(const BangerMethod *method, BangerRequest *request,
                             const BangerSettings *settings, GError **error);
