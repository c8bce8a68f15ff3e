/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "bench/compare.h"
#include "util/json-string.h"

static const char *const side_names[] = {"root", "owner", "reference", "least"};

static bool
is_met(const BenchBar *bar)
{
    return bar->at_most ? bar->figure <= bar->bar : bar->figure >= bar->bar;
}

static bool
has_bar(const BenchBar *bar)
{
    return bar->bar > 0 || bar->at_most;
}

static const char *
verdict(const BenchBar *bar)
{
    if (bar->skipped != NULL)
        return "skipped";
    if (!has_bar(bar))
        return "";
    return is_met(bar) ? "met" : "MISSED";
}

static void
print_bar(const BenchBar *bar)
{
    g_autofree char *limit = NULL;

    if (bar->skipped != NULL) {
        (void)printf("%-40s skipped: %s\n", bar->name, bar->skipped);
        return;
    }
    limit = has_bar(bar)
                ? g_strdup_printf("%s %g %s", bar->at_most ? "<=" : ">=", bar->bar, bar->unit)
                : g_strdup("");
    (void)printf("%-40s %10.2f %-4s %-12s %-7s %s\n", bar->name, bar->figure, bar->unit, limit,
                 verdict(bar), bar->note == NULL ? bar->text : bar->note);
}

static void
print_time(const BenchSeries *series)
{
    if (series->usec->len == 0)
        (void)printf(" %19s", "-");
    else
        (void)printf(" %9.0f %9.0f", bench_series_median(series),
                     bench_series_percentile(series, 99));
}

static void
print_comparison(const BenchComparison *comparison)
{
    double least = bench_series_median(comparison->series[BENCH_LEAST]);
    double helper = bench_series_median(comparison->series[BENCH_ROOT]);

    (void)printf("%-38s", comparison->one->name);
    if (comparison->skipped != NULL) {
        (void)printf(" skipped: %s\n", comparison->skipped);
        return;
    }
    for (BenchSide side = BENCH_ROOT; side <= BENCH_REFERENCE; side++)
        print_time(comparison->series[side]);
    (void)printf(" %7.1fx %7.1fx\n", bench_comparison_ratio(comparison, BENCH_ROOT),
                 bench_comparison_ratio(comparison, BENCH_OWNER));
    if (comparison->one->reference != NULL)
        (void)printf("    instead of: %s\n", comparison->one->reference);
    if (least > 0)
        (void)printf("    %s: median %.0f us, %.0f %% of the helper's time; the helper takes %.2f "
                     "times that, the processes %.2f times\n",
                     comparison->one->least, least, 100 * least / helper, helper / least,
                     bench_series_median(comparison->series[BENCH_REFERENCE]) / least);
}

void
bench_report_print(const Bench *bench)
{
    (void)printf("\nThe same work, in turn, %u rounds; microseconds, median and p99\n"
                 "%-38s %19s %19s %19s %8s %8s\n",
                 bench->rounds, "", "helper, by root", "by the owner", "the processes", "ratio",
                 "owner's");
    for (guint i = 0; i < bench->tables->len; i++)
        print_comparison(g_ptr_array_index(bench->tables, i));
    (void)printf("\n%-40s %15s %-12s\n", "Bars", "figure", "bar");
    for (guint i = 0; i < bench->bars->len; i++)
        print_bar(&g_array_index(bench->bars, BenchBar, i));
    (void)fflush(stdout);
}

static void
member(GString *json, const char *name, const char *text)
{
    g_string_append_printf(json, ",\"%s\":", name);
    if (text == NULL)
        g_string_append(json, "null");
    else
        banger_json_append_string(json, text);
}

static void
append_number(GString *json, const char *name, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(json, ",\"%s\":%s", name,
                           g_ascii_formatd(text, sizeof text, "%.3f", value));
}

static void
append_comparison(GString *json, const BenchComparison *comparison)
{
    g_string_append(json, "{\"name\":");
    banger_json_append_string(json, comparison->one->name);
    member(json, "processes", comparison->one->reference);
    member(json, "skipped", comparison->skipped);
    for (BenchSide side = 0; side < BENCH_N_SIDES; side++) {
        const BenchSeries *series = comparison->series[side];

        if (series->usec->len == 0)
            continue;
        g_string_append_printf(json, ",\"%s\":{\"rounds\":%u", side_names[side], series->usec->len);
        append_number(json, "median_usec", bench_series_median(series));
        append_number(json, "p99_usec", bench_series_percentile(series, 99));
        g_string_append_c(json, '}');
    }
    append_number(json, "ratio_root", bench_comparison_ratio(comparison, BENCH_ROOT));
    append_number(json, "ratio_owner", bench_comparison_ratio(comparison, BENCH_OWNER));
    append_number(json, "bar", comparison->one->bar);
    g_string_append(json, "}");
}

static void
append_bar(GString *json, const BenchBar *bar)
{
    g_string_append(json, "{\"name\":");
    banger_json_append_string(json, bar->name);
    member(json, "text", bar->text);
    member(json, "skipped", bar->skipped);
    member(json, "note", bar->note);
    if (bar->skipped == NULL) {
        append_number(json, "figure", bar->figure);
        member(json, "unit", bar->unit);
    }
    if (has_bar(bar)) {
        append_number(json, bar->at_most ? "at_most" : "at_least", bar->bar);
        member(json, "verdict", verdict(bar));
    }
    g_string_append(json, "}");
}

bool
bench_report_write_json(const Bench *bench, const char *path)
{
    g_autoptr(GString) json = g_string_new("{\"comparisons\":[\n");

    for (guint i = 0; i < bench->tables->len; i++) {
        g_string_append(json, i > 0 ? ",\n" : "");
        append_comparison(json, g_ptr_array_index(bench->tables, i));
    }
    g_string_append(json, "],\n\"bars\":[\n");
    for (guint i = 0; i < bench->bars->len; i++) {
        g_string_append(json, i > 0 ? ",\n" : "");
        append_bar(json, &g_array_index(bench->bars, BenchBar, i));
    }
    g_string_append(json, "]}\n");
    return g_file_set_contents(path, json->str, (gssize)json->len, NULL);
}

bool
bench_report_write_ratios(const Bench *bench, const char *path)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < bench->tables->len; i++) {
        const BenchComparison *comparison = g_ptr_array_index(bench->tables, i);
        double ratio =
            comparison->skipped == NULL ? bench_comparison_ratio(comparison, BENCH_ROOT) : 0;

        /* Some are beside no processes. */
        if (ratio > 0)
            g_string_append_printf(text, "%s\t%.2f\t%.2f\t%g\n", comparison->one->name, ratio,
                                   bench_comparison_ratio(comparison, BENCH_OWNER),
                                   comparison->one->bar);
    }
    return g_file_set_contents(path, text->str, (gssize)text->len, NULL);
}
