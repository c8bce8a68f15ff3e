/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <time.h>

#include "bench/bench.h"

BenchSeries *
bench_series_new(void)
{
    BenchSeries *series = g_new0(BenchSeries, 1);

    series->usec = g_array_new(FALSE, FALSE, sizeof(double));
    return series;
}

void
bench_series_free(BenchSeries *series)
{
    g_array_unref(series->usec);
    g_free(series);
}

void
bench_series_add(BenchSeries *series, double usec)
{
    g_array_append_val(series->usec, usec);
}

void
bench_series_join(BenchSeries *series, const BenchSeries *other)
{
    g_array_append_vals(series->usec, other->usec->data, other->usec->len);
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double
bench_series_percentile(const BenchSeries *series, double percent)
{
    guint rank;

    if (series->usec->len == 0)
        return 0;
    g_array_sort(series->usec, compare);
    rank = (guint)ceil(percent / 100 * series->usec->len);
    return g_array_index(series->usec, double, MAX(rank, 1) - 1);
}

double
bench_series_median(const BenchSeries *series)
{
    guint n = series->usec->len;

    if (n == 0)
        return 0;
    g_array_sort(series->usec, compare);
    return (g_array_index(series->usec, double, (n - 1) / 2) +
            g_array_index(series->usec, double, n / 2)) /
           2;
}

double
bench_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}
