/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/*
 * Sees to it that the kernel setting at @path, below /proc/sys and with slashes ("net/ipv4/…"), has
 * @value; writes only if it has another. *@ret_previous (which may be NULL) is the value it had if
 * it was written, and NULL otherwise; free with g_free(). Errors: NotFound if this kernel has no
 * such setting, OperationFailed.
 */
bool banger_sysctl_ensure(const char *path, const char *value, char **ret_previous, GError **error);
