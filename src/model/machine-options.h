/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "model/requests.h"

/*
 * What the optional keys of a machine say together, and which texts they may be: drive_options are
 * of drives, interfaces and TAPs are named once, mmds names interfaces, a rate limiter limits
 * something, the balloon fits into the memory. Errors: BadParams.
 */
bool banger_relations_machine_options(const BangerLaunchFirecrackerRequest *launch, GError **error);
