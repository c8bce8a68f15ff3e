/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bench/bench.h"

/*
 * A mixture of calls by many clients at once, each with a connection and a thread of its own; every
 * second one is the owner's. Of 100 calls: 80 ProcessRunning, 8 EnsureBridge and 8 EnsureNAT of
 * what is there already, 2 CreateTap and DeleteTap, 2 ReadExt4File.
 */
typedef struct {
    guint clients;
    guint calls; /* of each */

    /* What came of it. */
    double seconds;
    double median_usec;     /* of all calls */
    double worst_p99_usec;  /* the highest of the clients' own */
    const char *worst_whom; /* "root" or "owner" */
} BenchMix;

/* Makes what the calls are about. */
bool bench_mix_set_up(Bench *bench);
void bench_mix_tear_down(Bench *bench);

/* Runs @mix; false if a single call failed. */
bool bench_mix_run(Bench *bench, BenchMix *mix);
