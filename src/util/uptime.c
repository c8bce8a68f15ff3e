/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/uptime.h"

#include <time.h>

uint64_t
banger_uptime_s(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec > 0 ? (uint64_t)now.tv_sec : 1;
}
