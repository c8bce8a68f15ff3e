/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/mix.h"

#include "bench/compare.h"

typedef struct {
    const Bench *bench;
    guint number;
    guint calls;
    bool owner;
    sd_bus *bus;
    BenchSeries *series;
    bool ok;
    GThread *thread;
} Client;

bool
bench_mix_set_up(Bench *bench)
{
    return bench_network_set_up(bench) && bench_image_make(bench) && bench_tap(bench, BENCH_ROOT) &&
           bench_nat(bench, BENCH_ROOT, true);
}

void
bench_mix_tear_down(Bench *bench)
{
    (void)bench_nat(bench, BENCH_ROOT, false);
    bench_remove_links();
    bench_image_remove(bench);
}

/* A TAP of the client's own, made and removed in turn. */
static bool
tap(const Client *client, bool create)
{
    g_autofree char *name = g_strdup_printf("tap-fc-mix%u", client->number);

    return create ? bench_call(client->bus, NULL, "CreateTap", "ssss", BENCH_BRIDGE,
                               BENCH_BRIDGE_IP, BENCH_PREFIX, name)
                  : bench_call(client->bus, NULL, "DeleteTap", "s", name);
}

static bool
call(const Client *client, guint i)
{
    guint kind = (i + client->number * 7) % 100;

    if (kind < 80)
        return bench_call(client->bus, NULL, "ProcessRunning", "us", 1u, "");
    if (kind < 88)
        return bench_call(client->bus, NULL, "EnsureBridge", "sss", BENCH_BRIDGE, BENCH_BRIDGE_IP,
                          BENCH_PREFIX);
    if (kind < 96)
        return bench_call(client->bus, NULL, "EnsureNAT", "ssb", BENCH_GUEST_IP, BENCH_TAP, 1);
    if (kind < 98)
        return tap(client, kind == 96);
    return bench_image_read(&(Bench){.root = client->bus, .directory = client->bench->directory},
                            BENCH_ROOT);
}

static gpointer
run_client(gpointer data)
{
    Client *client = data;

    client->ok = true;
    for (guint i = 0; i < client->calls && client->ok; i++) {
        double start = bench_now();

        client->ok = call(client, i);
        bench_series_add(client->series, bench_now() - start);
    }
    /* The round may have ended between the two. */
    return NULL;
}

static void
judge(BenchMix *mix, const Client *clients)
{
    g_autoptr(BenchSeries) all = bench_series_new();

    mix->worst_p99_usec = 0;
    for (guint i = 0; i < mix->clients; i++) {
        double p99 = bench_series_percentile(clients[i].series, 99);

        bench_series_join(all, clients[i].series);
        if (p99 > mix->worst_p99_usec) {
            mix->worst_p99_usec = p99;
            mix->worst_whom = clients[i].owner ? "owner" : "root";
        }
    }
    mix->median_usec = bench_series_median(all);
}

static bool
open_client(const Bench *bench, const BenchMix *mix, Client *client, guint number)
{
    client->bench = bench;
    client->number = number;
    client->calls = mix->calls;
    client->owner = number % 2 == 1;
    client->series = bench_series_new();
    client->bus =
        client->owner ? bench_peer_open(bench->owner_uid, bench->owner_gid) : bench_peer_open(0, 0);
    return client->bus != NULL;
}

bool
bench_mix_run(Bench *bench, BenchMix *mix)
{
    g_autofree Client *clients = g_new0(Client, mix->clients);
    bool ok = true;
    double start;

    for (guint i = 0; i < mix->clients; i++)
        ok = open_client(bench, mix, &clients[i], i) && ok;
    start = bench_now();
    for (guint i = 0; ok && i < mix->clients; i++)
        clients[i].thread = g_thread_new("client", run_client, &clients[i]);
    for (guint i = 0; i < mix->clients; i++) {
        if (clients[i].thread != NULL)
            (void)g_thread_join(clients[i].thread);
        ok = ok && clients[i].ok;
    }
    mix->seconds = (bench_now() - start) / 1e6;
    judge(mix, clients);
    for (guint i = 0; i < mix->clients; i++) {
        if (clients[i].bus != NULL)
            (void)tap(&clients[i], false);
        sd_bus_flush_close_unref(clients[i].bus);
        bench_series_free(clients[i].series);
    }
    return ok;
}
