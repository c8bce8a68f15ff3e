/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/compare.h"
#include "bench/machines.h"

#define BLOCKS 3 /* of each side, in turn */
#define CALLERS_MAX 64
#define LAUNCH_OVERHEAD_MS 5
#define RATE_MIN 0.7
#define FASTER_MIN 10

static MachinesBare *bare; /* of the comparisons of one VM */

/* What the comparison of CreateMachine leaves for enter_host_side(). */
static BenchSeries *processes_host; /* the processes before the VMM's start */

static bool
remove_bridge(Bench *bench, BenchSide side)
{
    (void)bench;
    (void)side;
    /* What the other side leaves is of no use to this one, nor in its way. */
    (void)bench_run("ip", "link", "del", MACHINES_BRIDGE, NULL);
    return machines_prepare(bench, MACHINES_WHOLE, 0);
}

static void
tear_down(Bench *bench)
{
    (void)remove_bridge(bench, BENCH_REFERENCE);
}

static bool
create(Bench *bench, BenchSide side)
{
    double host_usec;

    if (side != BENCH_REFERENCE)
        return machines_create(bench, bench_side_bus(bench, side), MACHINES_WHOLE, 0);
    if (!machines_create_by_processes(bench, 0, &host_usec))
        return false;
    bench_series_add(processes_host, host_usec);
    return true;
}

static bool
destroy(Bench *bench, BenchSide side)
{
    return side == BENCH_REFERENCE
               ? machines_destroy_by_processes(bench, 0)
               : machines_destroy(bench, bench_side_bus(bench, side), MACHINES_WHOLE, 0);
}

static bool
create_before(Bench *bench, BenchSide side)
{
    return remove_bridge(bench, side) && create(bench, side);
}

void
machines_compare(Bench *bench)
{
    static const BenchCase cases[] = {
        {.name = "CreateMachine",
         .reference =
             "ip, iptables, sysctl, (losetup, blockdev, dmsetup,) e2fsck, for each of 5 files "
             "5 x debugfs, the VMM's start",
         .bar = FASTER_MIN,
         .before = remove_bridge,
         .run = create,
         .after = destroy,
         .tear_down = tear_down},
        {.name = "DestroyMachine",
         .reference = "kill, iptables, ip (, dmsetup, losetup)",
         .before = create_before,
         .run = destroy,
         .tear_down = tear_down},
    };

    processes_host = bench_series_new();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        bench_compare(bench, &cases[i]);
}

/*
 * What the VMM's start, which nothing can leave out, hides in the comparison of CreateMachine:
 * @least_ms is what a bare unit and its VMM take.
 */
static void
enter_host_side(Bench *bench, double least_ms)
{
    const BenchComparison *whole = bench->tables->len > 0 ? bench->tables->pdata[0] : NULL;
    BenchBar bar = {
        .name = "host side alone",
        .text = "CreateMachine less a bare unit and its VMM, and the processes before their VMM",
        .unit = "x",
    };

    if (whole == NULL || whole->skipped != NULL) {
        bar.skipped = g_strdup("CreateMachine was not measured");
    } else {
        double mine_ms = bench_series_median(whole->series[BENCH_ROOT]) / 1000 - least_ms;
        double theirs_ms = bench_series_median(processes_host) / 1000;
        double all_ms = bench_series_median(whole->series[BENCH_REFERENCE]) / 1000;

        /* Below the least difference that says anything. */
        mine_ms = MAX(mine_ms, 0.1);
        bar.figure = theirs_ms / mine_ms;
        bar.note = g_strdup_printf(
            "helper %.1f ms, processes %.1f ms; %d times as fast with the VMM would be %.1f ms, "
            "but a bare unit and VMM alone take %.1f ms",
            mine_ms, theirs_ms, FASTER_MIN, all_ms / FASTER_MIN, least_ms);
    }
    bench_enter(bench, &bar);
}

/* What a launch takes: by the helper, and by a bare unit and the requests alone. */
static bool
time_launch(Bench *bench, BenchSeries *mine, BenchSeries *least)
{
    double start = bench_now();
    bool ok = machines_launch(bench, bench->root, 0);

    bench_series_add(mine, bench_now() - start);
    if (!ok || !machines_kill(bench, bench->root, 0))
        return false;
    start = bench_now();
    ok = machines_bare_start(bare, 0) && machines_bare_boot(bare, 0);
    bench_series_add(least, bench_now() - start);
    return machines_bare_stop(bare, 0) && ok;
}

static void
enter_overhead(Bench *bench, const BenchSeries *mine, const BenchSeries *least,
               const BenchSeries *network)
{
    double mine_ms = bench_series_median(mine) / 1000;
    double least_ms = bench_series_median(least) / 1000;

    bench_enter(
        bench, &(BenchBar){
                   .name = "launch overhead",
                   .text = "of LaunchFirecracker over a bare unit with the same properties and the "
                           "VMM's own start",
                   .bar = LAUNCH_OVERHEAD_MS,
                   .at_most = true,
                   .figure = mine_ms - least_ms,
                   .unit = "ms",
                   .note = g_strdup_printf("LaunchFirecracker %.1f ms, bare unit and VMM %.1f ms",
                                           mine_ms, least_ms),
               });
    enter_host_side(bench, least_ms);
    bench_enter(bench, &(BenchBar){
                           .name = "bare netlink",
                           .text = "a TAP made, put on the bridge, set up, and deleted",
                           .figure = bench_series_median(network) / 1000,
                           .unit = "ms",
                       });
}

void
machines_launch_overhead(Bench *bench)
{
    g_autoptr(BenchSeries) mine = bench_series_new();
    g_autoptr(BenchSeries) least = bench_series_new();
    g_autoptr(BenchSeries) network = bench_series_new();
    g_auto(MachinesNames) names = {0};
    bool ok;

    machines_names(bench, "b", 0, &names);
    bare = machines_bare_new(bench);
    ok = bare != NULL && bench_call(bench->root, NULL, "CreateTap", "ssss", MACHINES_BRIDGE,
                                    MACHINES_BRIDGE_IP, MACHINES_PREFIX, names.tap);
    for (guint i = 0; i < bench->rounds && ok; i++)
        ok = time_launch(bench, mine, least);
    ok = ok && bench_call(bench->root, NULL, "DeleteTap", "s", names.tap);
    for (guint i = 0; i < bench->rounds && ok; i++) {
        double start = bench_now();

        ok = machines_bare_network(bench, 0);
        bench_series_add(network, bench_now() - start);
    }
    g_clear_pointer(&bare, machines_bare_free);
    if (ok)
        enter_overhead(bench, mine, least, network);
    else
        (void)bench_fail(bench, "launch overhead: not measured");
    g_clear_pointer(&processes_host, bench_series_free);
}

/* Who makes and removes machines. */
typedef enum {
    RATE_BARE,  /* units with the same properties, and nothing else */
    RATE_LEAN,  /* the helper, called by root */
    RATE_WHOLE, /* the same, with a root drive of each machine's own */
    RATE_PROCESSES,
    N_RATES,
} Rate;

/* One caller. */
typedef struct {
    Bench *bench;
    Rate rate;
    guint number;
    guint cycles;
    sd_bus *bus;
    MachinesBare *bare;
    GThread *thread;
    bool ok;
} Caller;

static bool
run_cycle(const Caller *caller)
{
    Bench *bench = caller->bench;
    guint number = caller->number;
    MachinesKind kind = caller->rate == RATE_LEAN ? MACHINES_LEAN : MACHINES_WHOLE;

    if (caller->rate == RATE_BARE)
        return machines_bare_start(caller->bare, number) &&
               machines_bare_stop(caller->bare, number);
    if (caller->rate == RATE_PROCESSES)
        return machines_create_by_processes(bench, number, NULL) &&
               machines_destroy_by_processes(bench, number);
    return machines_create(bench, caller->bus, kind, number) &&
           machines_destroy(bench, caller->bus, kind, number);
}

static gpointer
run_caller(gpointer data)
{
    Caller *caller = data;

    for (guint i = 0; i < caller->cycles && caller->ok; i++)
        caller->ok = run_cycle(caller);
    return NULL;
}

/* Connects before the time begins. */
static void
prepare_caller(Bench *bench, Rate rate, guint number, guint cycles, Caller *ret_caller)
{
    *ret_caller = (Caller){.bench = bench, .rate = rate, .number = number, .cycles = cycles};
    if (rate == RATE_BARE)
        ret_caller->bare = machines_bare_new(bench);
    else if (rate != RATE_PROCESSES)
        ret_caller->bus = bench_peer_open(0, 0);
    ret_caller->ok =
        (rate != RATE_BARE || ret_caller->bare != NULL) &&
        (rate == RATE_BARE || rate == RATE_LEAN || machines_prepare(bench, MACHINES_WHOLE, number));
}

/* How long @n callers take for @cycles machines each, in microseconds; 0 on failure. */
static double
time_callers(Bench *bench, Rate rate, guint n, guint cycles)
{
    static Caller callers[CALLERS_MAX];
    bool ok = true;
    double start, took;

    if (rate == RATE_PROCESSES)
        (void)bench_run("ip", "link", "del", MACHINES_BRIDGE, NULL);
    for (guint i = 0; i < n; i++)
        prepare_caller(bench, rate, i, cycles, &callers[i]);
    start = bench_now();
    for (guint i = 0; i < n; i++)
        callers[i].thread = g_thread_new("caller", run_caller, &callers[i]);
    for (guint i = 0; i < n; i++)
        (void)g_thread_join(callers[i].thread);
    took = bench_now() - start;
    for (guint i = 0; i < n; i++) {
        ok &= callers[i].ok;
        sd_bus_flush_close_unref(callers[i].bus);
        g_clear_pointer(&callers[i].bare, machines_bare_free);
    }
    if (rate == RATE_PROCESSES)
        (void)bench_run("ip", "link", "del", MACHINES_BRIDGE, NULL);
    return ok ? took : 0;
}

/* Machines made and removed a second, by @n callers; 0: it could not be measured. */
static void
measure_rates(Bench *bench, guint n, double *ret_rates)
{
    const guint cycles = n == 1 ? 16 : MAX(64 / n, 2);
    double usec[N_RATES] = {0};
    bool failed[N_RATES] = {false};

    for (guint block = 0; block < BLOCKS; block++)
        for (Rate rate = 0; rate < N_RATES; rate++) {
            double took;

            /* The processes take so long that one block of one machine each says enough. */
            if (failed[rate] || (rate == RATE_PROCESSES && block > 0))
                continue;
            took = time_callers(bench, rate, n, rate == RATE_PROCESSES ? 1 : cycles);
            failed[rate] = took <= 0;
            usec[rate] += took;
        }
    for (Rate rate = 0; rate < N_RATES; rate++) {
        double made = rate == RATE_PROCESSES ? n : n * cycles * BLOCKS;

        ret_rates[rate] = failed[rate] ? 0 : made / (usec[rate] / G_USEC_PER_SEC);
        if (failed[rate])
            (void)bench_fail(bench, "machines by %u callers: not measured (%u)", n, rate);
    }
}

/* Enters how many times the rate @of is the rate @over. */
static void
enter_rate(Bench *bench, const BenchBar *bar, const double *rates, Rate of, Rate over,
           const char *whose)
{
    BenchBar entry = *bar;

    entry.unit = "x";
    if (rates[of] > 0 && rates[over] > 0) {
        entry.figure = rates[of] / rates[over];
        entry.note =
            g_strdup_printf("%.1f a second; %s %.1f a second", rates[of], whose, rates[over]);
    } else {
        entry.skipped = g_strdup("failed");
    }
    bench_enter(bench, &entry);
}

void
machines_rates(Bench *bench)
{
    static const struct {
        guint callers;
        const char *rate;
        const char *faster;
    } rows[] = {
        {1, "machines a second, 1 caller", "whole machines, 1 caller"},
        {8, "machines a second, 8 callers", "whole machines, 8 callers"},
        {64, "machines a second, 64 callers", "whole machines, 64 callers"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        double rates[N_RATES];

        measure_rates(bench, rows[i].callers, rates);
        enter_rate(bench,
                   &(BenchBar){.name = rows[i].rate,
                               .text = "created and destroyed, over bare StartTransientUnit",
                               .bar = RATE_MIN},
                   rates, RATE_LEAN, RATE_BARE, "bare units");
        enter_rate(bench,
                   &(BenchBar){.name = rows[i].faster,
                               .text = "created and destroyed, times as fast as the processes"},
                   rates, RATE_WHOLE, RATE_PROCESSES, "by the processes");
    }
}
