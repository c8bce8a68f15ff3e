/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/mix.h"
#include "util/fd.h"

#define CLIENTS 64
#define CALLS 1000
#define CHECKS 8
#define QUERIES 10000

void
bench_load(Bench *bench)
{
    BenchMix mix = {.clients = CLIENTS, .calls = CALLS};
    bool ok;

    if (!bench_wanted(bench, "load"))
        return;
    ok = bench_mix_set_up(bench) && bench_mix_run(bench, &mix);
    bench_mix_tear_down(bench);
    if (!ok) {
        (void)bench_fail(bench, "load: a call failed");
        return;
    }
    bench_enter(
        bench,
        &(BenchBar){
            .name = "load",
            .text = "64 clients, 1,000 mixed calls each: worst p99 of a client over all's median",
            .bar = 20,
            .at_most = true,
            .figure = mix.worst_p99_usec / mix.median_usec,
            .unit = "x",
            .note = g_strdup_printf("no error; %.0f calls a second; median %.1f ms, worst p99 "
                                    "%.1f ms (%s)",
                                    CLIENTS * CALLS / mix.seconds, mix.median_usec / 1000,
                                    mix.worst_p99_usec / 1000, mix.worst_whom),
        });
}

/* One that has a file system checked over and over. */
typedef struct {
    char *image;
    sd_bus *bus;
    GThread *thread;
    guint done;
    bool ok;
} Checker;

static gint stop;

/*
 * Marks the image as one whose journal needs recovery, and which was mounted more often than it may
 * be without a check: e2fsck looks at all of it, in the sandbox, before anything is written. In the
 * superblock (at 1024) s_mnt_count is at 0x34, s_max_mnt_count at 0x36, s_feature_incompat at 0x60,
 * of which EXT3_FEATURE_INCOMPAT_RECOVER is bit 2; the image has no checksums that would have to
 * follow.
 */
static bool
mark_unclean(const char *image)
{
    static const guint8 mounts[] = {2, 0, 1, 0};
    banger_autofd int fd = open(image, O_RDWR | O_CLOEXEC);
    guint8 byte;

    if (fd < 0 || pread(fd, &byte, 1, 1024 + 0x60) != 1)
        return false;
    byte |= 4;
    return pwrite(fd, &byte, 1, 1024 + 0x60) == 1 &&
           pwrite(fd, mounts, sizeof mounts, 1024 + 0x34) == (ssize_t)sizeof mounts;
}

static gpointer
run_checks(gpointer data)
{
    Checker *checker = data;

    checker->ok = true;
    while (!g_atomic_int_get(&stop) && checker->ok) {
        checker->ok =
            mark_unclean(checker->image) && bench_call_write(checker->bus, checker->image, 1, 16);
        g_atomic_int_inc((gint *)&checker->done);
    }
    return NULL;
}

static bool
start(Bench *bench, Checker *checker, guint i)
{
    checker->image = g_strdup_printf("%s/check%u.ext4", bench->directory, i);
    checker->bus = bench_peer_open(0, 0);
    if (checker->bus == NULL ||
        !bench_run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum,^uninit_bg", "-N",
                   "262144", checker->image, "512M", NULL) ||
        chown(checker->image, bench->owner_uid, bench->owner_gid) != 0)
        return false;
    checker->thread = g_thread_new("checker", run_checks, checker);
    return true;
}

static bool
query(const Bench *bench, BenchSeries *series)
{
    for (guint i = 0; i < QUERIES; i++) {
        double begin = bench_now();

        if (!bench_call(bench->root, NULL, "ProcessRunning", "us", 1u, ""))
            return false;
        bench_series_add(series, bench_now() - begin);
    }
    return true;
}

/* Waits until every checker's first check is done: then all of them are at it. */
static bool
under_way(const Checker *checkers)
{
    for (int msec = 0; msec < 60000; msec += 10) {
        guint ready = 0;

        for (guint i = 0; i < CHECKS; i++)
            ready += g_atomic_int_get((const gint *)&checkers[i].done) > 0;
        if (ready == CHECKS)
            return true;
        g_usleep(10 * 1000);
    }
    return false;
}

static void
end(Checker *checker)
{
    if (checker->thread != NULL)
        (void)g_thread_join(checker->thread);
    sd_bus_flush_close_unref(checker->bus);
    (void)unlink(checker->image);
    g_free(checker->image);
}

void
bench_checks(Bench *bench)
{
    Checker checkers[CHECKS] = {0};
    g_autoptr(BenchSeries) idle = bench_series_new();
    g_autoptr(BenchSeries) busy = bench_series_new();
    guint done = 0;
    bool ok;

    if (!bench_wanted(bench, "checks"))
        return;
    g_atomic_int_set(&stop, 0);
    ok = query(bench, idle);
    for (guint i = 0; i < CHECKS; i++)
        ok = start(bench, &checkers[i], i) && ok;
    ok = ok && under_way(checkers) && query(bench, busy);
    g_atomic_int_set(&stop, 1);
    for (guint i = 0; i < CHECKS; i++) {
        end(&checkers[i]);
        ok = ok && checkers[i].ok;
        done += checkers[i].done;
    }
    if (!ok) {
        (void)bench_fail(bench, "checks: not measured");
        return;
    }
    bench_enter(
        bench,
        &(BenchBar){
            .name = "checks",
            .text = "p99 of ProcessRunning while 8 file systems are checked, over "
                    "its p99 when idle",
            .bar = 5,
            .at_most = true,
            .figure = bench_series_percentile(busy, 99) / bench_series_percentile(idle, 99),
            .unit = "x",
            .note = g_strdup_printf(
                "p99 %.2f ms and %.2f ms, medians %.2f ms and %.2f ms; %u checks "
                "went by",
                bench_series_percentile(busy, 99) / 1000, bench_series_percentile(idle, 99) / 1000,
                bench_series_median(busy) / 1000, bench_series_median(idle) / 1000, done),
        });
}
