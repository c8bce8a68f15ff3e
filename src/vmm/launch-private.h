/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "model/bounds.h"
#include "model/requests.h"
#include "util/disk-use.h"
#include "util/settings.h"
#include "util/undo.h"
#include "vmm/jail.h"
#include "vmm/launch.h"
#include "vmm/unit.h"
#include "vmm/vm-file.h"

/* What the files of a launch (launch.c, launch-check.c, launch-explain.c) share. */

#define BANGER_LAUNCH_FILES_MAX (BANGER_DRIVES_MAX + 4) /* kernel, initrd, log and metrics too */

/* A launch under way. */
typedef struct {
    const BangerSettings *settings;
    const BangerLaunchFirecrackerRequest *request;
    const char *op_id;
    uid_t caller_uid;
    BangerLaunchMade made;        /* not looked at */
    BangerJob *job;               /* or NULL */
    const BangerLaunchPart *part; /* or NULL */
    bool rest_failed;             /* @part's rest, which is no failure of the VMM's */
    gint64 deadline_usec;         /* of all of it, g_get_monotonic_time() */
    char *binary;                 /* its real path */
    BangerVmFile files[BANGER_LAUNCH_FILES_MAX];
    size_t n_drives; /* the first of @files */
    size_t n_files;
    BangerDiskClaim *claim; /* of @files, until the VMM has opened them */
    int log_fd;             /* of the file among @files */
    off_t log_start;        /* how long the log was before */
    BangerJail jail;
    bool is_jailed;
    BangerUnit *unit;
} Launch;

/* How much time is left, in milliseconds; at least 1. */
int banger_launch_left_ms(const Launch *launch);

/* The names of the machine's TAPs, @launch's own. Free with g_ptr_array_unref(). */
GPtrArray *banger_launch_taps(const Launch *launch);

/* Looks at everything that has to be there, before anything is made. */
bool banger_launch_check(Launch *launch, GError **error);

/* Frees what @launch has; a VMM that was started runs on. */
void banger_launch_clear(Launch *launch);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Launch, banger_launch_clear)

/* Creates the log and metrics files, which firecracker before 1.14 wants to exist. */
bool banger_launch_create_files(Launch *launch, BangerUndo *undo, GError **error);

/* Makes sure that no other process has what the VMM is going to open, until it has. */
bool banger_launch_claim(Launch *launch, GError **error);

/* Adds to @error how the VMM ended, what it said last, and what this host lacks. */
void banger_launch_explain(Launch *launch, GError **error);
