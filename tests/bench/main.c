/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/compare.h"

#define ROUNDS 30
#define CAMPAIGN_CALLS 1000000

static void
run(Bench *bench, uint64_t n_calls)
{
    bench_overhead(bench);
    bench_json_socket(bench);
    bench_activation(bench);
    bench_network_cases(bench);
    bench_delete_many(bench);
    bench_image_cases(bench);
    bench_process_cases(bench);
    bench_snapshot_cases(bench);
    bench_bring_up_case(bench);
    bench_checks(bench);
    bench_load(bench);
    bench_endurance(bench);
    bench_campaign(bench, n_calls);
}

int
main(int argc, char **argv)
{
    static char *json, *ratios;
    static gint rounds = ROUNDS;
    static gint64 n_calls = CAMPAIGN_CALLS;
    static char **only;
    static const GOptionEntry options[] = {
        {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "Rounds of each comparison", "N"},
        {"calls", 0, 0, G_OPTION_ARG_INT64, &n_calls, "Calls of the campaign", "N"},
        {"only", 0, 0, G_OPTION_ARG_STRING_ARRAY, &only, "Only what matches, such as 'Ensure*'",
         "PATTERN"},
        {"json", 0, 0, G_OPTION_ARG_FILENAME, &json, "Write the results there", "FILE"},
        {"ratios", 0, 0, G_OPTION_ARG_FILENAME, &ratios, "Write the chart's data there", "FILE"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    Bench bench = {0};

    if (strcmp(argv[0], BENCH_VMM) == 0)
        return bench_be_vmm(argv[argc - 1]);
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || rounds < 1) {
        g_printerr("bench: %s\n", error == NULL ? "--rounds: not a number" : error->message);
        return 2;
    }
    bench.rounds = (guint)rounds;
    bench.only = only;
    if (!bench_set_up(&bench))
        return 1;
    run(&bench, (uint64_t)MAX(n_calls, 1));
    (void)rmdir(bench.directory);
    bench_report_print(&bench);
    if ((json != NULL && !bench_report_write_json(&bench, json)) ||
        (ratios != NULL && !bench_report_write_ratios(&bench, ratios)))
        return 1;
    return bench.failed ? 1 : 0;
}
