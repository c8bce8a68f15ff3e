/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bench/bench.h"

/*
 * The benchmark of whole machines, where systemd is PID 1 (tests/container) and the double of
 * firecracker is started: CreateMachine and DestroyMachine beside the processes of the reference,
 * and beside what cannot be left out. Machines have numbers, and their parts have names by these.
 */

#define MACHINES_BINARY "/usr/local/bin/firecracker"
#define MACHINES_BRIDGE "br-fc-bench"
#define MACHINES_BRIDGE_IP "172.30.0.1"
#define MACHINES_PREFIX "16"

typedef enum {
    MACHINES_LEAN,  /* bridge, TAP, address and NAT, and a root drive that all of them share */
    MACHINES_WHOLE, /* and a root drive of its own, checked, with five files written into it */
} MachinesKind;

typedef struct {
    char *id;
    char *tap;
    char *guest;
    char *api_sock;
    char *vsock;
    char *log;
    char *metrics;
    char *drive; /* its own */
    char *cow;   /* where there is device-mapper: its changes to the image of all … */
    char *snapshot;
} MachinesNames;

void machines_names(const Bench *bench, const char *prefix, guint number, MachinesNames *ret_names);
void machines_names_clear(MachinesNames *names);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MachinesNames, machines_names_clear)

/* What all machines share: the double, a kernel, a root drive. False if it cannot be made. */
bool machines_set_up(Bench *bench);
void machines_tear_down(Bench *bench);
bool machines_have_snapshots(void);
char *machines_path(const Bench *bench, const char *name);

/* machines-call.c: the helper's methods, for the machine @number. */
bool machines_create(const Bench *bench, sd_bus *bus, MachinesKind kind, guint number);
bool machines_destroy(const Bench *bench, sd_bus *bus, MachinesKind kind, guint number);
/* LaunchFirecracker, on the TAP of the machine, and the end of it. */
bool machines_launch(const Bench *bench, sd_bus *bus, guint number);
bool machines_kill(const Bench *bench, sd_bus *bus, guint number);
/* Makes what a machine of @kind needs and does not make. */
bool machines_prepare(const Bench *bench, MachinesKind kind, guint number);

/* machines-processes.c: the same by the processes of the reference. */
/* *@ret_host_usec, which may be NULL: what it took before the VMM was started, in microseconds. */
bool machines_create_by_processes(const Bench *bench, guint number, double *ret_host_usec);
bool machines_destroy_by_processes(const Bench *bench, guint number);

/* machines-bare.c: what cannot be left out. */
typedef struct MachinesBare MachinesBare;

/* A connection to systemd; NULL if there is none. */
MachinesBare *machines_bare_new(const Bench *bench);
void machines_bare_free(MachinesBare *bare);
/* StartTransientUnit with the helper's own properties, jail and all, until the job is done. */
bool machines_bare_start(MachinesBare *bare, guint number);
/* Configures and starts the guest of its VMM over the API socket. */
bool machines_bare_boot(MachinesBare *bare, guint number);
/* Kills it, and waits until systemd has seen the end. */
bool machines_bare_stop(MachinesBare *bare, guint number);

/* By netlink alone: a TAP, up, on the bridge, and an element of a set; and both away again. */
bool machines_bare_network(const Bench *bench, guint number);

/*
 * Waits until there is the socket @path, and makes the requests that configure the machine @names
 * with the drive @drive, and start its guest. With @tap, which may be NULL, an interface on it.
 */
bool machines_boot(const MachinesNames *names, const char *path, const char *kernel,
                   const char *drive, bool read_only, const char *tap);

/* machines-rate.c: one VM in turn with the processes, and 1, 8 and 64 callers. */
void machines_compare(Bench *bench);
void machines_launch_overhead(Bench *bench);
void machines_rates(Bench *bench);

/*
 * machines-fill.c: a host that fills to @count machines, what is asked of it then, and empties.
 * Writes the course to @path, for machines.gnuplot.
 */
void machines_fill(Bench *bench, guint count, const char *path);
/* With @count machines: the objects, and the signal of an end. */
void machines_look(Bench *bench, guint count);
