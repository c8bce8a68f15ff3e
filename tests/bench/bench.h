/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

/*
 * The benchmark: the helper, called over D-Bus, beside the processes it replaces. Everything that
 * is compared is measured in turn in one run, and only ratios of one run are compared.
 *
 * There are two programs of it, bench (main.c) and, where systemd is PID 1, machines
 * (machines-main.c). They run as root where the helper is on the system bus: in the bus tier's rig,
 * in a container, or in a virtual machine with the package installed.
 */

typedef struct {
    const char *name; /* as in --only */
    const char *text; /* what is compared, for the reader */
    double bar;
    bool at_most; /* the bar is an upper limit, not a lower one */
    double figure;
    const char *unit;
    char *note;    /* or NULL */
    char *skipped; /* why there is no figure, or NULL */
} BenchBar;

typedef struct {
    sd_bus *root;  /* the helper's caller as root … */
    sd_bus *owner; /* … and as the owner, whom polkit decides about */
    uid_t owner_uid;
    gid_t owner_gid;
    char *state_directory;
    char *runtime_directory;
    char *directory; /* of the benchmark, in the state directory */
    guint rounds;
    char **only;       /* patterns of names, or NULL */
    GArray *bars;      /* of BenchBar */
    GPtrArray *tables; /* of BenchComparison *, see compare.h */
    bool failed;
} Bench;

/* Asks the helper how this host is configured, connects as its callers, and makes the directory. */
bool bench_set_up(Bench *bench);

/* Whether --only lets @name run. */
bool bench_wanted(const Bench *bench, const char *name);

/* Enters a bar with its figure, and prints it. Copies @bar, takes over its note and skipped. */
void bench_enter(Bench *bench, const BenchBar *bar);

/* Says what went wrong, and makes the program fail in the end. Returns false. */
bool bench_fail(Bench *bench, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* series.c: measured times. */
typedef struct {
    GArray *usec; /* of double */
} BenchSeries;

BenchSeries *bench_series_new(void);
void bench_series_free(BenchSeries *series);
void bench_series_add(BenchSeries *series, double usec);
/* Adds all of @other. */
void bench_series_join(BenchSeries *series, const BenchSeries *other);
double bench_series_median(const BenchSeries *series);
/* The nearest rank: the smallest value that at least @percent of all do not exceed. */
double bench_series_percentile(const BenchSeries *series, double percent);
/* Monotonic time in microseconds, with fractions. */
double bench_now(void);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BenchSeries, bench_series_free)

/* peer.c: the bus. */
#define BENCH_CALL_USEC (120 * G_USEC_PER_SEC)

/* A connection to the system bus as @uid; NULL if there is none. */
sd_bus *bench_peer_open(uid_t uid, gid_t gid);
/*
 * Calls the helper. @types as in sd_bus_message_append(3), without the op_id, which is left to the
 * helper. On failure prints why. @ret_reply may be NULL.
 */
bool bench_call(sd_bus *bus, sd_bus_message **ret_reply, const char *member, const char *types,
                ...);
/* The same with a whole @message. */
bool bench_call_message(sd_bus *bus, sd_bus_message *message, sd_bus_message **ret_reply);
/* WriteExt4Files of @n files /bench/fileN of @size bytes. */
bool bench_call_write(sd_bus *bus, const char *image, guint n, gsize size);
/* org.freedesktop.DBus.Peer.Ping of the helper. */
bool bench_ping(sd_bus *bus);
/* The pid behind the helper's name; 0 if it has no owner. Starts nothing. */
pid_t bench_helper_pid(sd_bus *bus);
/* Ends the helper and waits until its name and process are gone. */
bool bench_helper_stop(sd_bus *bus);
/* Asks polkit what the helper asks it for ProcessRunning called by @subject. */
bool bench_ask_polkit(sd_bus *root, const char *subject);

/* spawn.c: the processes the helper replaces. */
/*
 * Runs a program to its end, its output thrown away; whether it exited with 0. The arguments end
 * in NULL.
 */
bool bench_run(const char *program, ...) G_GNUC_NULL_TERMINATED;
/*
 * As bench_run(), with what it wrote to its output in @ret_output (g_free(), white space at the
 * end missing).
 */
bool bench_run_output(char **ret_output, const char *program, ...) G_GNUC_NULL_TERMINATED;
/* Whether @program is in the PATH. */
bool bench_has(const char *program);

/* process.c: the program under this name is a stand-in for a VMM: BENCH_VMM --api-sock PATH. */
#define BENCH_VMM "firecracker"
int bench_be_vmm(const char *path);

/* The parts, each in a file of its own; they enter bars and comparisons. */
void bench_overhead(Bench *bench);
void bench_load(Bench *bench);
void bench_checks(Bench *bench);
void bench_endurance(Bench *bench);
/* @n_calls: at least so many, those of strangers included. */
void bench_campaign(Bench *bench, uint64_t n_calls);
void bench_activation(Bench *bench);
void bench_json_socket(Bench *bench);

/* report.c */
void bench_report_print(const Bench *bench);
bool bench_report_write_json(const Bench *bench, const char *path);
/* "name<TAB>ratio<TAB>bar" a line, for tests/bench/ratios.gnuplot. */
bool bench_report_write_ratios(const Bench *bench, const char *path);
