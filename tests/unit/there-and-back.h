/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "model/methods.h"

/*
 * The JSON @params (NULL: none) to a message of @bus, a loose_bus_new(), and back by the same
 * @fields: what the helper would see, as JSON; free with g_free(). NULL and *@error if @params are
 * refused.
 */
char *there_and_back(sd_bus *bus, const BangerField *fields, const char *params, GError **error);
