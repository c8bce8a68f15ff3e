/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/methods.h"

/* Requests for the tests of the model, made from the table's descriptors. */

/* The settings that the sample requests go with. */
extern const BangerSettings sample_settings;

/* A request of @method that validation takes; free it with banger_request_free(). Its strings are
 * what sample_value() says, its arrays have two elements. */
BangerRequest *sample_request(const BangerMethod *method);

/* A value that is well-formed for the string @field. Static. */
const char *sample_value(const BangerField *field);
