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
 * As banger_sysctl_set(), but that this kernel has no such setting is a success: without IPv6 there
 * is none of it to be set.
 */
bool banger_sysctl_set_if_there(const char *path, const char *value, GError **error);

/* Whether the kernel setting at @path has @value. Errors: those of banger_sysctl_set(). */
bool banger_sysctl_is(const char *path, const char *value, bool *ret_is, GError **error);
