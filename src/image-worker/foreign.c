/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/foreign.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "util/worker-protocol.h"

#define SECTOR 512u
#define MBR_ENTRIES 446u
#define MBR_ENTRY 16u
#define MBR_MAGIC_AT 510u

typedef struct {
    uint32_t at; /* in bytes */
    uint32_t length;
    const char *magic;
    const char *name;
} Kind;

static const Kind kinds[] = {
    {SECTOR, 8, "EFI PART", "a disk with a GPT partition table"},
    {4096, 8, "EFI PART", "a disk with a GPT partition table"},
    {0, 4, "QFI\xfb", "a qcow2 disk image"},
    {0, 4, "KDMV", "a VMDK disk image"},
    {0, 21, "# Disk DescriptorFile", "the descriptor of a VMDK disk image"},
    {0, 8, "vhdxfile", "a VHDX disk image"},
    {0, 8, "conectix", "a VHD disk image"},
    {0, 6, "LUKS\xba\xbe", "a LUKS encrypted volume"},
    {0, 4, "XFSB", "an XFS file system"},
    {0x10040, 8, "_BHRfS_M", "a Btrfs file system"},
    {0, 4, "hsqs", "a SquashFS file system"},
    {1024, 4, "\x10\x20\xf5\xf2", "an F2FS file system"},
    {0x8001, 5, "CD001", "an ISO 9660 file system"},
    {0, 2, "\x1f\x8b", "compressed by gzip"},
    {0, 6,
     "\xfd"
     "7zXZ\0",
     "compressed by xz"},
    {0, 4, "\x28\xb5\x2f\xfd", "compressed by zstd"},
    {0, 3, "BZh", "compressed by bzip2"},
    {0, 4, "PK\x03\x04", "a ZIP archive"},
    {257, 5, "ustar", "a tar archive"},
    {0, 4,
     "\x7f"
     "ELF",
     "an ELF program"},
    {4086, 10, "SWAPSPACE2", "swap space"},
    {536, 8, "LVM2 001", "an LVM physical volume"},
    {54, 3, "FAT", "a FAT file system"},
    {82, 5, "FAT32", "a FAT file system"},
    {3, 8, "NTFS    ", "an NTFS file system"},
};

static bool
has_bytes(uint32_t at, const void *bytes, uint32_t length)
{
    unsigned char found[32];

    return length <= sizeof found &&
           pread(BANGER_WORKER_FD_IMAGE, found, length, (off_t)at) == (ssize_t)length &&
           memcmp(found, bytes, length) == 0;
}

static bool
is_blank(void)
{
    unsigned char block[4096];
    ssize_t n = pread(BANGER_WORKER_FD_IMAGE, block, sizeof block, 0);

    for (ssize_t i = 0; i < n; i++)
        if (block[i] != 0)
            return false;
    return true;
}

bool
banger_foreign_has_mbr(uint64_t size)
{
    unsigned char sector[SECTOR];

    if (pread(BANGER_WORKER_FD_IMAGE, sector, sizeof sector, 0) != (ssize_t)sizeof sector ||
        sector[MBR_MAGIC_AT] != 0x55 || sector[MBR_MAGIC_AT + 1] != 0xaa)
        return false;
    for (unsigned int i = 0; i < 4; i++) {
        const unsigned char *entry = sector + MBR_ENTRIES + (size_t)i * MBR_ENTRY;
        uint64_t start = (uint64_t)entry[8] | (uint64_t)entry[9] << 8 | (uint64_t)entry[10] << 16 |
                         (uint64_t)entry[11] << 24;

        if (entry[4] != 0 && (entry[0] == 0 || entry[0] == 0x80) && start >= 1 &&
            start < size / SECTOR)
            return true;
    }
    return false;
}

const char *
banger_foreign_name(uint64_t size)
{
    if (size == 0)
        return "an empty file";
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (has_bytes(kinds[i].at, kinds[i].magic, kinds[i].length))
            return kinds[i].name;
    if (banger_foreign_has_mbr(size))
        return "a disk with an MBR partition table";
    return is_blank() ? "blank (it begins with zeros)" : NULL;
}
