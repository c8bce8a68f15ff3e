/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "model/requests.h"
#include "util/settings.h"
#include "vmm/jail.h"
#include "vmm/process.h"
#include "vmm/vm-file.h"

/*
 * A program that outlives the helper. Where systemd is PID 1 (sd_booted(3)) it is a transient
 * service unit, banger-vm-<vm_id>.service in banger.slice (org.freedesktop.systemd1(5),
 * systemd.exec(5)); elsewhere a process of its own session. Neither inherits descriptors, signal
 * settings or the umask of the helper, and neither ends with it.
 *
 * A BangerUnit is used by one thread at a time. It has one connection to the system bus of its
 * own, so no call of it waits for the helper's loop, or the loop for it.
 */
typedef struct BangerUnit BangerUnit;

typedef struct {
    const BangerSettings *settings; /* the owner, and the directories */
    const char *vm_id;              /* names the unit */
    const char *op_id;              /* in the unit's description */
    const char *const *argv;        /* argv[0] is the real path of the program */
    bool needs_libraries;           /* the program is no static one */
    const char *const *environment; /* NAME=VALUE, ends with NULL */
    int output_fd; /* standard output and error where there is no journal to take them */
    const BangerVmFile *files; /* what it may open, where the host can restrict it */
    size_t n_files;
    const BangerJail *jail;              /* NULL: it runs as the owner */
    const BangerMachineOptions *options; /* weights and the like of its cgroup */
    uint64_t memory_max;                 /* bytes */
    uint64_t tasks_max;
    uint64_t file_size_max; /* bytes; no file becomes larger by what it does */
    int timeout_ms;         /* until it is executed */
} BangerUnitSpec;

/*
 * Starts the program and waits, bounded, until it was executed. Errors: AlreadyExists if the unit
 * is there and runs; Timeout; OperationFailed with what was refused, by whom.
 */
BangerUnit *banger_unit_start(const BangerUnitSpec *spec, GError **error);

/*
 * Waits, for at most 2 s, for units of VMs that systemd is about to start: a helper that was killed
 * may have asked for one, whose process is not to be distinguished from systemd's own until it
 * executes the program. True where systemd answered: who was looked for before may be there now.
 */
bool banger_unit_wait_for_starts(void);

/* The main process. Owned by the unit. */
const BangerProcess *banger_unit_process(const BangerUnit *unit);

/*
 * How the main process ended, such as "exited with status 1" or "was killed by signal 9 (Killed)",
 * and where its last output is if that is not the log file. NULL while it runs. Free with g_free().
 */
char *banger_unit_describe_end(BangerUnit *unit);

/*
 * Kills every process of the unit and waits, bounded, until they have ended. Errors:
 * OperationFailed or Timeout, with a message to add to what made it necessary.
 */
bool banger_unit_stop(BangerUnit *unit, GError **error);

/* Frees @unit and lets go of what it stands for, which runs on. */
void banger_unit_free(BangerUnit *unit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerUnit, banger_unit_free)
