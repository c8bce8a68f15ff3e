/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench.h"
#include "bench/mix.h"
#include "bench/usage.h"

#define CALLS 100000
#define WARM_UP_CALLS 1000
#define CLIENTS 4

static void
idle_memory(Bench *bench)
{
    BenchUsage usage;
    pid_t pid;

    if (!bench_helper_stop(bench->root) ||
        !bench_call(bench->root, NULL, "ProcessRunning", "us", 1u, "") ||
        !bench_call(bench->owner, NULL, "ProcessRunning", "us", 1u, "")) {
        (void)bench_fail(bench, "endurance: the helper cannot be restarted");
        return;
    }
    pid = bench_helper_pid(bench->root);
    usage = bench_usage_settled(pid);
    bench_enter(bench,
                &(BenchBar){
                    .name = "idle memory",
                    .text = "resident, after a call by root and one by the owner",
                    .bar = 10,
                    .at_most = true,
                    .figure = (double)usage.rss_kib / 1024,
                    .unit = "MiB",
                    .note = g_strdup_printf("anonymous %.1f MiB, the rest is shared code",
                                            (double)bench_usage_value(pid, "\nRssAnon:") / 1024),
                });
}

void
bench_endurance(Bench *bench)
{
    BenchMix mix = {.clients = CLIENTS, .calls = WARM_UP_CALLS / CLIENTS};
    BenchUsage before, after;
    bool ok;

    if (bench_wanted(bench, "idle memory"))
        idle_memory(bench);
    if (!bench_wanted(bench, "endurance"))
        return;
    ok = bench_mix_set_up(bench) && bench_mix_run(bench, &mix);
    before = bench_usage_settled(bench_helper_pid(bench->root));
    mix.calls = (CALLS - WARM_UP_CALLS) / CLIENTS;
    ok = ok && bench_mix_run(bench, &mix);
    after = bench_usage_settled(bench_helper_pid(bench->root));
    bench_mix_tear_down(bench);
    if (!ok || before.rss_kib < 0 || after.rss_kib < 0) {
        (void)bench_fail(bench, "endurance: not measured");
        return;
    }
    bench_enter_growth(bench, "endurance, memory", "resident memory over 99,000 mixed calls", 256,
                       before.rss_kib, after.rss_kib, "KiB");
    bench_enter_growth(bench, "endurance, descriptors", "open fds over them", 0, before.fds,
                       after.fds, "");
    bench_enter_growth(bench, "endurance, threads", "threads over them", 0, before.threads,
                       after.threads, "");
}
