/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <ext2fs/ext2fs.h>

#include "image-worker/failure.h"

/* Where a path of the guest leads, symbolic links followed inside the guest's root only. */
typedef struct {
    ext2_ino_t parent;            /* the directory of the last component */
    char name[EXT2_NAME_LEN + 1]; /* the last component; "" if the path ends in a directory */
    ext2_ino_t ino;               /* 0: there is no such entry in the directory */
} BangerGuestEntry;

typedef enum {
    BANGER_GUEST_WALK_READ,   /* a symbolic link in the last place is followed too */
    BANGER_GUEST_WALK_LOOK,   /* it is not, and nothing is made */
    BANGER_GUEST_WALK_CREATE, /* it is not, and directories missing on the way are made */
} BangerGuestWalk;

/*
 * Walks the absolute @path. ".." never leaves the root, and is resolved by the way taken, not by
 * what a directory's own ".." claims. Directories are made with 0755 and owner 0:0; where they are
 * not made, one that is missing is NOT_FOUND. The last component itself may be absent.
 */
bool banger_guest_path_walk(ext2_filsys fs, const char *path, BangerGuestWalk way,
                            BangerGuestEntry *ret_entry, BangerWorkerFailure *failure);

/*
 * Reads the inode @ino, which a directory entry of the guest named, into @ret_inode of
 * EXT2_INODE_SIZE() bytes at most @size. Refuses numbers out of range and the inodes that the file
 * system keeps for itself.
 */
bool banger_guest_inode_read(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *ret_inode, int size,
                             const char *path, BangerWorkerFailure *failure);

/* Enters @ino as @name into @directory, which grows if it must, and sets its times. */
bool banger_guest_link(ext2_filsys fs, ext2_ino_t directory, const char *name, ext2_ino_t ino,
                       int file_type, BangerWorkerFailure *failure);
