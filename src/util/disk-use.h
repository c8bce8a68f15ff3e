/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include <glib.h>

#include "util/settings.h"

/*
 * One writer a disk. Whatever opens a disk, for itself or for a VMM that it starts, claims it here
 * first and keeps the claim until the disk was seen to be open.
 *
 * A claim has two parts. Keys (device and inode, or a block device's number) make two calls wait
 * for each other: shared for reading, exclusive otherwise; all of a claim's are taken at once. Then
 * the host is asked who uses the disk. A lease (fcntl(2), F_SETLEASE), which is given back at once,
 * says whether any process has a file open for writing. Who that is, and who reads it, is what the
 * rooms look for that know loops, device-mapper and VMMs: they are registered as finders. Where a
 * file system has no leases, or the helper no CAP_LEASE, the finders alone decide.
 */

typedef enum {
    BANGER_DISK_READ,  /* read, and read on: no one may write it */
    BANGER_DISK_WRITE, /* no other process may write it, no loop, dm device or VMM read it; an
                          ordinary reader (a backup) may */
    BANGER_DISK_LOG,   /* appended to: it may not be a disk, or of another VM */
} BangerDiskMode;

typedef struct {
    const char *path; /* for messages */
    struct stat st;   /* of the regular file, or of a node of the block device */
    BangerDiskMode mode;
    int fd; /* open on the file, for reading only unless it is a log; -1 for a block device */
} BangerDisk;

typedef enum {
    BANGER_DISK_FREE,      /* no process and no device has it: no other finder need look */
    BANGER_DISK_UNUSED,    /* not by what this finder knows */
    BANGER_DISK_PASSING,   /* in use by what may be about to close it: asked again for 0.5 s */
    BANGER_DISK_DETACHING, /* by a loop that the kernel may be about to detach: for 3 s */
    BANGER_DISK_UNKNOWN,   /* not everything could be looked at: for 0.5 s */
    BANGER_DISK_IN_USE,
} BangerDiskUse;

/*
 * Looks for users of the file or block device of @st: with BANGER_DISK_READ for those that write
 * it, else for all. Anything above UNUSED sets *@ret_who to a description ("loop device
 * /dev/loop3"), with UNKNOWN to what could not be done and why, to be freed. Called from any
 * thread.
 */
typedef BangerDiskUse BangerDiskFinder(const BangerSettings *settings, const struct stat *st,
                                       BangerDiskMode mode, char **ret_who);

/* Registers @finders, which end with NULL and stay; once, before the first claim. */
void banger_disk_set_finders(BangerDiskFinder *const *finders);

typedef struct BangerDiskClaim BangerDiskClaim;

/*
 * Claims the @n disks at @disks, which is not used afterwards. Waits at most 10 s for other claims.
 * Errors: Busy, naming who has it; OperationFailed if that cannot be seen; BadParams if one file is
 * among @disks twice and not only for reading.
 */
BangerDiskClaim *banger_disk_claim(const BangerSettings *settings, const BangerDisk *disks,
                                   size_t n, GError **error);

void banger_disk_claim_free(BangerDiskClaim *claim);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerDiskClaim, banger_disk_claim_free)
