/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Writes @value to the kernel setting at @path, below /proc/sys and with slashes ("net/ipv4/…").
 * Errors: NotFound if this kernel has no such setting, OperationFailed.
 */
bool banger_sysctl_set(const char *path, const char *value, GError **error);

/*
 * Sees to it that the kernel setting at @path has @value; writes only if it has another.
 * *@ret_previous (which may be NULL) is the value it had if it was written, and NULL otherwise;
 * free with g_free(). Errors: those of banger_sysctl_set().
 */
bool banger_sysctl_ensure(const char *path, const char *value, char **ret_previous, GError **error);
