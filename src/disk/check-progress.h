/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * What e2fsck reports with -C (e2fsck(8)): lines of the number of the pass, how much of it is done,
 * how much there is to do, and the device. Zeroed at first.
 */
typedef struct {
    char line[64]; /* not complete yet */
    size_t length;
    double done; /* of all passes, 0 to 1 */
} BangerCheckProgress;

/*
 * Takes @length bytes more. Returns whether @progress->done has changed. What is no such line
 * changes nothing.
 */
bool banger_check_progress_add(BangerCheckProgress *progress, const char *data, size_t length);
