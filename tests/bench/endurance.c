/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/mix.h"

#define CALLS 100000
#define WARM_UP_CALLS 1000
#define CLIENTS 4

/* Idle threads go after a while: that long a count may take to settle. */
#define SETTLE_MSEC 20000

typedef struct {
    long rss_kib;
    long fds;
    long threads;
} Usage;

static long
status_value(pid_t pid, const char *key)
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

static Usage
usage_of(pid_t pid)
{
    return (Usage){status_value(pid, "\nVmRSS:"), count_fds(pid), status_value(pid, "\nThreads:")};
}

/* What the helper uses when it has nothing to do: after its idle threads have gone. */
static Usage
usage_settled(pid_t pid)
{
    Usage usage = usage_of(pid);
    int still = 0;

    for (int i = 0; i < SETTLE_MSEC / 100 && still < 20; i++) {
        Usage now;

        g_usleep(100 * 1000);
        now = usage_of(pid);
        still = now.threads == usage.threads && now.fds == usage.fds ? still + 1 : 0;
        usage = now;
    }
    return usage;
}

static void
enter_growth(Bench *bench, const char *name, const char *text, double bar, long before, long after,
             const char *unit)
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

static void
idle_memory(Bench *bench)
{
    Usage usage;
    pid_t pid;

    if (!bench_helper_stop(bench->root) ||
        !bench_call(bench->root, NULL, "ProcessRunning", "us", 1u, "") ||
        !bench_call(bench->owner, NULL, "ProcessRunning", "us", 1u, "")) {
        (void)bench_fail(bench, "endurance: the helper cannot be restarted");
        return;
    }
    pid = bench_helper_pid(bench->root);
    usage = usage_settled(pid);
    bench_enter(bench, &(BenchBar){
                           .name = "idle memory",
                           .text = "resident, after a call by root and one by the owner",
                           .bar = 10,
                           .at_most = true,
                           .figure = (double)usage.rss_kib / 1024,
                           .unit = "MiB",
                           .note = g_strdup_printf("anonymous %.1f MiB, the rest is shared code",
                                                   (double)status_value(pid, "\nRssAnon:") / 1024),
                       });
}

void
bench_endurance(Bench *bench)
{
    BenchMix mix = {.clients = CLIENTS, .calls = WARM_UP_CALLS / CLIENTS};
    Usage before, after;
    bool ok;

    if (bench_wanted(bench, "idle memory"))
        idle_memory(bench);
    if (!bench_wanted(bench, "endurance"))
        return;
    ok = bench_mix_set_up(bench) && bench_mix_run(bench, &mix);
    before = usage_settled(bench_helper_pid(bench->root));
    mix.calls = (CALLS - WARM_UP_CALLS) / CLIENTS;
    ok = ok && bench_mix_run(bench, &mix);
    after = usage_settled(bench_helper_pid(bench->root));
    bench_mix_tear_down(bench);
    if (!ok || before.rss_kib < 0 || after.rss_kib < 0) {
        (void)bench_fail(bench, "endurance: not measured");
        return;
    }
    enter_growth(bench, "endurance, memory", "resident memory over 99,000 mixed calls", 256,
                 before.rss_kib, after.rss_kib, "KiB");
    enter_growth(bench, "endurance, descriptors", "open fds over them", 0, before.fds, after.fds,
                 "");
    enter_growth(bench, "endurance, threads", "threads over them", 0, before.threads, after.threads,
                 "");
}
