/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "util/settings.h"

/*
 * The virtual machines that there are. Where systemd is PID 1 they are its units
 * banger-vm-<vm_id>.service: one ListUnitsByPatterns (org.freedesktop.systemd1(5)) says which, and
 * the rest is read from cgroupfs and from the files that systemd keeps of transient units, whatever
 * their number. Elsewhere they are the processes that banger_process_check_ours() accepts and that
 * name themselves with --id; who started them, when and for what is not on record there. Nothing is
 * changed.
 */

typedef enum {
    BANGER_MACHINE_STARTING,
    BANGER_MACHINE_RUNNING,
    BANGER_MACHINE_STOPPING,
    BANGER_MACHINE_FAILED, /* only for a moment, then the unit is gone */
} BangerMachineState;

/* Texts that are not on record are "", never NULL. */
typedef struct {
    char *id;
    char *unit; /* "" without systemd */
    BangerMachineState state;
    pid_t leader;        /* 0: not yet, or no more */
    uint64_t since_usec; /* since the epoch: when it was started */
    char *op_id;
    uid_t creator; /* UINT32_MAX: not on record */
    char *tap;
    char *bridge;
    char *snapshot; /* the dm name of its root drive */
    char *api_socket;
    char *vsock_path;
    bool owner_starts;     /* it was launched so that its owner starts the guest */
    char **guest_ips;      /* NULL: on record at the TAP, for whoever reads that */
    uint64_t memory_bytes; /* 0: not known */
    uint64_t cpu_usec;
} BangerMachineInfo;

/* What is wanted of each machine besides its id, unit, state and leader. */
typedef enum {
    BANGER_MACHINE_RECORD = 1 << 0,  /* what it was started with, and when */
    BANGER_MACHINE_FIGURES = 1 << 1, /* memory and processor time */
    BANGER_MACHINE_ALL = BANGER_MACHINE_RECORD | BANGER_MACHINE_FIGURES,
} BangerMachineDetails;

/* "starting", "running", "stopping" or "failed". */
const char *banger_machine_state_name(BangerMachineState state);

/* A machine called @id of which nothing else is known. */
BangerMachineInfo *banger_machine_info_new(const char *id);

/* Frees a BangerMachineInfo. */
void banger_machine_info_free(void *user_data);

/*
 * Adds the machines to @machines, id to BangerMachineInfo, whose keys are parts of the values; with
 * @vm_id that one alone, if there is such a machine. Errors: Timeout if systemd does not answer
 * within 5 s, OperationFailed.
 */
bool banger_machine_list(const BangerSettings *settings, const char *vm_id,
                         BangerMachineDetails details, GHashTable *machines, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerMachineInfo, banger_machine_info_free)
