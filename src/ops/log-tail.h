/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/types.h>

#include <glib.h>

#include "model/settings.h"

/*
 * The last lines that were written to the log @path, below the state directory, after its first
 * @start bytes: at most five, and 1 KiB, joined by " | ", valid UTF-8 without control characters.
 * Lines that show the guest's kernel arguments are left out: they may hold secrets. NULL if there
 * is nothing to show. Free with g_free().
 */
char *banger_log_tail(const BangerSettings *settings, const char *path, off_t start);
