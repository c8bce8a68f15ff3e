/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/compare.h"

#include <stdio.h>

#define WARM_UP_ROUNDS 3

sd_bus *
bench_side_bus(const Bench *bench, BenchSide side)
{
    if (side == BENCH_ROOT)
        return bench->root;
    return side == BENCH_OWNER ? bench->owner : NULL;
}

static bool
takes_part(const BenchCase *one, BenchSide side)
{
    if (side == BENCH_LEAST)
        return one->least != NULL;
    return side != BENCH_REFERENCE || one->reference != NULL;
}

/* Lets @side do the work of @one once; its time goes to @series, if that is not NULL. */
static bool
turn(Bench *bench, const BenchCase *one, BenchSide side, BenchSeries *series)
{
    double start, end;

    if (one->before != NULL && !one->before(bench, side))
        return bench_fail(bench, "%s: cannot be prepared", one->name);
    bench_settle_netfilter();
    start = bench_now();
    if (!one->run(bench, side))
        return bench_fail(bench, "%s: failed (side %d)", one->name, side);
    end = bench_now();
    if (one->after != NULL && !one->after(bench, side))
        return bench_fail(bench, "%s: cannot be undone", one->name);
    if (series != NULL)
        bench_series_add(series, end - start);
    return true;
}

static bool
rounds(Bench *bench, const BenchCase *one, BenchComparison *comparison)
{
    guint wanted = one->most_rounds > 0 ? MIN(one->most_rounds, bench->rounds) : bench->rounds;
    guint warm_up = MIN(WARM_UP_ROUNDS, wanted);

    for (guint i = 0; i < warm_up + wanted; i++) {
        for (BenchSide side = 0; side < BENCH_N_SIDES; side++) {
            if (takes_part(one, side) &&
                !turn(bench, one, side, i < warm_up ? NULL : comparison->series[side]))
                return false;
        }
        /*
         * Root's call, which begins the next round, finds the caches as the processes left them: so
         * does what its time is compared with, and it must not be that which warms them.
         */
        if (one->least != NULL && one->reference != NULL &&
            !turn(bench, one, BENCH_REFERENCE, NULL))
            return false;
    }
    return true;
}

static void
enter_bar(Bench *bench, const BenchComparison *comparison)
{
    const BenchCase *one = comparison->one;

    if (one->bar > 0)
        bench_enter(bench, &(BenchBar){
                               .name = one->name,
                               .text = "times as fast as the processes",
                               .bar = one->bar,
                               .figure = bench_comparison_ratio(comparison, BENCH_ROOT),
                               .unit = "x",
                               .skipped = g_strdup(comparison->skipped),
                           });
}

void
bench_compare(Bench *bench, const BenchCase *one)
{
    BenchComparison *comparison;

    if (!bench_wanted(bench, one->name))
        return;
    comparison = g_new0(BenchComparison, 1);
    comparison->one = one;
    for (BenchSide side = 0; side < BENCH_N_SIDES; side++)
        comparison->series[side] = bench_series_new();
    if (one->obstacle != NULL)
        comparison->skipped = one->obstacle(bench);
    if (comparison->skipped == NULL) {
        bool ok = (one->set_up == NULL || one->set_up(bench)) && rounds(bench, one, comparison);

        if (one->tear_down != NULL)
            one->tear_down(bench);
        if (!ok) {
            comparison->skipped = g_strdup("failed");
            (void)bench_fail(bench, "%s: not measured", one->name);
        }
    }
    g_ptr_array_add(bench->tables, comparison);
    enter_bar(bench, comparison);
}

double
bench_comparison_ratio(const BenchComparison *comparison, BenchSide side)
{
    double mine = bench_series_median(comparison->series[side]);
    double reference = bench_series_median(comparison->series[BENCH_REFERENCE]);

    return mine > 0 ? reference / mine : 0;
}
