/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bench/bench.h"

/* Who does the work. */
typedef enum {
    BENCH_ROOT,      /* the helper, called by root */
    BENCH_OWNER,     /* the helper, called by the owner: polkit is asked */
    BENCH_REFERENCE, /* the processes the reference starts */
    BENCH_LEAST,     /* what cannot be left out, in place of the helper */
    BENCH_N_SIDES,
} BenchSide;

/* One comparison: each round, every side does the same work once. Only run() is timed. */
typedef struct {
    const char *name;
    const char *reference; /* the processes, as one would type them; NULL: nothing is compared */
    double bar;            /* how many times faster than them the helper must be; 0: no bar */
    guint most_rounds;     /* 0: as many as asked for */
    const char *least;     /* what BENCH_LEAST does, if there is such a thing */
    /* Why it cannot be compared here, or NULL. May be NULL itself. Free with g_free(). */
    char *(*obstacle)(Bench *bench);
    bool (*set_up)(Bench *bench); /* before the first round; may be NULL, as all below but run() */
    bool (*before)(Bench *bench, BenchSide side);
    bool (*run)(Bench *bench, BenchSide side);
    bool (*after)(Bench *bench, BenchSide side);
    void (*tear_down)(Bench *bench);
} BenchCase;

/* What came of one. */
typedef struct {
    const BenchCase *one;
    BenchSeries *series[BENCH_N_SIDES];
    char *skipped;
} BenchComparison;

/* The connection a side calls by; NULL for those that do not. */
sd_bus *bench_side_bus(const Bench *bench, BenchSide side);

/* Runs @one, unless --only leaves it out, and enters it in @bench->tables. */
void bench_compare(Bench *bench, const BenchCase *one);

/* The median of the reference's times over that of @side's. 0 if either is missing. */
double bench_comparison_ratio(const BenchComparison *comparison, BenchSide side);

/* The cases, by file. */
void bench_network_cases(Bench *bench);
void bench_guests(Bench *bench);
void bench_delete_many(Bench *bench);
void bench_image_cases(Bench *bench);
void bench_process_cases(Bench *bench);
void bench_snapshot_cases(Bench *bench);
void bench_bring_up_case(Bench *bench);

/* network.c: the steps that the bring-up shares with the network cases. */
#define BENCH_BRIDGE "br-bench"
#define BENCH_BRIDGE_IP "172.30.0.1"
#define BENCH_PREFIX "24"
#define BENCH_TAP "tap-fc-bench"
#define BENCH_GUEST_IP "172.30.0.2"
#define BENCH_OTHER_GUEST_IP "172.30.0.3"

bool bench_network_set_up(Bench *bench);
bool bench_bridge(const Bench *bench, BenchSide side);
bool bench_tap(const Bench *bench, BenchSide side);
bool bench_nat(const Bench *bench, BenchSide side, bool enable);
bool bench_delete_tap(const Bench *bench, BenchSide side);
void bench_remove_links(void);

/*
 * Waits until the kernel has freed what was deleted from nf_tables: closing a bound socket of
 * NETLINK_NETFILTER does, and so would the first process of a side otherwise, for what another side
 * deleted.
 */
void bench_settle_netfilter(void);

/* image.c: the same. */
#define BENCH_FILES 5
char *bench_image_path(const Bench *bench);
bool bench_image_make(Bench *bench);
void bench_image_remove(Bench *bench);
bool bench_image_write(const Bench *bench, BenchSide side);
bool bench_image_read(const Bench *bench, BenchSide side);

/* snapshot.c: the same. */
char *bench_snapshot_obstacle(Bench *bench);
bool bench_snapshot_files(Bench *bench);
bool bench_snapshot_create(Bench *bench, BenchSide side);
bool bench_snapshot_remove(Bench *bench, BenchSide side);
