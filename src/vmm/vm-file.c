/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/vm-file.h"

#include <linux/magic.h>
#include <sys/vfs.h>

uint64_t
banger_vm_files_in_memory(const BangerVmFile *files, size_t n_files)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < n_files; i++) {
        struct statfs fs;

        if (files[i].writable && S_ISREG(files[i].st.st_mode) && fstatfs(files[i].fd, &fs) == 0 &&
            fs.f_type == TMPFS_MAGIC)
            bytes += (uint64_t)files[i].st.st_size;
    }
    return bytes;
}
