/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

/*
 * The last lines that were written to the log that @log_fd is open on after its first @start bytes:
 * at most five, and 1 KiB, joined by " | ", valid UTF-8 without control characters. Lines that show
 * the guest's @kernel_args are left out: they may contain secrets. NULL if there is nothing to
 * show. Free with g_free().
 */
char *banger_log_tail(int log_fd, const char *kernel_args, off_t start);

/* Whether @text has one of the arguments in @kernel_args in it, or the value of one. */
bool banger_log_tells(const char *text, const char *kernel_args);
