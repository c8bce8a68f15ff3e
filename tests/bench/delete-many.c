/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>

#include "bench/compare.h"
#include "network/netlink.h"
#include "util/settings.h"

/*
 * Many TAPs at once, as a host that stops its machines ends them. The kernel waits, for each link,
 * until no processor looks at it any more; what does not queue behind another one shares that.
 */

#define TAPS 32
#define TAP_FORMAT BENCH_TAP "%u"
#define GROUP 0x62616e67u /* of links; no one else's here */
#define AT_MOST 0.25
#define NAME G_STRINGIFY(TAPS) " x DeleteTap"

static struct {
    sd_bus *root[TAPS], *owner[TAPS];
} callers;

static bool
set_up(Bench *bench)
{
    bool ok = bench_network_set_up(bench) && bench_bridge(bench, BENCH_ROOT);

    for (guint i = 0; ok && i < TAPS; i++) {
        callers.root[i] = bench_peer_open(0, 0);
        callers.owner[i] = bench_peer_open(bench->owner_uid, bench->owner_gid);
        ok = callers.root[i] != NULL && callers.owner[i] != NULL;
    }
    return ok;
}

static void
tear_down(Bench *bench)
{
    (void)bench;
    for (guint i = 0; i < TAPS; i++) {
        callers.root[i] = sd_bus_flush_close_unref(callers.root[i]);
        callers.owner[i] = sd_bus_flush_close_unref(callers.owner[i]);
    }
    bench_remove_links();
}

static bool
make_taps(Bench *bench, BenchSide side)
{
    for (guint i = 0; i < TAPS; i++) {
        g_autofree char *name = g_strdup_printf(TAP_FORMAT, i);
        g_autofree char *group = g_strdup_printf("%u", GROUP);

        if (!bench_call(bench->root, NULL, "CreateTap", "ssss", BENCH_BRIDGE, BENCH_BRIDGE_IP,
                        BENCH_PREFIX, name) ||
            (side == BENCH_LEAST &&
             !bench_run("ip", "link", "set", "dev", name, "group", group, NULL)))
            return false;
    }
    return true;
}

typedef enum { PENDING, SUCCEEDED, FAILED } Outcome;

static int
take_reply(sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
    Outcome *outcome = user_data;

    (void)error;
    *outcome = sd_bus_message_is_method_error(reply, NULL) ? FAILED : SUCCEEDED;
    return 0;
}

static bool
start_call(sd_bus *bus, guint i, Outcome *outcome)
{
    g_autofree char *name = g_strdup_printf(TAP_FORMAT, i);
    sd_bus_message *message = NULL;
    int r = sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                           BANGER_INTERFACE, "DeleteTap");

    *outcome = PENDING;
    if (r >= 0)
        r = sd_bus_message_append(message, "ss", name, "");
    if (r >= 0)
        r = sd_bus_call_async(bus, NULL, message, take_reply, outcome, BENCH_CALL_USEC);
    sd_bus_message_unref(message);
    return r >= 0 && sd_bus_flush(bus) >= 0;
}

static bool
await_reply(sd_bus *bus, const Outcome *outcome)
{
    while (*outcome == PENDING) {
        int r = sd_bus_process(bus, NULL);

        if (r < 0 || (r == 0 && sd_bus_wait(bus, BENCH_CALL_USEC) < 0))
            return false;
    }
    return *outcome == SUCCEEDED;
}

/* A connection for each: the callers of a host are not one program. */
static bool
delete_by_calls(sd_bus **buses)
{
    Outcome outcomes[TAPS];
    bool ok = true;

    for (guint i = 0; ok && i < TAPS; i++)
        ok = start_call(buses[i], i, &outcomes[i]);
    for (guint i = 0; ok && i < TAPS; i++)
        ok = await_reply(buses[i], &outcomes[i]);
    return ok;
}

static gpointer
run_process(gpointer number)
{
    g_autofree char *name = g_strdup_printf(TAP_FORMAT, GPOINTER_TO_UINT(number));

    return GINT_TO_POINTER(bench_run("ip", "link", "del", name, NULL));
}

static bool
delete_by_processes(void)
{
    GThread *threads[TAPS];
    bool ok = true;

    for (guint i = 0; i < TAPS; i++)
        threads[i] = g_thread_new("ip", run_process, GUINT_TO_POINTER(i));
    for (guint i = 0; i < TAPS; i++)
        ok = GPOINTER_TO_INT(g_thread_join(threads[i])) && ok;
    return ok;
}

/* The least: one request for all of them. */
static bool
delete_group(void)
{
    const struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, NULL);
    g_autoptr(BangerNetlinkMessage) message =
        banger_netlink_message(RTM_DELLINK, 0, &info, sizeof info);

    return netlink != NULL && nla_put_u32(message, IFLA_GROUP, GROUP) == 0 &&
           banger_netlink_run(netlink, message, NULL, NULL) == 0;
}

static bool
run(Bench *bench, BenchSide side)
{
    (void)bench;
    switch (side) {
    case BENCH_ROOT:
        return delete_by_calls(callers.root);
    case BENCH_OWNER:
        return delete_by_calls(callers.owner);
    case BENCH_REFERENCE:
        return delete_by_processes();
    default:
        return delete_group();
    }
}

/* What was measured under @name, or NULL. */
static const BenchComparison *
find_comparison(const Bench *bench, const char *name)
{
    for (guint i = 0; i < bench->tables->len; i++) {
        const BenchComparison *comparison = g_ptr_array_index(bench->tables, i);

        if (g_str_equal(comparison->one->name, name) && comparison->skipped == NULL)
            return comparison;
    }
    return NULL;
}

static double
share(const BenchComparison *many, BenchSide side)
{
    return bench_series_median(many->series[side]) / TAPS / 1000;
}

static void
enter_share(Bench *bench)
{
    const BenchComparison *many = find_comparison(bench, NAME);
    const BenchComparison *one = find_comparison(bench, "DeleteTap");
    BenchBar bar = {
        .name = NAME ": share",
        .text = "of what the kernel takes for the end of one alone, for each of those at once",
        .bar = AT_MOST,
        .at_most = true,
        .unit = "x",
    };

    if (many == NULL || one == NULL) {
        bar.skipped = g_strdup("not measured");
    } else {
        double alone = bench_series_median(one->series[BENCH_LEAST]) / 1000;

        bar.figure = share(many, BENCH_ROOT) / alone;
        bar.note = g_strdup_printf(
            "%.2f ms a TAP, and %.2f ms for a bare one alone; %.2f by processes at once, "
            "%.2f if the kernel deletes them as a group",
            share(many, BENCH_ROOT), alone, share(many, BENCH_REFERENCE), share(many, BENCH_LEAST));
    }
    bench_enter(bench, &bar);
}

void
bench_delete_many(Bench *bench)
{
    static const BenchCase many = {.name = NAME,
                                   .reference = G_STRINGIFY(TAPS) " x ip link del, at once",
                                   .least = "one group delete by the kernel",
                                   .most_rounds = 10,
                                   .set_up = set_up,
                                   .before = make_taps,
                                   .run = run,
                                   .tear_down = tear_down};

    if (!bench_wanted(bench, NAME))
        return;
    bench_compare(bench, &many);
    enter_share(bench);
}
