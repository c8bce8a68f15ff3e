/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench.h"

#include <sys/stat.h>
#include <unistd.h>

#include "util/settings.h"

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

bool
bench_set_up(Bench *bench)
{
    bench->bars = g_array_new(FALSE, FALSE, sizeof(BenchBar));
    bench->tables = g_ptr_array_new();
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
