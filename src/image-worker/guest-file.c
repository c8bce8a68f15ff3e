/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/guest-file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "image-worker/guest-path.h"

#define ATTRIBUTES_MAX 8192u /* a block of 64 KiB holds fewer */

/* An inode with everything that may follow its 128 bytes: an inode is at most a block. */
typedef union {
    struct ext2_inode inode;
    struct ext2_inode_large large;
    unsigned char bytes[EXT2_MAX_BLOCK_SIZE];
} Inode;

static bool
check_regular(const struct ext2_inode *inode, const char *path, BangerWorkerFailure *failure)
{
    if (!LINUX_S_ISREG(inode->i_mode) || (inode->i_flags & EXT4_EA_INODE_FL) != 0)
        return banger_worker_fail(failure, BANGER_WORKER_BAD_PARAMS,
                                  "guest path \"%s\" is not a regular file", path);
    if ((inode->i_flags & EXT4_ENCRYPT_FL) != 0)
        return banger_worker_fail(failure, BANGER_WORKER_NOT_SUPPORTED,
                                  "guest path \"%s\" is encrypted", path);
    return true;
}

static bool
check_no_directory(const BangerGuestEntry *entry, const char *path, BangerWorkerFailure *failure)
{
    if (entry->name[0] == '\0')
        return banger_worker_fail(failure, BANGER_WORKER_BAD_PARAMS,
                                  "guest path \"%s\" is a directory", path);
    return true;
}

static errcode_t
read_content(ext2_filsys fs, ext2_ino_t ino, void *data, unsigned int length)
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

bool
banger_guest_file_read(ext2_filsys fs, const char *path, size_t max, void **ret_data,
                       size_t *ret_length, BangerWorkerFailure *failure)
{
    BangerGuestEntry entry = {0};
    struct ext2_inode inode = {0};
    errcode_t error;
    __u64 size;
    void *data;

    if (!banger_guest_path_walk(fs, path, false, &entry, failure) ||
        !check_no_directory(&entry, path, failure))
        return false;
    if (entry.ino == 0)
        return banger_worker_fail(failure, BANGER_WORKER_NOT_FOUND,
                                  "guest path \"%s\" does not exist", path);
    if (!banger_guest_inode_read(fs, entry.ino, &inode, sizeof inode, path, failure) ||
        !check_regular(&inode, path, failure))
        return false;
    size = EXT2_I_SIZE(&inode);
    if (size > max)
        return banger_worker_fail(failure, BANGER_WORKER_BAD_PARAMS,
                                  "guest path \"%s\" has %llu bytes, the limit is %zu", path,
                                  (unsigned long long)size, max);
    data = calloc(1, (size_t)size + 1);
    if (data == NULL)
        return banger_worker_fail(failure, BANGER_WORKER_FAILED, "out of memory");
    error = read_content(fs, entry.ino, data, (unsigned int)size);
    if (error != 0) {
        free(data);
        return banger_worker_fail_ext2(failure, error, "cannot read guest path \"%s\"", path);
    }
    *ret_data = data;
    *ret_length = (size_t)size;
    return true;
}

static int
first_attribute(char *name, char *value, /* NOLINT(readability-non-const-parameter) */
                size_t value_length, void *ret_name)
{
    (void)value;
    (void)value_length;
    *(char **)ret_name = strdup(name);
    return XATTR_ABORT;
}

/* Removes every extended attribute, and so the inodes that hold the values of large ones. */
static errcode_t
remove_attributes(ext2_filsys fs, ext2_ino_t ino)
{
    struct ext2_xattr_handle *handle;
    errcode_t error = ext2fs_xattrs_open(fs, ino, &handle);
    unsigned int n = 0;
    char *name;

    if (error != 0)
        return error;
    error = ext2fs_xattrs_read(handle);
    while (error == 0) {
        /* Removing what is not found succeeds: a damaged inode must not keep us here. */
        if (++n > ATTRIBUTES_MAX) {
            error = EXT2_ET_INODE_CORRUPTED;
            break;
        }
        name = NULL;
        error = ext2fs_xattrs_iterate(handle, first_attribute, &name);
        if (error != 0 || name == NULL)
            break;
        error = ext2fs_xattr_remove(handle, name);
        free(name);
    }
    (void)ext2fs_xattrs_close(&handle);
    return error;
}

typedef struct {
    bool has_last;
    blk64_t last_cluster; /* of the content */
    blk64_t n_freed;      /* clusters */
    errcode_t error;
} Release;

/*
 * One block of the file, or one that maps others (@count < 0). With bigalloc the blocks of a
 * cluster are all the file's, and come one after the other. A block that is free already, or out of
 * range, is a damaged file system's.
 */
static int
release_block(ext2_filsys fs, blk64_t *block, /* NOLINT(readability-non-const-parameter) */
              e2_blkcnt_t count, blk64_t ref_block, int ref_offset, void *data)
{
    Release *release = data;
    blk64_t cluster = EXT2FS_B2C(fs, *block);

    (void)ref_block;
    (void)ref_offset;
    if (*block < fs->super->s_first_data_block || *block >= ext2fs_blocks_count(fs->super)) {
        release->error = EXT2_ET_BAD_BLOCK_NUM;
        return BLOCK_ABORT;
    }
    if (count >= 0 && release->has_last && release->last_cluster == cluster)
        return 0;
    if (count >= 0) {
        release->has_last = true;
        release->last_cluster = cluster;
    }
    if (!ext2fs_test_block_bitmap2(fs->block_map, *block)) {
        release->error = EXT2_ET_INODE_CORRUPTED;
        return BLOCK_ABORT;
    }
    ext2fs_block_alloc_stats2(fs, *block, -1);
    release->n_freed++;
    return 0;
}

/*
 * Frees all blocks of the content. Not by ext2fs_punch(), which in 1.47.0 refuses a file that has
 * the last block of the file system.
 */
static errcode_t
release_blocks(ext2_filsys fs, ext2_ino_t ino, Inode *inode, int size)
{
    Release release = {0};
    errcode_t error =
        ext2fs_block_iterate3(fs, ino, BLOCK_FLAG_READ_ONLY, NULL, release_block, &release);

    if (error == 0)
        error = release.error;
    if (error == 0)
        error = ext2fs_iblk_sub_blocks(fs, &inode->inode, release.n_freed);
    if (error != 0)
        return error;
    memset(inode->inode.i_block, 0, sizeof inode->inode.i_block);
    inode->inode.i_flags &= ~(__u32)EXT4_EXTENTS_FL;
    return ext2fs_write_inode_full(fs, ino, &inode->inode, size);
}

/* The attributes inside the inode, and the content if that is there, too. */
static void
clear_inner_attributes(Inode *inode, int size)
{
    size_t start = EXT2_GOOD_OLD_INODE_SIZE + (size_t)inode->large.i_extra_isize;

    if (size > EXT2_GOOD_OLD_INODE_SIZE && start < (size_t)size)
        memset(inode->bytes + start, 0, (size_t)size - start);
}

/*
 * Frees what the file @ino holds; leaves @inode, which is still to be written, without content,
 * blocks and attributes. libext2fs keeps the block of the attributes when the last is removed, so
 * that is freed here.
 */
static errcode_t
empty(ext2_filsys fs, ext2_ino_t ino, Inode *inode, int size)
{
    errcode_t error = 0;

    if ((inode->inode.i_flags & EXT4_INLINE_DATA_FL) == 0)
        error = release_blocks(fs, ino, inode, size);
    if (error == 0 && ext2fs_has_feature_ea_inode(fs->super))
        error = remove_attributes(fs, ino);
    if (error == 0)
        error = ext2fs_read_inode_full(fs, ino, &inode->inode, size);
    if (error == 0 && ext2fs_file_acl_block(fs, &inode->inode) != 0)
        error = ext2fs_free_ext_attr(fs, ino, &inode->large);
    /* The kernel counts here what the inodes of large attributes hold, libext2fs does not. */
    if (error == 0 && ext2fs_has_feature_ea_inode(fs->super))
        error = ext2fs_iblk_set(fs, &inode->inode, 0);
    if (error == 0 && ext2fs_get_stat_i_blocks(fs, &inode->inode) != 0)
        error = EXT2_ET_INODE_CORRUPTED;
    clear_inner_attributes(inode, size);
    return error;
}

/* Allocates an inode for a new file and enters it into its directory. */
static bool
create(ext2_filsys fs, BangerGuestEntry *entry, const char *path, BangerWorkerFailure *failure)
{
    struct ext2_inode inode = {.i_mode = LINUX_S_IFREG, .i_links_count = 1};
    errcode_t error =
        ext2fs_new_inode(fs, entry->parent, LINUX_S_IFREG, fs->inode_map, &entry->ino);

    if (error == 0) {
        ext2fs_inode_alloc_stats2(fs, entry->ino, +1, 0);
        error = ext2fs_write_new_inode(fs, entry->ino, &inode);
    }
    if (error != 0)
        return banger_worker_fail_ext2(failure, error, "cannot create guest path \"%s\"", path);
    return banger_guest_link(fs, entry->parent, entry->name, entry->ino, EXT2_FT_REG_FILE, failure);
}

/* The bits beyond 2038 and the nanoseconds, where the inode has room for them. */
static void
clear_extra_times(Inode *inode, int size)
{
    struct ext2_inode_large *large = &inode->large;
    size_t end = offsetof(struct ext2_inode_large, i_crtime);

    if ((size_t)size < end || EXT2_GOOD_OLD_INODE_SIZE + (size_t)large->i_extra_isize < end)
        return;
    large->i_ctime_extra = large->i_mtime_extra = large->i_atime_extra = 0;
}

/* Sets everything but the content: kind, owner, times, and how the content will be mapped. */
static errcode_t
set_up(ext2_filsys fs, ext2_ino_t ino, Inode *inode, int size, unsigned int mode, bool is_inline)
{
    struct ext2_inode *base = &inode->inode;
    ext2_extent_handle_t handle;
    errcode_t error;

    base->i_mode = (__u16)(LINUX_S_IFREG | (mode & 07777));
    base->i_uid = base->i_gid = 0;
    ext2fs_set_i_uid_high(*base, 0);
    ext2fs_set_i_gid_high(*base, 0);
    base->i_atime = base->i_mtime = base->i_ctime = (__u32)time(NULL);
    base->i_dtime = 0;
    clear_extra_times(inode, size);
    base->i_flags = 0;
    base->i_size = 0;
    base->i_size_high = 0;
    memset(base->i_block, 0, sizeof base->i_block);
    if (is_inline)
        base->i_flags |= EXT4_INLINE_DATA_FL;
    error = ext2fs_write_inode_full(fs, ino, base, size);
    if (error != 0)
        return error;
    if (is_inline)
        return ext2fs_inline_data_init(fs, ino);
    if (!ext2fs_has_feature_extents(fs->super))
        return 0;
    error = ext2fs_extent_open2(fs, ino, base, &handle);
    if (error != 0)
        return error;
    ext2fs_extent_free(handle);
    return ext2fs_write_inode_full(fs, ino, base, size);
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

/* Writes the content, and the size: inline, libext2fs starts with the room there is. */
static errcode_t
write_content(ext2_filsys fs, ext2_ino_t ino, const void *data, size_t length)
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

bool
banger_guest_file_write(ext2_filsys fs, const char *path, unsigned int mode, const void *data,
                        size_t length, BangerWorkerFailure *failure)
{
    int size = EXT2_INODE_SIZE(fs->super);
    /* What outgrows the inode is moved to a block by libext2fs: a guess is enough here. */
    bool is_inline = ext2fs_has_feature_inline_data(fs->super) && length < (size_t)size;
    BangerGuestEntry entry = {0};
    Inode *inode = calloc(1, sizeof *inode);
    errcode_t error;
    bool found;

    if (inode == NULL)
        return banger_worker_fail(failure, BANGER_WORKER_FAILED, "out of memory");
    found = banger_guest_path_walk(fs, path, true, &entry, failure) &&
            check_no_directory(&entry, path, failure) &&
            (entry.ino != 0 || create(fs, &entry, path, failure)) &&
            banger_guest_inode_read(fs, entry.ino, &inode->inode, size, path, failure) &&
            check_regular(&inode->inode, path, failure);
    if (!found) {
        free(inode);
        return false;
    }
    error = empty(fs, entry.ino, inode, size);
    if (error == 0)
        error = set_up(fs, entry.ino, inode, size, mode, is_inline);
    free(inode);
    if (error == 0)
        error = write_content(fs, entry.ino, data, length);
    return error == 0 ||
           banger_worker_fail_ext2(failure, error, "cannot write guest path \"%s\"", path);
}
