/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/methods.h"

/*
 * Validates @request, decoded for @method, and brings it into the form the operations expect: white
 * space around strings is trimmed, addresses are canonical, a dm target is reduced to its name,
 * defaults are in place. Pure: the result depends on @request and @settings alone.
 *
 * The op_id is checked, and minted if it is empty, by the caller, which needs it for its answer
 * whatever comes of the rest.
 *
 * Errors: BadParams, with the member's name first in the message.
 */
bool banger_request_validate(const BangerMethod *method, BangerRequest *request,
                             const BangerSettings *settings, GError **error);
