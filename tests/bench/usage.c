/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/usage.h"

#include <stdlib.h>
#include <string.h>

/* Idle threads go after a while: that long a count may take to become steady. */
#define SETTLE_MSEC 20000

long
bench_usage_value(pid_t pid, const char *key)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;
    const char *at;

    if (!g_file_get_contents(path, &text, NULL, NULL) || (at = strstr(text, key)) == NULL)
        return -1;
    return strtol(at + strlen(key), NULL, 10);
}

static long
count_fds(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    long n = 0;

    while (dir != NULL && g_dir_read_name(dir) != NULL)
        n++;
    return n;
}

static BenchUsage
usage_of(pid_t pid)
{
    return (BenchUsage){bench_usage_value(pid, "\nVmRSS:"), count_fds(pid),
                        bench_usage_value(pid, "\nThreads:")};
}

BenchUsage
bench_usage_settled(pid_t pid)
{
    BenchUsage usage = usage_of(pid);
    int still = 0;

    for (int i = 0; i < SETTLE_MSEC / 100 && still < 20; i++) {
        BenchUsage now;

        g_usleep(100 * 1000);
        now = usage_of(pid);
        still = now.threads == usage.threads && now.fds == usage.fds ? still + 1 : 0;
        usage = now;
    }
    return usage;
}

void
bench_enter_growth(Bench *bench, const char *name, const char *text, double bar, long before,
                   long after, const char *unit)
{
    bench_enter(bench, &(BenchBar){
                           .name = name,
                           .text = text,
                           .bar = bar,
                           .at_most = true,
                           .figure = (double)(after - before),
                           .unit = unit,
                           .note = g_strdup_printf("%ld, then %ld", before, after),
                       });
}
