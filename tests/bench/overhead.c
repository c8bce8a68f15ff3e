/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "bench/bench.h"

#define CALLS 1000 /* cheap calls: many, so that the median stands still */

enum { PING, ROOT, POLKIT, OWNER, N_KINDS };

static bool
turn(const Bench *bench, int kind, const char *owner_name)
{
    switch (kind) {
    case PING:
        return bench_ping(bench->root);
    case ROOT:
        return bench_call(bench->root, NULL, "ProcessRunning", "us", 1u, "");
    case POLKIT:
        return bench_ask_polkit(bench->root, owner_name);
    default:
        return bench_call(bench->owner, NULL, "ProcessRunning", "us", 1u, "");
    }
}

static bool
measure(const Bench *bench, BenchSeries **series)
{
    guint warm_up = CALLS / 10;
    const char *owner_name;

    if (sd_bus_get_unique_name(bench->owner, &owner_name) < 0)
        return false;
    for (guint i = 0; i < warm_up + CALLS; i++) {
        for (int kind = 0; kind < N_KINDS; kind++) {
            double start = bench_now();

            if (!turn(bench, kind, owner_name))
                return false;
            if (i >= warm_up)
                bench_series_add(series[kind], bench_now() - start);
        }
    }
    return true;
}

static void
enter(Bench *bench, const char *name, const char *text, double bar, const BenchSeries *over,
      const BenchSeries *under)
{
    double upper = bench_series_median(over);
    double lower = bench_series_median(under);

    bench_enter(bench, &(BenchBar){
                           .name = name,
                           .text = text,
                           .bar = bar,
                           .at_most = true,
                           .figure = upper / lower,
                           .unit = "x",
                           .note = g_strdup_printf("medians %.0f us and %.0f us, p99 %.0f us and "
                                                   "%.0f us",
                                                   upper, lower, bench_series_percentile(over, 99),
                                                   bench_series_percentile(under, 99)),
                       });
}

void
bench_overhead(Bench *bench)
{
    BenchSeries *series[N_KINDS];

    if (!bench_wanted(bench, "overhead"))
        return;
    for (int kind = 0; kind < N_KINDS; kind++)
        series[kind] = bench_series_new();
    if (measure(bench, series)) {
        enter(bench, "overhead, root", "ProcessRunning by root over Peer.Ping", 2.5, series[ROOT],
              series[PING]);
        enter(bench, "overhead, owner",
              "ProcessRunning by the owner over polkit's answer to the same question", 1.25,
              series[OWNER], series[POLKIT]);
    } else {
        (void)bench_fail(bench, "overhead: not measured");
    }
    for (int kind = 0; kind < N_KINDS; kind++)
        bench_series_free(series[kind]);
}
