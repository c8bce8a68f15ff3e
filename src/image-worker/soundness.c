/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/soundness.h"

#include <errno.h>
#include <stdlib.h>

/* The blocks of the file system itself; of blocks, also where bigalloc counts clusters. */
static ext2fs_block_bitmap system_blocks;

static bool
refuse_damage(BangerWorkerFailure *failure, const char *what, dgrp_t group)
{
    return banger_failure_set(failure, BANGER_WORKER_FAILED,
                              "the file system is damaged, check it with e2fsck: %s of block group "
                              "%u",
                              what, group);
}

bool
banger_soundness_is_bad_block(ext2_filsys fs, blk64_t block)
{
    return block < fs->super->s_first_data_block || block >= ext2fs_blocks_count(fs->super) ||
           ext2fs_test_block_bitmap2(system_blocks, block) != 0;
}

/* Whether all of the @n blocks from @block on are marked as used. */
static bool
are_used(ext2_filsys fs, blk64_t block, blk64_t n)
{
    blk64_t free_block = 0;

    return ext2fs_find_first_zero_block_bitmap2(fs->block_map, block, block + n - 1, &free_block) ==
           ENOENT;
}

/* Takes the @n blocks from @block on as the system's. */
static bool
add_blocks(ext2_filsys fs, blk64_t block, blk64_t n)
{
    if (n == 0 || block < fs->super->s_first_data_block ||
        block + n > ext2fs_blocks_count(fs->super) || !are_used(fs, block, n))
        return false;
    ext2fs_mark_block_bitmap_range2(system_blocks, block, (unsigned int)n);
    return true;
}

static bool
add_group(ext2_filsys fs, dgrp_t group)
{
    (void)ext2fs_reserve_super_and_bgd(fs, group, system_blocks);
    return add_blocks(fs, ext2fs_block_bitmap_loc(fs, group), 1) &&
           add_blocks(fs, ext2fs_inode_bitmap_loc(fs, group), 1) &&
           add_blocks(fs, ext2fs_inode_table_loc(fs, group), fs->inode_blocks_per_group);
}

/* Whether the superblock's copy and the descriptors of @group are marked as used. */
static bool
has_descriptors(ext2_filsys fs, dgrp_t group)
{
    blk64_t super = 0, old_descriptors = 0, new_descriptors = 0;
    blk_t n = 0;

    (void)ext2fs_super_and_bgd_loc2(fs, group, &super, &old_descriptors, &new_descriptors, &n);
    n = ext2fs_has_feature_meta_bg(fs->super)
            ? fs->super->s_first_meta_bg
            : (blk_t)fs->desc_blocks + fs->super->s_reserved_gdt_blocks;
    return (super == 0 || are_used(fs, super, 1)) &&
           (old_descriptors == 0 || n == 0 || are_used(fs, old_descriptors, n)) &&
           (new_descriptors == 0 || are_used(fs, new_descriptors, 1));
}

static unsigned int
count_free(const unsigned char *bits, unsigned int n)
{
    unsigned int n_used = ext2fs_bitcount(bits, n / 8);

    if (n % 8 != 0)
        n_used += (unsigned int)__builtin_popcount(bits[n / 8] & ((1u << n % 8) - 1));
    return n - n_used;
}

/* Compares what is free in the bitmaps of @group with its descriptor. @bits is a block. */
static bool
check_counts(ext2_filsys fs, dgrp_t group, unsigned char *bits, BangerWorkerFailure *failure)
{
    const unsigned int shift = (unsigned int)fs->cluster_ratio_bits;
    const blk64_t first = (blk64_t)fs->super->s_first_data_block >> shift;
    const blk64_t end = ((ext2fs_blocks_count(fs->super) - 1) >> shift) + 1;
    unsigned int n = EXT2_CLUSTERS_PER_GROUP(fs->super);
    blk64_t start = first + (blk64_t)group * n;
    errcode_t error;

    if (start + n > end)
        n = (unsigned int)(end - start);
    error = ext2fs_get_block_bitmap_range2(fs->block_map, start, n, bits);
    if (error != 0)
        return banger_failure_set_ext2(failure, error, "cannot read what is free in the image");
    if (count_free(bits, n) != ext2fs_bg_free_blocks_count(fs, group))
        return refuse_damage(failure, "the block bitmap does not fit the descriptor", group);
    n = EXT2_INODES_PER_GROUP(fs->super);
    error = ext2fs_get_inode_bitmap_range2(fs->inode_map, (__u64)group * n + 1, n, bits);
    if (error != 0)
        return banger_failure_set_ext2(failure, error, "cannot read what is free in the image");
    return count_free(bits, n) == ext2fs_bg_free_inodes_count(fs, group) ||
           refuse_damage(failure, "the inode bitmap does not fit the descriptor", group);
}

static int
add_block(ext2_filsys fs, blk64_t *block, /* NOLINT(readability-non-const-parameter) */
          e2_blkcnt_t count, blk64_t ref_block, int ref_offset, void *data)
{
    bool *is_sound = data;

    (void)count;
    (void)ref_block;
    (void)ref_offset;
    *is_sound = !banger_soundness_is_bad_block(fs, *block) && add_blocks(fs, *block, 1);
    return *is_sound ? 0 : BLOCK_ABORT;
}

/* Takes the blocks of @ino, the journal's or the orphan file's, as the system's. */
static bool
add_inode(ext2_filsys fs, ext2_ino_t ino, BangerWorkerFailure *failure)
{
    bool is_sound = true;
    errcode_t error;

    if (ino == 0)
        return true;
    if (ino > fs->super->s_inodes_count)
        error = EXT2_ET_BAD_INODE_NUM;
    else
        error = ext2fs_block_iterate3(fs, ino, BLOCK_FLAG_READ_ONLY, NULL, add_block, &is_sound);
    return (error == 0 && is_sound) ||
           banger_failure_set_ext2(failure, error != 0 ? error : EXT2_ET_INODE_CORRUPTED,
                                   "the file system is damaged, check it with e2fsck: inode %u",
                                   ino);
}

static bool
check_groups(ext2_filsys fs, BangerWorkerFailure *failure)
{
    unsigned char *bits = calloc(1, fs->blocksize);
    bool is_sound = bits != NULL;

    if (!is_sound)
        (void)banger_failure_set_errno(failure, ENOMEM, "cannot look at the image");
    for (dgrp_t group = 0; is_sound && group < fs->group_desc_count; group++)
        is_sound = ((add_group(fs, group) && has_descriptors(fs, group)) ||
                    refuse_damage(failure, "a part is marked as free", group)) &&
                   check_counts(fs, group, bits, failure);
    free(bits);
    return is_sound;
}

/* The inode of the orphan file, 0 if there is none. e2fsprogs before 1.47 does not know it. */
static ext2_ino_t
orphan_file_of(const struct ext2_super_block *super)
{
#ifdef EXT4_FEATURE_COMPAT_ORPHAN_FILE
    if ((super->s_feature_compat & EXT4_FEATURE_COMPAT_ORPHAN_FILE) != 0)
        return super->s_orphan_file_inum;
#else
    (void)super;
#endif
    return 0;
}

bool
banger_soundness_check(ext2_filsys fs, BangerWorkerFailure *failure)
{
    __u16 type = fs->default_bitmap_type;
    errcode_t error;

    error = ext2fs_check_desc(fs);
    if (error != 0)
        return banger_failure_set_ext2(failure, error,
                                       "the file system is damaged, check it with e2fsck");
    if (system_blocks != NULL) /* of another file system, in a program that opens many */
        ext2fs_free_block_bitmap(system_blocks);
    system_blocks = NULL;
    /* Few long runs: a tree is small, however large the image is. */
    fs->default_bitmap_type = EXT2FS_BMAP64_RBTREE;
    error = ext2fs_allocate_subcluster_bitmap(fs, "system blocks", &system_blocks);
    fs->default_bitmap_type = type;
    if (error != 0)
        return banger_failure_set_ext2(failure, error, "cannot look at the image");
    return check_groups(fs, failure) &&
           (fs->super->s_journal_dev != 0 || add_inode(fs, fs->super->s_journal_inum, failure)) &&
           add_inode(fs, orphan_file_of(fs->super), failure);
}

static int
check_block(ext2_filsys fs, blk64_t *block, /* NOLINT(readability-non-const-parameter) */
            e2_blkcnt_t count, blk64_t ref_block, int ref_offset, void *data)
{
    bool *is_sound = data;

    (void)count;
    (void)ref_block;
    (void)ref_offset;
    *is_sound = !banger_soundness_is_bad_block(fs, *block) &&
                ext2fs_test_block_bitmap2(fs->block_map, *block) != 0;
    return *is_sound ? 0 : BLOCK_ABORT;
}

bool
banger_soundness_check_inode(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *inode,
                             const char *path, BangerWorkerFailure *failure)
{
    blk64_t attributes = ext2fs_file_acl_block(fs, inode);
    bool is_sound = true;
    errcode_t error = 0;

    if (ext2fs_inode_has_valid_blocks2(fs, inode))
        error = ext2fs_block_iterate3(fs, ino, BLOCK_FLAG_READ_ONLY, NULL, check_block, &is_sound);
    if (error == 0 && is_sound && attributes != 0)
        (void)check_block(fs, &attributes, 0, 0, 0, &is_sound);
    if (error == 0 && !is_sound)
        error = EXT2_ET_INODE_CORRUPTED;
    return error == 0 || banger_failure_set_ext2(failure, error,
                                                 "the file system is damaged, check it with "
                                                 "e2fsck: inode %u of guest path \"%s\"",
                                                 ino, path);
}
