/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/guest-content.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

errcode_t
banger_guest_content_read(ext2_filsys fs, ext2_ino_t ino, void *data, unsigned int length)
{
    unsigned char *to = data;
    unsigned int got = 0;
    ext2_file_t file;
    errcode_t error = ext2fs_file_open(fs, ino, 0, &file);

    if (error != 0)
        return error;
    while (error == 0 && length > 0) {
        error = ext2fs_file_read(file, to, length, &got);
        if (error == 0 && got == 0)
            error = EXT2_ET_SHORT_READ;
        to += got;
        length -= got;
    }
    (void)ext2fs_file_close(file);
    return error;
}

static errcode_t
put_content(ext2_filsys fs, ext2_ino_t ino, const void *data, size_t length)
{
    const unsigned char *from = data;
    unsigned int put = 0;
    ext2_file_t file;
    errcode_t error, close_error;

    if (length == 0)
        return 0;
    error = ext2fs_file_open(fs, ino, EXT2_FILE_WRITE, &file);
    if (error != 0)
        return error;
    while (error == 0 && length > 0) {
        error = ext2fs_file_write(file, from, (unsigned int)length, &put);
        if (error == 0 && put == 0)
            error = EXT2_ET_SHORT_WRITE;
        from += put;
        length -= put;
    }
    close_error = ext2fs_file_close(file);
    return error != 0 ? error : close_error;
}

errcode_t
banger_guest_content_write(ext2_filsys fs, ext2_ino_t ino, const void *data, size_t length)
{
    struct ext2_inode inode = {0};
    errcode_t error = put_content(fs, ino, data, length);

    if (error == 0)
        error = ext2fs_read_inode(fs, ino, &inode);
    if (error != 0 || EXT2_I_SIZE(&inode) == length)
        return error;
    error = ext2fs_inode_size_set(fs, &inode, (ext2_off64_t)length);
    return error != 0 ? error : ext2fs_write_inode(fs, ino, &inode);
}

/* The blocks of the runs, one after the other, as they become a file's. */
typedef struct {
    const BangerRuns *runs;
    size_t run; /* the next one, … */
    blk64_t at; /* … and the next block in it */
    blk64_t n_left;
    blk64_t n_mapping; /* blocks that map others, allocated here */
    void *zeros;
    errcode_t error;
} Mapping;

/* A block that maps others (of ext2 and ext3), empty. */
static int
add_mapping_block(ext2_filsys fs, blk64_t *block, Mapping *mapping)
{
    mapping->error = ext2fs_new_block2(fs, 0, NULL, block);
    if (mapping->error == 0)
        mapping->error = io_channel_write_blk64(fs->io, *block, 1, mapping->zeros);
    if (mapping->error != 0)
        return BLOCK_ABORT;
    ext2fs_block_alloc_stats2(fs, *block, +1);
    mapping->n_mapping++;
    return BLOCK_CHANGED;
}

static int
map_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t count, blk64_t ref_block, int ref_offset,
          void *data)
{
    Mapping *mapping = data;
    const BangerRun *run = &mapping->runs->list[mapping->run];

    (void)ref_block;
    (void)ref_offset;
    if (mapping->n_left == 0)
        return BLOCK_ABORT;
    if (count < 0)
        return add_mapping_block(fs, block, mapping);
    *block = run->start + mapping->at;
    if (++mapping->at == run->n) {
        mapping->at = 0;
        mapping->run++;
    }
    return --mapping->n_left == 0 ? BLOCK_CHANGED | BLOCK_ABORT : BLOCK_CHANGED;
}

/* Sets size and count of blocks of @ino, whose content is mapped. */
static errcode_t
set_size(ext2_filsys fs, ext2_ino_t ino, const Mapping *mapping)
{
    struct ext2_inode inode = {0};
    blk64_t n_clusters = mapping->n_mapping;
    errcode_t error = ext2fs_read_inode(fs, ino, &inode);

    for (size_t i = 0; i < mapping->runs->n; i++)
        n_clusters += mapping->runs->list[i].n >> fs->cluster_ratio_bits;
    if (error == 0)
        error = ext2fs_iblk_add_blocks(fs, &inode, n_clusters);
    if (error == 0)
        error = ext2fs_inode_size_set(fs, &inode, (ext2_off64_t)mapping->runs->size);
    return error != 0 ? error : ext2fs_write_inode(fs, ino, &inode);
}

/* Block by block, as ext2 and ext3 map them. */
static errcode_t
map_blocks(ext2_filsys fs, ext2_ino_t ino, Mapping *mapping)
{
    errcode_t error;

    mapping->zeros = calloc(1, fs->blocksize);
    if (mapping->zeros == NULL)
        return EXT2_ET_NO_MEMORY;
    error = ext2fs_block_iterate3(fs, ino, BLOCK_FLAG_APPEND, NULL, map_block, mapping);
    free(mapping->zeros);
    return error != 0 ? error : mapping->error;
}

#define EXTENT_MAX 32768u /* blocks */

/* Extent by extent: block by block each would cost a checksum of the tree. */
static errcode_t
map_extents(ext2_filsys fs, ext2_ino_t ino, Mapping *mapping)
{
    struct ext2fs_extent extent = {0};
    ext2_extent_handle_t handle;
    errcode_t error = ext2fs_extent_open(fs, ino, &handle);

    if (error != 0)
        return error;
    while (error == 0 && mapping->n_left > 0) {
        const BangerRun *run = &mapping->runs->list[mapping->run];
        blk64_t n = run->n - mapping->at;

        n = n < mapping->n_left ? n : mapping->n_left;
        n = n < EXTENT_MAX ? n : EXTENT_MAX;
        extent.e_pblk = run->start + mapping->at;
        extent.e_len = (__u32)n;
        error = ext2fs_extent_insert(handle, EXT2_EXTENT_INSERT_AFTER, &extent);
        if (error == 0)
            error = ext2fs_extent_fix_parents(handle);
        extent.e_lblk += n;
        mapping->n_left -= n;
        mapping->at += n;
        if (mapping->at == run->n) {
            mapping->at = 0;
            mapping->run++;
        }
    }
    ext2fs_extent_free(handle);
    return error;
}

errcode_t
banger_guest_content_map(ext2_filsys fs, ext2_ino_t ino, const BangerRuns *runs)
{
    Mapping mapping = {.runs = runs, .n_left = (runs->size + fs->blocksize - 1) / fs->blocksize};
    errcode_t error = 0;

    if (mapping.n_left > 0)
        error =
            (ext2fs_has_feature_extents(fs->super) ? map_extents : map_blocks)(fs, ino, &mapping);
    if (error == 0 && mapping.n_left > 0)
        error = EXT2_ET_FILE_TOO_BIG;
    return error != 0 ? error : set_size(fs, ino, &mapping);
}
