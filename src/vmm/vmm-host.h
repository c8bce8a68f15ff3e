/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

#include "util/settings.h"

/*
 * What this host can do for VMMs. Appends to @features "kvm" where there is /dev/kvm, and "jail"
 * where each VMM has a jail of its own; to @warnings a text for each thing that keeps a VMM from
 * running, and for what its jail does not keep it from. Nothing is changed. Both are arrays of text
 * that they free.
 */
void banger_vmm_describe_host(const BangerSettings *settings, GPtrArray *features,
                              GPtrArray *warnings);
