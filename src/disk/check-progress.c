/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/check-progress.h"

#include <glib.h>

#define PASSES 5u

/* How much is done before each of the passes, as e2fsck itself weighs them for its bar. */
static const double before[PASSES + 1] = {0, 0.70, 0.90, 0.92, 0.95, 1};

/* A number of @text, and the blank behind it. */
static bool
take_number(const char **text, guint64 *ret_number)
{
    char *end;

    if (!g_ascii_isdigit(**text))
        return false;
    *ret_number = g_ascii_strtoull(*text, &end, 10);
    *text = end + 1;
    return *end == ' ';
}

static bool
take_line(const char *line, double *ret_done)
{
    guint64 pass = 0, n = 0, max = 0;

    if (!take_number(&line, &pass) || !take_number(&line, &n) || !take_number(&line, &max) ||
        pass < 1 || pass > PASSES || max == 0 || n > max)
        return false;
    *ret_done = before[pass - 1] + (before[pass] - before[pass - 1]) * (double)n / (double)max;
    return true;
}

bool
banger_check_progress_add(BangerCheckProgress *progress, const char *data, size_t length)
{
    double done = progress->done;

    for (size_t i = 0; i < length; i++) {
        if (data[i] != '\n') {
            progress->line[progress->length] = data[i];
            /* The end of a line that is too long does not matter. */
            progress->length = MIN(progress->length + 1, sizeof progress->line - 1);
            continue;
        }
        progress->line[progress->length] = '\0';
        progress->length = 0;
        (void)take_line(progress->line, &done);
    }
    if (done <= progress->done)
        return false;
    progress->done = done;
    return true;
}
