/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/methods.h"

/* Requests for the tests of the model, made from the table's descriptors. */

/* The settings that the sample requests go with. */
extern const BangerSettings sample_settings;

/*
 * A request of @method that validation takes; free it with banger_request_free(). Its strings are
 * parsed from what sample_value() says, its arrays have two elements.
 */
BangerRequest *sample_request(const BangerMethod *method);

/* Parses @text as the string @name, an argument or a key of a dictionary, of @request. */
bool set_text(const BangerMethod *method, BangerRequest *request, const char *name,
              const char *text, GError **error);

/* A text that is well-formed for the string @field. Static. */
const char *sample_value(const BangerField *field);

/* Requires that @request is refused with BadParams, by a message that begins with @prefix. */
void check_request_refused(const BangerMethod *method, BangerRequest *request, const char *prefix);
