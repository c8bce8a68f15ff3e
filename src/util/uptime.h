/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

/* Seconds since the boot, time asleep included (CLOCK_BOOTTIME of clock_gettime(2)); never 0. */
uint64_t banger_uptime_s(void);
