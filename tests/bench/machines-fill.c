/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bench/compare.h"
#include "bench/machines.h"
#include "util/sd-auto.h"
#include "util/settings.h"

/* A host that fills with machines and empties. */

#define NEAR 25 /* machines at each end of the course that are compared */
#define STEP 50 /* machines between two looks at bare units */
#define BARE_ROUNDS 5
#define COST_MAX 1.3
#define LIST_ROUNDS 20
#define GET_ROUNDS 500
#define LIST_MAX_MS 50
#define GET_MAX_MS 1
#define EXITS 10
#define EXIT_MAX_MS 100

typedef struct {
    double *create_usec;
    double *destroy_usec; /* by number */
    double *bare_usec;    /* at every STEP */
    guint count;
} Course;

static double
median_of(const double *usec, guint n)
{
    g_autoptr(BenchSeries) series = bench_series_new();

    for (guint i = 0; i < n; i++)
        bench_series_add(series, usec[i]);
    return bench_series_median(series);
}

/* What a bare unit costs beside the machines that there are. */
static double
time_bare(MachinesBare *bare)
{
    g_autoptr(BenchSeries) series = bench_series_new();

    for (guint i = 0; i < BARE_ROUNDS; i++) {
        double start = bench_now();

        if (!machines_bare_start(bare, 0) || !machines_bare_boot(bare, 0))
            return -1;
        bench_series_add(series, bench_now() - start);
        if (!machines_bare_stop(bare, 0))
            return -1;
    }
    return bench_series_median(series);
}

static bool
fill(Bench *bench, Course *course, MachinesBare *bare)
{
    for (guint i = 0; i < course->count; i++) {
        double start;

        if (i % STEP == 0 && (course->bare_usec[i / STEP] = time_bare(bare)) < 0)
            return false;
        start = bench_now();
        if (!machines_create(bench, bench->root, MACHINES_LEAN, i))
            return false;
        course->create_usec[i] = bench_now() - start;
    }
    course->bare_usec[course->count / STEP + 1] = time_bare(bare);
    return course->bare_usec[course->count / STEP + 1] >= 0;
}

static bool
empty(Bench *bench, Course *course)
{
    bool ok = true;

    for (guint i = course->count; i > 0; i--) {
        double start = bench_now();

        ok = machines_destroy(bench, bench->root, MACHINES_LEAN, i - 1) && ok;
        course->destroy_usec[i - 1] = bench_now() - start;
    }
    return ok;
}

/* "machines<TAB>create<TAB>destroy<TAB>bare" in milliseconds, a line for each STEP. */
static bool
write_course(const Course *course, const char *path)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i + STEP <= course->count || i == 0; i += STEP) {
        guint n = MIN((guint)STEP, course->count - i);

        g_string_append_printf(
            text, "%u\t%.2f\t%.2f\t%.2f\n", i + n / 2, median_of(course->create_usec + i, n) / 1000,
            median_of(course->destroy_usec + i, n) / 1000, course->bare_usec[i / STEP] / 1000);
    }
    return g_file_set_contents(path, text->str, (gssize)text->len, NULL);
}

/* What the last ones cost over the first ones. */
static void
enter_growth(Bench *bench, const char *name, const double *usec, guint count, double bare_growth)
{
    guint near = MIN((guint)NEAR, MAX(count / 2, 1));
    double first = median_of(usec, near);
    double last = median_of(usec + count - near, near);

    bench_enter(bench,
                &(BenchBar){
                    .name = name,
                    .text = "the last machine over the first",
                    .bar = COST_MAX,
                    .at_most = true,
                    .figure = last / first,
                    .unit = "x",
                    .note = g_strdup_printf("%.1f ms and %.1f ms, medians of %u, of %u machines; a "
                                            "bare unit and VMM: %.2f times",
                                            first / 1000, last / 1000, near, count, bare_growth),
                });
}

/* Nothing of the machines is left on the host. */
static bool
is_empty(void)
{
    g_autofree char *units = NULL;
    g_autofree char *links = NULL;
    g_autofree char *rules = NULL;

    return bench_run_output(&units, "systemctl", "list-units", "--all", "--plain", "--no-legend",
                            "banger-vm-*", NULL) &&
           bench_run_output(&links, "ip", "-o", "link", "show", "master", MACHINES_BRIDGE, NULL) &&
           bench_run_output(&rules, "nft", "list", "ruleset", NULL) && units[0] == '\0' &&
           links[0] == '\0' && strstr(rules, "172.30.1.") == NULL;
}

/* GetManagedObjects, of which nothing is read. */
static bool
list_objects(sd_bus *bus)
{
    g_autoptr(sd_bus_message) reply = NULL;

    return sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                              "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL,
                              &reply, NULL) >= 0;
}

static bool
get_state(sd_bus *bus)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(sd_bus_message) reply = NULL;

    return sd_bus_get_property(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH "/machines/b0",
                               BANGER_INTERFACE ".Machine", "State", &error, &reply, "s") >= 0;
}

/* The times of @rounds calls. */
static bool
time_calls(sd_bus *bus, bool (*call)(sd_bus *bus), guint rounds, BenchSeries *series)
{
    for (guint i = 0; i < rounds; i++) {
        double start = bench_now();

        if (!call(bus))
            return false;
        bench_series_add(series, bench_now() - start);
    }
    return true;
}

static bool
look_at_objects(Bench *bench, guint count)
{
    g_autoptr(BenchSeries) lists = bench_series_new();
    g_autoptr(BenchSeries) gets = bench_series_new();
    g_autoptr(BenchSeries) pings = bench_series_new();
    double get_ms, ping_ms;

    if (!list_objects(bench->owner) ||
        !time_calls(bench->owner, list_objects, LIST_ROUNDS, lists) || !get_state(bench->owner) ||
        !time_calls(bench->owner, get_state, GET_ROUNDS, gets) ||
        !time_calls(bench->owner, bench_ping, GET_ROUNDS, pings))
        return bench_fail(bench, "objects: not measured");
    get_ms = bench_series_median(gets) / 1000;
    ping_ms = bench_series_median(pings) / 1000;
    bench_enter(bench, &(BenchBar){
                           .name = "GetManagedObjects",
                           .text = "all objects in one reply",
                           .bar = LIST_MAX_MS,
                           .at_most = true,
                           .figure = bench_series_median(lists) / 1000,
                           .unit = "ms",
                           .note = g_strdup_printf("%u machines; p99 %.1f ms", count,
                                                   bench_series_percentile(lists, 99) / 1000),
                       });
    bench_enter(bench, &(BenchBar){
                           .name = "Get of one property",
                           .text = "over the bare bus call",
                           .bar = GET_MAX_MS,
                           .at_most = true,
                           .figure = get_ms - ping_ms,
                           .unit = "ms",
                           .note = g_strdup_printf("%.2f ms, Ping %.2f ms; beside %u machines",
                                                   get_ms, ping_ms, count),
                       });
    return true;
}

/* The end of one machine, as its signal says. */
typedef struct {
    char *vm_id;
    bool told;
    char *result;
    int status;
} End;

static int
on_exited(sd_bus_message *message, void *user_data, sd_bus_error *error)
{
    End *end = user_data;
    const char *vm_id, *result;
    int status;

    (void)error;
    if (sd_bus_message_read(message, "ssi", &vm_id, &result, &status) >= 0 &&
        g_strcmp0(vm_id, end->vm_id) == 0) {
        end->told = true;
        g_free(end->result);
        end->result = g_strdup(result);
        end->status = status;
    }
    return 0;
}

/* Kills the VMM of @end; the microseconds until the signal of it, or -1 on failure. */
static double
time_end(sd_bus *bus, End *end)
{
    g_autofree char *path = g_strconcat(BANGER_OBJECT_PATH "/machines/", end->vm_id, NULL);
    uint32_t leader = 0;
    double start;
    int r = sd_bus_get_property_trivial(bus, BANGER_BUS_NAME, path, BANGER_INTERFACE ".Machine",
                                        "Leader", NULL, 'u', &leader);

    end->told = false;
    start = bench_now();
    if (r < 0 || leader < 2 || kill((pid_t)leader, SIGKILL) < 0)
        return -1;
    while (r >= 0 && !end->told) {
        r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, BENCH_CALL_USEC);
    }
    return end->told && g_str_equal(end->result, "signal") && end->status == SIGKILL
               ? bench_now() - start
               : -1;
}

/* The last machines are killed, and what they leave goes with DestroyMachine. */
static bool
look_at_ends(Bench *bench, guint count)
{
    g_autoptr(BenchSeries) series = bench_series_new();
    g_autoptr(sd_bus) bus = bench_peer_open(bench->owner_uid, bench->owner_gid);
    End end = {0};
    bool ok = bus != NULL &&
              sd_bus_match_signal(bus, NULL, BANGER_BUS_NAME, BANGER_OBJECT_PATH, BANGER_INTERFACE,
                                  "MachineExited", on_exited, &end) >= 0 &&
              sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH, BANGER_INTERFACE,
                                 "Subscribe", NULL, NULL, NULL) >= 0;

    for (guint i = 0; i < MIN((guint)EXITS, count) && ok; i++) {
        double took;

        g_free(end.vm_id);
        end.vm_id = g_strdup_printf("b%u", count - 1 - i);
        took = time_end(bus, &end);
        ok = took >= 0;
        bench_series_add(series, took);
    }
    g_free(end.vm_id);
    g_free(end.result);
    if (!ok)
        return bench_fail(bench, "MachineExited: not as expected");
    bench_enter(bench,
                &(BenchBar){
                    .name = "MachineExited",
                    .text = "after the VMM was killed, the latest",
                    .bar = EXIT_MAX_MS,
                    .at_most = true,
                    .figure = bench_series_percentile(series, 100) / 1000,
                    .unit = "ms",
                    .note = g_strdup_printf("median %.1f ms; result signal, status 9; beside "
                                            "%u machines",
                                            bench_series_median(series) / 1000, count),
                });
    return true;
}

void
machines_look(Bench *bench, guint count)
{
    (void)(look_at_objects(bench, count) && look_at_ends(bench, count));
}

void
machines_fill(Bench *bench, guint count, const char *path)
{
    MachinesBare *bare = machines_bare_new(bench);
    Course course = {.create_usec = g_new0(double, count),
                     .destroy_usec = g_new0(double, count),
                     .bare_usec = g_new0(double, count / STEP + 2),
                     .count = count};
    bool filled = bare != NULL && fill(bench, &course, bare);

    if (filled)
        machines_look(bench, count);
    else
        (void)bench_fail(bench, "a host with %u machines could not be had", count);
    if (!empty(bench, &course) || !is_empty())
        (void)bench_fail(bench, "something is left of the machines");
    if (filled) {
        double bare_growth = course.bare_usec[count / STEP + 1] / course.bare_usec[0];

        enter_growth(bench, "a host that fills", course.create_usec, count, bare_growth);
        enter_growth(bench, "a host that empties", course.destroy_usec, count, bare_growth);
        if (!write_course(&course, path))
            (void)bench_fail(bench, "cannot write %s", path);
    }
    g_clear_pointer(&bare, machines_bare_free);
    g_free(course.create_usec);
    g_free(course.destroy_usec);
    g_free(course.bare_usec);
}
