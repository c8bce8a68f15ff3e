/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/guest-file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "image-worker/attributes.h"
#include "image-worker/guest-content.h"
#include "image-worker/guest-path.h"
#include "image-worker/soundness.h"

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
        return banger_failure_set(failure, BANGER_WORKER_BAD_PARAMS,
                                  "guest path \"%s\" is not a regular file", path);
    if ((inode->i_flags & EXT4_ENCRYPT_FL) != 0)
        return banger_failure_set(failure, BANGER_WORKER_NOT_SUPPORTED,
                                  "guest path \"%s\" is encrypted", path);
    return true;
}

static bool
check_no_directory(const BangerGuestEntry *entry, const char *path, BangerWorkerFailure *failure)
{
    if (entry->name[0] == '\0')
        return banger_failure_set(failure, BANGER_WORKER_BAD_PARAMS,
                                  "guest path \"%s\" is a directory", path);
    return true;
}

bool
banger_guest_file_find(ext2_filsys fs, const char *path, ext2_ino_t *ret_ino, uint64_t *ret_size,
                       BangerWorkerFailure *failure)
{
    BangerGuestEntry entry = {0};
    struct ext2_inode inode = {0};

    if (!banger_guest_path_walk(fs, path, BANGER_GUEST_WALK_READ, &entry, failure) ||
        !check_no_directory(&entry, path, failure))
        return false;
    if (entry.ino == 0)
        return banger_failure_set(failure, BANGER_WORKER_NOT_FOUND,
                                  "guest path \"%s\" does not exist", path);
    if (!banger_guest_inode_read(fs, entry.ino, &inode, sizeof inode, path, failure) ||
        !check_regular(&inode, path, failure))
        return false;
    *ret_ino = entry.ino;
    *ret_size = EXT2_I_SIZE(&inode);
    return true;
}

bool
banger_guest_file_read(ext2_filsys fs, const char *path, size_t max, void **ret_data,
                       size_t *ret_length, BangerWorkerFailure *failure)
{
    ext2_ino_t ino = 0;
    uint64_t size = 0;
    errcode_t error;
    void *data;

    if (!banger_guest_file_find(fs, path, &ino, &size, failure))
        return false;
    if (size > max)
        return banger_failure_set(failure, BANGER_WORKER_BAD_PARAMS,
                                  "guest path \"%s\" has %llu bytes, the limit is %zu: "
                                  "ReadExt4FileTo reads files of any size",
                                  path, (unsigned long long)size, max);
    data = calloc(1, (size_t)size + 1);
    if (data == NULL)
        return banger_failure_set(failure, BANGER_WORKER_FAILED, "out of memory");
    error = banger_guest_content_read(fs, ino, data, (unsigned int)size);
    if (error != 0) {
        free(data);
        return banger_failure_set_ext2(failure, error, "cannot read guest path \"%s\"", path);
    }
    *ret_data = data;
    *ret_length = (size_t)size;
    return true;
}

bool
banger_guest_file_check(ext2_filsys fs, const char *path, BangerWorkerFailure *failure)
{
    BangerWorkerFailure reason = {0};
    BangerGuestEntry entry = {0};
    struct ext2_inode inode = {0};

    if (!banger_guest_path_walk(fs, path, BANGER_GUEST_WALK_LOOK, &entry, &reason)) {
        if (reason.status == BANGER_WORKER_NOT_FOUND)
            return true; /* a directory that will be made */
        *failure = reason;
        return false;
    }
    if (!check_no_directory(&entry, path, failure))
        return false;
    return entry.ino == 0 ||
           (banger_guest_inode_read(fs, entry.ino, &inode, sizeof inode, path, failure) &&
            (LINUX_S_ISLNK(inode.i_mode) || check_regular(&inode, path, failure)));
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
    if (banger_soundness_is_bad_block(fs, *block)) {
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
 * Frees the content of the file @ino; leaves @inode, which is still to be written, without content,
 * blocks and attributes. libext2fs keeps the block of the attributes when the last is removed, so
 * that is freed here.
 */
static errcode_t
empty_file(ext2_filsys fs, ext2_ino_t ino, Inode *inode, int size)
{
    errcode_t error = 0;

    if (ext2fs_inode_has_valid_blocks2(fs, &inode->inode))
        error = release_blocks(fs, ino, inode, size);
    if (error == 0 && ext2fs_has_feature_ea_inode(fs->super))
        error = banger_attributes_remove(fs, ino);
    if (error == 0)
        error = ext2fs_read_inode_full(fs, ino, &inode->inode, size);
    if (error == 0 && ext2fs_file_acl_block(fs, &inode->inode) != 0)
        error = ext2fs_free_ext_attr(fs, ino, &inode->large);
    /* The kernel counts here what the inodes of large attributes occupy, libext2fs does not. */
    if (error == 0 && ext2fs_has_feature_ea_inode(fs->super))
        error = ext2fs_iblk_set(fs, &inode->inode, 0);
    if (error == 0 && ext2fs_get_stat_i_blocks(fs, &inode->inode) != 0)
        error = EXT2_ET_INODE_CORRUPTED;
    clear_inner_attributes(inode, size);
    return error;
}

/* Whether @ino, free by the bitmap, is in use by what its table says. */
static bool
is_inode_in_use(ext2_filsys fs, ext2_ino_t ino)
{
    struct ext2_inode inode = {0};

    return ext2fs_read_inode(fs, ino, &inode) == 0 && inode.i_links_count != 0 &&
           inode.i_dtime == 0;
}

/* Allocates an inode for a new file and enters it into its directory. */
static bool
create_file(ext2_filsys fs, BangerGuestEntry *entry, const char *path, BangerWorkerFailure *failure)
{
    struct ext2_inode inode = {.i_mode = LINUX_S_IFREG, .i_links_count = 1};
    errcode_t error =
        ext2fs_new_inode(fs, entry->parent, LINUX_S_IFREG, fs->inode_map, &entry->ino);

    if (error == 0 && is_inode_in_use(fs, entry->ino))
        error = EXT2_ET_INODE_CORRUPTED;
    if (error == 0) {
        ext2fs_inode_alloc_stats2(fs, entry->ino, +1, 0);
        error = ext2fs_write_new_inode(fs, entry->ino, &inode);
    }
    if (error != 0)
        return banger_failure_set_ext2(failure, error, "cannot create guest path \"%s\"", path);
    return banger_guest_link(fs, entry->parent, entry->name, entry->ino, EXT2_FT_REG_FILE, failure);
}

/* What of the flags is the guest's administrator's wish, and stays. */
#define KEPT_FLAGS                                                                                 \
    (EXT2_IMMUTABLE_FL | EXT2_APPEND_FL | EXT2_NODUMP_FL | EXT2_NOATIME_FL | EXT2_SYNC_FL)

/*
 * The present time: seconds as 32 bits with a sign, and where the inode has room for them two bits
 * more, which count from 2038 on, and nanoseconds.
 */
static void
set_times(Inode *inode, int size)
{
    struct ext2_inode_large *large = &inode->large;
    size_t end = offsetof(struct ext2_inode_large, i_crtime);
    int64_t now_sec = time(NULL);
    __u32 extra = (__u32)(((now_sec - (int32_t)now_sec) >> 32) & 3);

    if ((size_t)size < end || EXT2_GOOD_OLD_INODE_SIZE + (size_t)large->i_extra_isize < end)
        now_sec = now_sec > INT32_MAX ? INT32_MAX : now_sec;
    else
        large->i_ctime_extra = large->i_mtime_extra = large->i_atime_extra = extra;
    inode->inode.i_atime = inode->inode.i_mtime = inode->inode.i_ctime = (__u32)now_sec;
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
    base->i_dtime = 0;
    set_times(inode, size);
    base->i_flags &= KEPT_FLAGS;
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

/* Removes @entry, a symbolic link with @inode, from its directory. */
static errcode_t
remove_link(ext2_filsys fs, BangerGuestEntry *entry, Inode *inode, int size)
{
    errcode_t error = ext2fs_unlink(fs, entry->parent, entry->name, entry->ino, 0);

    if (error == 0 && inode->inode.i_links_count > 1) {
        inode->inode.i_links_count--;
        error = ext2fs_write_inode_full(fs, entry->ino, &inode->inode, size);
    } else if (error == 0) {
        error = empty_file(fs, entry->ino, inode, size);
        inode->inode.i_links_count = 0;
        inode->inode.i_dtime = (__u32)time(NULL);
        inode->inode.i_flags = 0;
        if (error == 0)
            error = ext2fs_write_inode_full(fs, entry->ino, &inode->inode, size);
        if (error == 0)
            ext2fs_inode_alloc_stats2(fs, entry->ino, -1, 0);
    }
    entry->ino = 0;
    return error;
}

/*
 * Finds the regular file that @path is to be, or makes it. *@inode is its inode then, and
 * *@ret_attributes what it keeps.
 */
static bool
find_or_create(ext2_filsys fs, const char *path, unsigned int mode, BangerGuestEntry *entry,
               Inode *inode, BangerAttributes *ret_attributes, BangerWorkerFailure *failure)
{
    int size = EXT2_INODE_SIZE(fs->super);
    errcode_t error = 0;

    if (!banger_guest_path_walk(fs, path, BANGER_GUEST_WALK_CREATE, entry, failure) ||
        !check_no_directory(entry, path, failure))
        return false;
    if (entry->ino != 0 &&
        (!banger_guest_inode_read(fs, entry->ino, &inode->inode, size, path, failure) ||
         !banger_soundness_check_inode(fs, entry->ino, &inode->inode, path, failure)))
        return false;
    if (entry->ino != 0 && LINUX_S_ISLNK(inode->inode.i_mode))
        error = remove_link(fs, entry, inode, size);
    if (error != 0)
        return banger_failure_set_ext2(failure, error, "cannot replace guest path \"%s\"", path);
    if (entry->ino == 0)
        return create_file(fs, entry, path, failure) &&
               banger_guest_inode_read(fs, entry->ino, &inode->inode, size, path, failure);
    if (!check_regular(&inode->inode, path, failure))
        return false;
    error = banger_attributes_read(fs, entry->ino, mode, ret_attributes);
    return error == 0 || banger_failure_set_ext2(failure, error,
                                                 "cannot read the attributes of guest path "
                                                 "\"%s\"",
                                                 path);
}

/* The content of a file: @data, or what is in the blocks of @runs. */
typedef struct {
    const void *data;
    size_t length;
    const BangerRuns *runs;
} Content;

static errcode_t
put_content(ext2_filsys fs, ext2_ino_t ino, const Content *content)
{
    return content->runs != NULL
               ? banger_guest_content_map(fs, ino, content->runs)
               : banger_guest_content_write(fs, ino, content->data, content->length);
}

static bool
replace_file(ext2_filsys fs, const char *path, unsigned int mode, const Content *content,
             BangerWorkerFailure *failure)
{
    int size = EXT2_INODE_SIZE(fs->super);
    /* What outgrows the inode is moved to a block by libext2fs: a guess is enough here. */
    bool is_inline = ext2fs_has_feature_inline_data(fs->super) && content->runs == NULL &&
                     content->length < (size_t)size;
    BangerGuestEntry entry = {0};
    BangerAttributes attributes = {0};
    Inode *inode = calloc(1, sizeof *inode);
    errcode_t error;

    if (inode == NULL)
        return banger_failure_set(failure, BANGER_WORKER_FAILED, "out of memory");
    if (!find_or_create(fs, path, mode, &entry, inode, &attributes, failure)) {
        free(inode);
        return false;
    }
    error = empty_file(fs, entry.ino, inode, size);
    if (error == 0)
        error = set_up(fs, entry.ino, inode, size, mode, is_inline);
    free(inode);
    if (error == 0)
        error = put_content(fs, entry.ino, content);
    if (error == 0)
        error = banger_attributes_write(fs, entry.ino, &attributes);
    banger_attributes_free(&attributes);
    return error == 0 ||
           banger_failure_set_ext2(failure, error, "cannot write guest path \"%s\"", path);
}

bool
banger_guest_file_write(ext2_filsys fs, const char *path, unsigned int mode, const void *data,
                        size_t length, BangerWorkerFailure *failure)
{
    return replace_file(fs, path, mode, &(Content){data, length, NULL}, failure);
}

bool
banger_guest_file_write_runs(ext2_filsys fs, const char *path, unsigned int mode,
                             const BangerRuns *runs, BangerWorkerFailure *failure)
{
    return replace_file(fs, path, mode, &(Content){.runs = runs}, failure);
}
