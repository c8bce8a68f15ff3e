/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <ext2fs/ext2fs.h>

#include "image-worker/failure.h"

/*
 * The extended attributes that a file keeps when its content is replaced: its label (SELinux,
 * Smack), what users gave it and its access control list. What speaks of the old content goes:
 * capabilities, signatures and hashes (IMA, EVM).
 */

typedef struct {
    char *name;
    void *value;
    size_t length;
} BangerAttribute;

typedef struct {
    BangerAttribute *list;
    size_t n;
} BangerAttributes;

/*
 * Reads those of @ino. The access control list is made to say what @mode says of owner, group and
 * others, as chmod(2) does.
 */
errcode_t banger_attributes_read(ext2_filsys fs, ext2_ino_t ino, unsigned int mode,
                                 BangerAttributes *ret_attributes);

/* Sets all of @attributes on @ino, which has none. */
errcode_t banger_attributes_write(ext2_filsys fs, ext2_ino_t ino,
                                  const BangerAttributes *attributes);

/* Removes every one of @ino, and so the inodes that store the values of large ones. */
errcode_t banger_attributes_remove(ext2_filsys fs, ext2_ino_t ino);

void banger_attributes_free(BangerAttributes *attributes);
