/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/compare.h"

/*
 * The host's side of one VM, there and back: bridge, TAP, NAT, a snapshot where there is
 * device-mapper, five files written and one read.
 */

static bool with_snapshot;

static bool
set_up(Bench *bench)
{
    g_autofree char *obstacle = bench_snapshot_obstacle(bench);

    with_snapshot = obstacle == NULL;
    return bench_network_set_up(bench) && bench_image_make(bench) &&
           (!with_snapshot || bench_snapshot_files(bench));
}

static bool
run(Bench *bench, BenchSide side)
{
    return bench_bridge(bench, side) && bench_tap(bench, side) && bench_nat(bench, side, true) &&
           (!with_snapshot || bench_snapshot_create(bench, side)) &&
           bench_image_write(bench, side) && bench_image_read(bench, side) &&
           bench_nat(bench, side, false) && bench_delete_tap(bench, side) &&
           (!with_snapshot || bench_snapshot_remove(bench, side));
}

static bool
remove_bridge(Bench *bench, BenchSide side)
{
    (void)bench;
    (void)side;
    bench_remove_links();
    return true;
}

static void
tear_down(Bench *bench)
{
    bench_remove_links();
    bench_image_remove(bench);
}

void
bench_bring_up_case(Bench *bench)
{
    static const BenchCase bring_up = {
        .name = "bring-up and teardown",
        .reference = "all of the above, for one VM",
        .bar = 5,
        .set_up = set_up,
        .before = remove_bridge,
        .run = run,
        .tear_down = tear_down,
    };

    bench_compare(bench, &bring_up);
}
