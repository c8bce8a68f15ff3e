/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * A FUSE file system of a user's (linux/fuse.h), served by a thread of the test: its root has one
 * file, "file", of FUSE_FILE_SIZE bytes. From fuse_fall_silent() on it does not answer what is
 * asked of it by name or about its attributes, and whoever asks waits.
 */
#define FUSE_FILE_SIZE (1u << 20)

/*
 * Mounts FUSE at @path for @uid; no one answers what is asked of it. Returns its descriptor, or -1.
 */
int fuse_mount_silent(const char *path, uid_t uid);

/* Mounts it at @path for @uid, and serves it. False if FUSE cannot be mounted here. */
bool fuse_mount_served(const char *path, uid_t uid);

void fuse_fall_silent(void);

/* Ends it: whoever waits gets an error. */
void fuse_end(const char *path);
