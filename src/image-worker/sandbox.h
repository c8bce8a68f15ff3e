/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <sys/types.h>

#include "image-worker/failure.h"

/*
 * The worker's cage. Every part is put up or the request is refused (NO_SANDBOX).
 *
 * What the unit of the helper must leave to it for this (docs/trust-model.md, rule 9): the
 * capabilities SETUID, SETGID, SETPCAP and SYS_CHROOT, for e2fsck also SYS_ADMIN, MKNOD, CHOWN and
 * FOWNER; the system calls of @mount, and unshare, mknod, setresuid, setresgid, setgroups, capset,
 * seccomp, execveat; RestrictNamespaces= must allow mnt and net; device access to block-loop and
 * block-device-mapper with "rwm" (mknod asks for m), and to /dev/null with the same.
 */
typedef enum {
    BANGER_SANDBOX_LIBRARY, /* libext2fs works here: no file can be opened, no program run */
    BANGER_SANDBOX_E2FSCK,  /* one program may be run, in a root of its own that has one device */
} BangerSandboxKind;

/*
 * Cages the process as user @uid and group @gid, neither of them 0. Afterwards it has no
 * capability, cannot gain any, sees no file system but its cage's, has no network and no
 * descriptors but the ones of util/worker-protocol.h (for LIBRARY without an image yet; for E2FSCK
 * also the program's, at BANGER_SANDBOX_FD_PROGRAM), and may make only the system calls its kind
 * needs. It dies with the helper, the process @parent, or at once if that has died already.
 */
bool banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid, pid_t parent,
                          BangerWorkerFailure *failure);

/*
 * Closes the cage of LIBRARY for good, once its image has come: until here it may receive. What it
 * may allocate on the host's disk is bounded by the size of the image, and with @sizes also what it
 * may write. Without @writes it flushes nothing to the disk.
 */
bool banger_sandbox_bound_image(bool sizes, bool writes, BangerWorkerFailure *failure);

/* Gives LIBRARY more processor time: what has been begun to be written must be finished. */
bool banger_sandbox_allow_commit(BangerWorkerFailure *failure);

/*
 * Gives LIBRARY a minute more of processor time than it has used, an hour at most: for content that
 * is being streamed, of whatever size.
 */
bool banger_sandbox_allow_more_time(BangerWorkerFailure *failure);

/* What LIBRARY may allocate in one step, in bytes. */
#define BANGER_SANDBOX_RESERVE_MAX (1u << 20)

/* Threads of all e2fsck together. One starts two: it cannot see how many processors there are. */
#define BANGER_SANDBOX_THREADS_MAX 256

/* Where banger_sandbox_enter() left e2fsck, open by O_PATH and closed by the exec itself. */
#define BANGER_SANDBOX_FD_PROGRAM 4

/* The one device in the cage of e2fsck: what BANGER_WORKER_FD_IMAGE is open on. */
#define BANGER_SANDBOX_DEVICE "/image"
