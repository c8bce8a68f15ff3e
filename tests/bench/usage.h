/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bench/bench.h"

/* What a process uses; -1: not known. */
typedef struct {
    long rss_kib;
    long fds;
    long threads;
} BenchUsage;

/* What the helper uses when it has nothing to do: after its idle threads have gone. */
BenchUsage bench_usage_settled(pid_t pid);

/* The number behind @key in /proc/PID/status, such as "\nRssAnon:"; -1: not known. */
long bench_usage_value(pid_t pid, const char *key);

/* Enters how much a count has grown, and the bar for it. */
void bench_enter_growth(Bench *bench, const char *name, const char *text, double bar, long before,
                        long after, const char *unit);
