/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Writes @value to the kernel setting at @path, below /proc/sys and with slashes ("net/ipv4/…").
 * Errors: NotFound if this kernel has no such setting, OperationFailed.
 */
bool banger_sysctl_set(const char *path, const char *value, GError **error);

/* Whether the kernel setting at @path has @value. Errors: those of banger_sysctl_set(). */
bool banger_sysctl_is(const char *path, const char *value, bool *ret_is, GError **error);
