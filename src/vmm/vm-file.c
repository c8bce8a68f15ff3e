/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/vm-file.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <glib.h>

/* firecracker ends at the bound (SIGXFSZ), and its metrics are about 7 MB a day. */
#define LOG_GROWTH ((uint64_t)4 << 30)

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

uint64_t
banger_vm_files_size_max(const BangerVmFile *files, size_t n_files, uint64_t memory)
{
    uint64_t bytes = MAX(memory, LOG_GROWTH);

    for (size_t i = 0; i < n_files; i++)
        if (S_ISREG(files[i].st.st_mode))
            bytes = MAX(bytes, (uint64_t)files[i].st.st_size + (files[i].is_log ? LOG_GROWTH : 0));
    return bytes;
}
