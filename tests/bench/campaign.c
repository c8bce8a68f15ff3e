/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench.h"
#include "bench/mix.h"
#include "bench/usage.h"
#include "rig/rig-users.h"
#include "util/settings.h"

/*
 * The endurance campaign: calls of root and the owner in the mixture of mix.h, in rounds, one quiet
 * and one while eight strangers flood the helper, each in one of the ways to do so. What root and
 * the owner notice of it, and what the helper has grown by in the end.
 */

#define STRANGERS 8
#define CLIENTS 4
#define CALLS_PER_ROUND 400u /* of root and the owner, together */
#define BATCH 32
#define PAUSE_USEC                                                                                 \
    10000 /* between batches: a bus that is busy with nothing else measures the bus */
#define LONG_TEXT 4050

typedef struct {
    uid_t uid;
    unsigned int way;
    gint *stop;
    uint64_t n_calls;
    bool ok;
    GThread *thread;
} Stranger;

static sd_bus_message *
make_call(sd_bus *bus, const char *interface, const char *member)
{
    sd_bus_message *message = NULL;

    return sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                          interface, member) < 0
               ? NULL
               : message;
}

/*
 * One call in the @way: well-formed, malformed and long, of a built-in interface, of a reader of
 * properties; with a reply that is wanted, and not read, in every second one of them.
 */
static sd_bus_message *
flood_message(sd_bus *bus, unsigned int way)
{
    g_autofree char *text = g_strnfill(LONG_TEXT, 'A');
    sd_bus_message *message;

    switch (way / 2) {
    case 0:
        message = make_call(bus, BANGER_INTERFACE, "DeleteTap");
        (void)sd_bus_message_append(message, "ss", "tap-fc-flood", "");
        break;
    case 1:
        message = make_call(bus, BANGER_INTERFACE, "FindFirecrackerPID");
        (void)sd_bus_message_append(message, "ss", text, "");
        break;
    case 2:
        message = make_call(bus, "org.freedesktop.DBus.Introspectable", "Introspect");
        break;
    default:
        message = make_call(bus, "org.freedesktop.DBus.Properties", "GetAll");
        (void)sd_bus_message_append(message, "s", BANGER_INTERFACE);
        break;
    }
    return message;
}

static gpointer
run_stranger(gpointer data)
{
    Stranger *stranger = data;
    sd_bus *bus = bench_peer_open(stranger->uid, stranger->uid);
    bool unread = stranger->way % 2 == 1;

    stranger->ok = bus != NULL;
    while (stranger->ok && !g_atomic_int_get(stranger->stop)) {
        for (int i = 0; i < BATCH; i++) {
            sd_bus_message *message = flood_message(bus, stranger->way);
            uint64_t cookie;

            stranger->ok = sd_bus_send(bus, message, unread ? &cookie : NULL) >= 0;
            sd_bus_message_unref(message);
        }
        stranger->ok = stranger->ok && sd_bus_flush(bus) >= 0;
        stranger->n_calls += BATCH;
        g_usleep(PAUSE_USEC);
    }
    sd_bus_close_unref(bus);
    return NULL;
}

/* What the bus itself takes to answer meanwhile: no call can be faster. */
typedef struct {
    gint *stop;
    BenchSeries *series;
    GThread *thread;
} Probe;

static gpointer
run_probe(gpointer data)
{
    Probe *probe = data;
    sd_bus *bus = bench_peer_open(0, 0);

    while (bus != NULL && !g_atomic_int_get(probe->stop)) {
        double start = bench_now();

        if (sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "GetId", NULL, NULL, NULL) >= 0)
            bench_series_add(probe->series, bench_now() - start);
        g_usleep(PAUSE_USEC);
    }
    sd_bus_close_unref(bus);
    return NULL;
}

/*
 * Runs @mix, while strangers flood the helper if @flood. Adds the strangers' calls to *@n_calls,
 * and the bus's own answers to @of_bus.
 */
static bool
run_round(Bench *bench, BenchMix *mix, bool flood, uint64_t *n_calls, BenchSeries *of_bus)
{
    Stranger strangers[STRANGERS] = {{0}};
    gint stop = 0;
    Probe probe = {.stop = &stop, .series = of_bus};
    bool ok;

    for (unsigned int i = 0; flood && i < STRANGERS; i++) {
        strangers[i] = (Stranger){.uid = RIG_UID_USERS + i, .way = i, .stop = &stop};
        strangers[i].thread = g_thread_new("stranger", run_stranger, &strangers[i]);
    }
    probe.thread = g_thread_new("probe", run_probe, &probe);
    ok = bench_mix_run(bench, mix);
    g_atomic_int_set(&stop, 1);
    (void)g_thread_join(probe.thread);
    for (unsigned int i = 0; flood && i < STRANGERS; i++) {
        (void)g_thread_join(strangers[i].thread);
        *n_calls += strangers[i].n_calls;
        ok = ok && strangers[i].ok;
    }
    return ok;
}

typedef struct {
    BenchSeries *medians[2], *p99s[2]; /* of the rounds: quiet, flooded */
    BenchSeries *of_bus[2];            /* of the bus's own answers */
    uint64_t n_calls;
} Campaign;

static bool
run_campaign(Bench *bench, uint64_t n_calls, Campaign *campaign)
{
    BenchMix mix = {.clients = CLIENTS, .calls = CALLS_PER_ROUND / CLIENTS};

    while (campaign->n_calls < n_calls) {
        for (int flood = 0; flood < 2; flood++) {
            if (!run_round(bench, &mix, flood == 1, &campaign->n_calls, campaign->of_bus[flood]))
                return false;
            campaign->n_calls += CALLS_PER_ROUND;
            bench_series_add(campaign->medians[flood], mix.median_usec);
            bench_series_add(campaign->p99s[flood], mix.worst_p99_usec);
        }
    }
    return true;
}

static void
enter_ratio(Bench *bench, const char *name, const char *text, double bar,
            BenchSeries *const *series, BenchSeries *const *of_bus, double percent)
{
    double quiet = bench_series_median(series[0]);
    double flooded = bench_series_median(series[1]);
    double bus_quiet = bench_series_percentile(of_bus[0], percent);
    double bus_flooded = bench_series_percentile(of_bus[1], percent);

    bench_enter(bench, &(BenchBar){
                           .name = name,
                           .text = text,
                           .bar = bar,
                           .at_most = true,
                           .figure = flooded / quiet,
                           .unit = "x",
                           .note = g_strdup_printf("%.0f us, quiet %.0f us; median of the rounds; "
                                                   "the bus alone %.0f us, quiet %.0f us",
                                                   flooded, quiet, bus_flooded, bus_quiet),
                       });
}

static void
enter_campaign(Bench *bench, const Campaign *campaign, const BenchUsage *before,
               const BenchUsage *after)
{
    g_printerr("campaign: %" G_GUINT64_FORMAT " calls\n", campaign->n_calls);
    enter_ratio(bench, "campaign, median", "calls of root and the owner during floods, over quiet",
                3, campaign->medians, campaign->of_bus, 50);
    enter_ratio(bench, "campaign, p99", "the same, the slowest client's p99", 20, campaign->p99s,
                campaign->of_bus, 99);
    bench_enter_growth(bench, "campaign, memory", "resident memory over the campaign", 1024,
                       before->rss_kib, after->rss_kib, "KiB");
    bench_enter_growth(bench, "campaign, descriptors", "open fds over it", 0, before->fds,
                       after->fds, "");
}

void
bench_campaign(Bench *bench, uint64_t n_calls)
{
    Campaign campaign = {{bench_series_new(), bench_series_new()},
                         {bench_series_new(), bench_series_new()},
                         {bench_series_new(), bench_series_new()},
                         0};
    Campaign warm_up = campaign;
    BenchUsage before, after;
    bool ok;

    if (bench_wanted(bench, "campaign")) {
        ok = bench_mix_set_up(bench) && run_campaign(bench, 1, &warm_up);
        before = bench_usage_settled(bench_helper_pid(bench->root));
        ok = ok && run_campaign(bench, n_calls, &campaign);
        after = bench_usage_settled(bench_helper_pid(bench->root));
        bench_mix_tear_down(bench);
        if (ok && before.rss_kib >= 0 && after.rss_kib >= 0)
            enter_campaign(bench, &campaign, &before, &after);
        else
            (void)bench_fail(bench, "campaign: not measured");
    }
    for (int i = 0; i < 2; i++) {
        bench_series_free(campaign.medians[i]);
        bench_series_free(campaign.p99s[i]);
        bench_series_free(campaign.of_bus[i]);
    }
}
