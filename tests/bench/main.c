/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/compare.h"
#include "util/settings.h"

#define ROUNDS 30
#define CAMPAIGN_CALLS 1000000

bool
bench_wanted(const Bench *bench, const char *name)
{
    if (bench->only == NULL)
        return true;
    for (char **pattern = bench->only; *pattern != NULL; pattern++)
        if (g_pattern_match_simple(*pattern, name))
            return true;
    return false;
}

void
bench_enter(Bench *bench, const BenchBar *bar)
{
    g_array_append_val(bench->bars, *bar);
    if (bar->skipped != NULL)
        g_printerr("%s: skipped: %s\n", bar->name, bar->skipped);
    else
        g_printerr("%s: %.2f %s\n", bar->name, bar->figure, bar->unit);
}

bool
bench_fail(Bench *bench, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_printerr("bench: %s\n", text);
    bench->failed = true;
    return false;
}

static bool
get_property(sd_bus *bus, const char *name, char type, void *value)
{
    return sd_bus_get_property_trivial(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH, BANGER_INTERFACE,
                                       name, NULL, type, value) >= 0;
}

/* Asks the helper how this host is configured, and connects as its callers. */
static bool
set_up(Bench *bench)
{
    bench->root = bench_peer_open(0, 0);
    if (bench->root == NULL)
        return bench_fail(bench, "there is no system bus");
    if (!get_property(bench->root, "OwnerUID", 'u', &bench->owner_uid) ||
        !get_property(bench->root, "OwnerGID", 'u', &bench->owner_gid) ||
        sd_bus_get_property_string(bench->root, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                   BANGER_INTERFACE, "StateDirectory", NULL,
                                   &bench->state_directory) < 0 ||
        sd_bus_get_property_string(bench->root, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                   BANGER_INTERFACE, "RuntimeDirectory", NULL,
                                   &bench->runtime_directory) < 0)
        return bench_fail(bench, "the helper does not answer");
    bench->owner = bench_peer_open(bench->owner_uid, bench->owner_gid);
    if (bench->owner == NULL)
        return bench_fail(bench, "the owner cannot connect to the bus");
    bench->directory = g_build_filename(bench->state_directory, "bench", NULL);
    (void)g_mkdir_with_parents(bench->directory, 0755);
    return chown(bench->directory, bench->owner_uid, bench->owner_gid) == 0 ||
           bench_fail(bench, "%s cannot be made", bench->directory);
}

static void
run(Bench *bench, uint64_t n_calls)
{
    bench_overhead(bench);
    bench_json_socket(bench);
    bench_activation(bench);
    bench_network_cases(bench);
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
    bench.bars = g_array_new(FALSE, FALSE, sizeof(BenchBar));
    bench.tables = g_ptr_array_new();
    if (!set_up(&bench))
        return 1;
    run(&bench, (uint64_t)MAX(n_calls, 1));
    (void)rmdir(bench.directory);
    bench_report_print(&bench);
    if ((json != NULL && !bench_report_write_json(&bench, json)) ||
        (ratios != NULL && !bench_report_write_ratios(&bench, ratios)))
        return 1;
    return bench.failed ? 1 : 0;
}
