/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <ext2fs/ext2fs.h>
#include <stdint.h>

#include "image-worker/failure.h"
#include "image-worker/stream.h"

/*
 * Reads the regular file at @path, at most @max bytes. *@ret_data is malloc()ed.
 */
bool banger_guest_file_read(ext2_filsys fs, const char *path, size_t max, void **ret_data,
                            size_t *ret_length, BangerWorkerFailure *failure);

/* Finds the regular file at @path: its inode and its size in bytes. */
bool banger_guest_file_find(ext2_filsys fs, const char *path, ext2_ino_t *ret_ino,
                            uint64_t *ret_size, BangerWorkerFailure *failure);

/*
 * Whether @path can be written as far as can be seen without changing anything: it is no directory
 * and no special file, and does not lead through anything but directories.
 */
bool banger_guest_file_check(ext2_filsys fs, const char *path, BangerWorkerFailure *failure);

/*
 * Writes the regular file at @path: owner 0:0, @mode, @length bytes of @data, the present time.
 * Directories missing on the way are made. An existing file keeps its inode (and so its other hard
 * links, which see the new content), its time of birth, the flags that its administrator set
 * (immutable and append-only do not stop the host), and the attributes of
 * image-worker/attributes.h; its blocks are freed. A symbolic link in the last place is replaced.
 * The bitmaps must be loaded, and checked by banger_soundness_check().
 */
bool banger_guest_file_write(ext2_filsys fs, const char *path, unsigned int mode, const void *data,
                             size_t length, BangerWorkerFailure *failure);

/* The same, with the content that is in the blocks of @runs already, which become the file's. */
bool banger_guest_file_write_runs(ext2_filsys fs, const char *path, unsigned int mode,
                                  const BangerRuns *runs, BangerWorkerFailure *failure);
