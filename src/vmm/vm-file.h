/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * A file or block device that a VMM is to open, as it was checked: @fd stays open until the VMM has
 * it, so that its number in the file system is not another file's meanwhile.
 */
typedef struct {
    const char *path; /* as the VMM names it */
    int fd;
    struct stat st;
    bool writable;
    bool is_log; /* or metrics: appended to, and no disk */
} BangerVmFile;

/*
 * How many bytes of memory the files themselves may take, counted as the VM's: those of the
 * writable ones that are on a tmpfs (statfs(2)).
 */
uint64_t banger_vm_files_in_memory(const BangerVmFile *files, size_t n_files);

/*
 * How large any file may become by what a VMM with @files and a guest of @memory bytes does: the
 * largest drive, a snapshot's memory, and a log or the metrics of years.
 */
uint64_t banger_vm_files_size_max(const BangerVmFile *files, size_t n_files, uint64_t memory);
