/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>

#include "bench/compare.h"
#include "network/netlink.h"
#include "network/nft-batch.h"
#include "network/nft.h"

/*
 * One more guest, the more there are: it is to cost the same, also beside many chains of others
 * and many lists of networks. Nothing else changes the rules meanwhile, as a process in turn
 * would: what is measured is the registration alone.
 */

#define PER_TAP 4
#define PER_BRIDGE 4000
#define FOREIGN_TABLE "bench-foreign"
#define FOREIGN_CHAINS 10000u
#define LISTS 1000u
#define AT_MOST 1.3

/* The guests @first to @first + @n - 1. */
static bool
register_guests(const Bench *bench, guint first, guint n, bool restricted)
{
    for (guint i = first; i < first + n; i++) {
        guint bridge = i / PER_BRIDGE, within = i % PER_BRIDGE;
        g_autofree char *name = g_strdup_printf(BENCH_BRIDGE "%u", bridge);
        g_autofree char *address = g_strdup_printf("10.%u.0.1", 200 + bridge);
        g_autofree char *tap = g_strdup_printf("tap-fc-b%u", i / PER_TAP);
        g_autofree char *guest =
            g_strdup_printf("10.%u.%u.%u", 200 + bridge, 1 + within / 250, 1 + within % 250);
        g_autofree char *list = g_strdup_printf("198.18.%u.%u", i / 250 % 250, i % 250);

        if ((i % PER_TAP == 0 &&
             !bench_call(bench->root, NULL, "CreateTap", "ssss", name, address, "16", tap)) ||
            !bench_call(bench->root, NULL, "EnsureNAT", "ssb", guest, tap, 1) ||
            (restricted && !bench_call(bench->root, NULL, "SetEgress", "sas", guest, 1, list)))
            return false;
    }
    return true;
}

static bool
remove_guests(const Bench *bench, guint n)
{
    bool ok = true;

    for (guint i = 0; i < n; i += PER_TAP) {
        g_autofree char *tap = g_strdup_printf("tap-fc-b%u", i / PER_TAP);

        ok = bench_call(bench->root, NULL, "DeleteTap", "s", tap) && ok;
    }
    for (guint bridge = 0; bridge * PER_BRIDGE < n; bridge++) {
        g_autofree char *name = g_strdup_printf(BENCH_BRIDGE "%u", bridge);

        ok = bench_call(bench->root, NULL, "DeleteBridge", "s", name) && ok;
    }
    return ok;
}

static bool
make_foreign_chains(void)
{
    g_autoptr(GString) commands = g_string_new("add table inet " FOREIGN_TABLE "\n");

    for (guint i = 0; i < FOREIGN_CHAINS; i++)
        g_string_append_printf(commands, "add chain inet " FOREIGN_TABLE " c%u\n", i);
    return banger_nft_run(commands->str, NULL);
}

#define FLOOR_TABLE "bench-floor"
#define FLOOR_ROUNDS 30

/* Adds or deletes one element of a set of our own; the time of that transaction, 0 if it failed. */
static double
change_element(BangerNetlink *netlink, bool add)
{
    const BangerNftElement element = {.family = NFPROTO_INET,
                                      .table = FLOOR_TABLE,
                                      .set = "one",
                                      .key = {192, 0, 2, 1},
                                      .key_length = 4};
    g_autoptr(BangerNftBatch) batch = NULL;
    double start = bench_now();
    uint32_t generation;

    if (!banger_nft_generation(netlink, &generation, NULL))
        return 0;
    batch = banger_nft_batch_new(generation);
    if (add)
        banger_nft_batch_add(batch, &element);
    else
        banger_nft_batch_delete(batch, &element);
    return banger_nft_batch_commit(netlink, batch) == 0 ? bench_now() - start : 0;
}

/*
 * What the kernel itself takes to commit one element beside all there is: it goes through all
 * chains of all tables. Not in turn with the helper, which would look at what was changed.
 */
static bool
measure_floor(Bench *bench, const char *name)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, NULL);
    g_autoptr(BenchSeries) series = bench_series_new();
    g_autofree char *title = g_strdup_printf("%s: the commit", name);
    bool ok =
        netlink != NULL && banger_nft_run("add table inet " FLOOR_TABLE
                                          "\nadd set inet " FLOOR_TABLE " one { type ipv4_addr; }",
                                          NULL);

    for (int i = 0; ok && i < FLOOR_ROUNDS; i++) {
        double taken = change_element(netlink, true);

        bench_series_add(series, taken);
        ok = taken > 0 && change_element(netlink, false) > 0;
    }
    if (!ok || !banger_nft_run("delete table inet " FLOOR_TABLE, NULL))
        return false;
    bench_enter(bench, &(BenchBar){.name = g_intern_string(title),
                                   .text = "one element of a set, by nfnetlink",
                                   .figure = bench_series_median(series),
                                   .unit = "us"});
    return true;
}

/* What the case that runs now has besides the one guest that comes and goes. */
static struct {
    const char *name;
    guint guests;
    bool beside;
} now;

static bool
set_up(Bench *bench)
{
    guint lists = now.beside ? LISTS : 0;

    return bench_network_set_up(bench) && bench_tap(bench, BENCH_ROOT) &&
           register_guests(bench, 0, lists, true) &&
           register_guests(bench, lists, now.guests, false) &&
           (!now.beside || make_foreign_chains()) && measure_floor(bench, now.name);
}

static bool
run(Bench *bench, BenchSide side)
{
    return side == BENCH_LEAST ? bench_ping(bench->root) : bench_nat(bench, side, true);
}

static bool
take_back(Bench *bench, BenchSide side)
{
    return side == BENCH_LEAST || bench_nat(bench, side, false);
}

static void
tear_down(Bench *bench)
{
    if ((now.beside && !banger_nft_run("delete table inet " FOREIGN_TABLE, NULL)) ||
        !remove_guests(bench, now.guests + (now.beside ? LISTS : 0)))
        (void)bench_fail(bench, "the guests cannot be removed");
    bench_remove_links();
}

/* The median of root's calls in the last comparison; 0 if it was skipped. */
static double
last_median(const Bench *bench)
{
    const BenchComparison *last = g_ptr_array_index(bench->tables, bench->tables->len - 1);

    return bench_series_median(last->series[BENCH_ROOT]);
}

static void
enter_growth(Bench *bench, const char *name, double one, double many)
{
    bench_enter(bench, &(BenchBar){
                           .name = name,
                           .text = "times the time beside one",
                           .bar = AT_MOST,
                           .at_most = true,
                           .figure = one > 0 ? many / one : 0,
                           .unit = "x",
                           .skipped = one > 0 && many > 0 ? NULL : g_strdup("not measured"),
                       });
}

#define CASE(text)                                                                                 \
    {                                                                                              \
        .name = "EnsureNAT beside " text, .least = "an empty call (Peer.Ping)", .set_up = set_up,  \
        .run = run, .after = take_back, .tear_down = tear_down                                     \
    }

void
bench_guests(Bench *bench)
{
    static const BenchCase cases[] = {
        CASE("1"),         CASE("1000"),         CASE("10000"),
        CASE("1, chains"), CASE("1000, chains"), CASE("10000, chains")};
    static const guint guests[] = {1, 1000, 10000};
    double one = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        now.name = cases[i].name;
        now.guests = guests[i % G_N_ELEMENTS(guests)];
        now.beside = i >= G_N_ELEMENTS(guests);
        if (!bench_wanted(bench, cases[i].name))
            continue;
        bench_compare(bench, &cases[i]);
        if (i % G_N_ELEMENTS(guests) == 0)
            one = last_median(bench);
        else
            enter_growth(bench, cases[i].name, one, last_median(bench));
    }
}
