/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What the image at BANGER_WORKER_FD_IMAGE, of @size bytes, is if it is no file system of ours: "a
 * qcow2 disk image", by how it begins. NULL if it is none that is known here.
 */
const char *banger_foreign_name(uint64_t size);

/*
 * Whether it begins with the partition table of a disk: an MBR with an entry that is in use, has
 * the flag 00 or 80 and begins behind the MBR and inside the image. A boot sector alone is none.
 */
bool banger_foreign_has_mbr(uint64_t size);
