/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/file-system.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "image-worker/foreign.h"
#include "image-worker/guest-file.h"
#include "image-worker/overlay-io.h"
#include "image-worker/sandbox.h"
#include "image-worker/soundness.h"
#include "image-worker/stream.h"

#define MAGIC_AT (1024 + (off_t)offsetof(struct ext2_super_block, s_magic))
/*
 * mke2fs(8) has the file system begin at block 1 behind a boot block of 1 KiB, else at 0. Where it
 * begins at 8 or later libext2fs writes over the end of its bitmaps when it reads them.
 */
#define FIRST_BLOCK_MAX 1u

static uint64_t
image_size(void)
{
    off_t size = lseek(BANGER_WORKER_FD_IMAGE, 0, SEEK_END);

    return size > 0 ? (uint64_t)size : 0;
}

static bool
has_magic(void)
{
    __u16 magic = 0;

    return pread(BANGER_WORKER_FD_IMAGE, &magic, sizeof magic, MAGIC_AT) == (ssize_t)sizeof magic &&
           ext2fs_le16_to_cpu(magic) == EXT2_SUPER_MAGIC;
}

static bool
refuse_foreign(const char *name, BangerWorkerFailure *failure)
{
    if (name != NULL)
        return banger_failure_set(failure, BANGER_WORKER_FAILED,
                                  "this is no ext2, ext3 or ext4 image: it is %s", name);
    return banger_failure_set_ext2(failure, EXT2_ET_BAD_MAGIC,
                                   "this is no ext2, ext3 or ext4 image");
}

/* Whether the file system is that of the whole image: then a partition table is but a leftover. */
static bool
covers_image(ext2_filsys fs)
{
    return ext2fs_blocks_count(fs->super) >= image_size() / fs->blocksize;
}

bool
banger_file_system_open(io_manager manager, int flags, ext2_filsys *ret_fs,
                        BangerWorkerFailure *failure)
{
    char name[16];
    errcode_t error;

    initialize_ext2_error_table();
    /* Before it is opened: where that fails libext2fs closes the image. */
    if (!has_magic())
        return refuse_foreign(banger_foreign_name(image_size()), failure);
    (void)snprintf(name, sizeof name, "%d", BANGER_WORKER_FD_IMAGE);
    error = ext2fs_open(name, flags | EXT2_FLAG_64BITS, 0, 0, manager, ret_fs);
    if (error != 0)
        return banger_failure_set_ext2(failure, error, "cannot open the file system");
    if (!covers_image(*ret_fs) && banger_foreign_has_mbr(image_size()))
        return refuse_foreign("a disk with an MBR partition table", failure);
    if (ext2fs_has_feature_journal_dev((*ret_fs)->super))
        return banger_failure_set(failure, BANGER_WORKER_NOT_SUPPORTED,
                                  "this is an external journal and no image");
    if ((*ret_fs)->super->s_first_data_block > FIRST_BLOCK_MAX)
        return banger_failure_set(failure, BANGER_WORKER_FAILED,
                                  "the superblock is damaged: the file system would begin at block "
                                  "%u",
                                  (*ret_fs)->super->s_first_data_block);
    return true;
}

/* Streams the file to the caller's descriptor; the reply is its size. */
static bool
read_to(ext2_filsys fs, const char *path, void **ret_data, size_t *ret_length,
        BangerWorkerFailure *failure)
{
    uint64_t *size = calloc(1, sizeof *size);

    if (size == NULL)
        return banger_failure_set(failure, BANGER_WORKER_FAILED, "out of memory");
    if (!banger_stream_read(fs, path, BANGER_WORKER_FD_CONTENT, size, failure)) {
        free(size);
        return false;
    }
    *ret_data = size;
    *ret_length = sizeof *size;
    return true;
}

bool
banger_file_system_read(const BangerWorkerInputs *inputs, void **ret_data, size_t *ret_length,
                        BangerWorkerFailure *failure)
{
    ext2_filsys fs;

    if (inputs->n_files != 1)
        return banger_failure_set(failure, BANGER_WORKER_FAILED, "one file at a time is read");
    if (!banger_file_system_open(unixfd_io_manager, 0, &fs, failure))
        return false;
    /* Files may be in the journal only, or older in their place than there. */
    if ((inputs->task == BANGER_WORKER_READ || inputs->task == BANGER_WORKER_READ_TO) &&
        fs->super->s_journal_dev == 0 && ext2fs_has_feature_journal_needs_recovery(fs->super))
        return banger_failure_set(failure, BANGER_WORKER_NEEDS_RECOVERY,
                                  "the journal must be replayed first");
    if (inputs->task == BANGER_WORKER_READ_TO || inputs->task == BANGER_WORKER_READ_LIVE_TO)
        return read_to(fs, inputs->files[0].path, ret_data, ret_length, failure);
    return banger_guest_file_read(fs, inputs->files[0].path, BANGER_WORKER_FILE_MAX, ret_data,
                                  ret_length, failure);
    /* Not closed: the process ends, and nothing was changed. */
}

/* What e2fsck -p mends without a question: a journal to replay, inodes to delete since a crash. */
static bool
check_recovered(struct ext2_super_block *super, BangerWorkerFailure *failure)
{
    bool has_orphans = super->s_last_orphan != 0;

/* Of e2fsprogs 1.47; older ones refuse it by themselves. */
#ifdef EXT4_FEATURE_RO_COMPAT_ORPHAN_PRESENT
    has_orphans = has_orphans || ext2fs_has_feature_orphan_present(super);
#endif
    if (super->s_journal_dev == 0 && ext2fs_has_feature_journal_needs_recovery(super))
        return banger_failure_set(failure, BANGER_WORKER_NEEDS_RECOVERY,
                                  "the journal must be replayed first");
    if (super->s_journal_dev == 0 && has_orphans)
        return banger_failure_set(failure, BANGER_WORKER_NEEDS_RECOVERY,
                                  "files that were deleted while they were open must be cleared "
                                  "first");
    /* A journal that is somewhere else cannot be replayed here. */
    if (ext2fs_has_feature_journal_needs_recovery(super))
        return banger_failure_set(failure, BANGER_WORKER_NOT_SUPPORTED,
                                  "the journal must be replayed, but it is on another device");
    return true;
}

/* Features that libext2fs opens, but does not keep consistent when files are written. */
static bool
check_features(struct ext2_super_block *super, BangerWorkerFailure *failure)
{
    const char *feature = ext2fs_has_feature_mmp(super)             ? "mmp"
                          : ext2fs_has_feature_quota(super)         ? "quota"
                          : ext2fs_has_feature_shared_blocks(super) ? "shared_blocks"
                                                                    : NULL;

    if (feature != NULL)
        return banger_failure_set(failure, BANGER_WORKER_NOT_SUPPORTED,
                                  "the file system has the feature %s, with which files cannot be "
                                  "written",
                                  feature);
    return true;
}

static bool
check_writable(ext2_filsys fs, BangerWorkerFailure *failure)
{
    struct ext2_super_block *super = fs->super;
    uint64_t size = ext2fs_blocks_count(super) * fs->blocksize;

    if (size > image_size())
        return banger_failure_set(failure, BANGER_WORKER_FAILED,
                                  "the image has %llu bytes, and the file system in it %llu: its "
                                  "end is missing",
                                  (unsigned long long)image_size(), (unsigned long long)size);

    if ((super->s_state & EXT2_ERROR_FS) != 0)
        return banger_failure_set(failure, BANGER_WORKER_FAILED,
                                  "the file system has errors: check it with e2fsck first");
    if (!check_recovered(super, failure) || !check_features(super, failure))
        return false;
    if ((super->s_state & EXT2_VALID_FS) == 0)
        return banger_failure_set(failure, BANGER_WORKER_FAILED,
                                  "the file system was not cleanly unmounted: check it with e2fsck "
                                  "first");
    return true;
}

/* Everything happens in the overlay; the image is touched by the commit alone. */
static bool
write_files(ext2_filsys fs, const BangerWorkerInputs *inputs, BangerWorkerRoom *room,
            BangerWorkerFailure *failure)
{
    (void)room;
    for (uint32_t i = 0; i < inputs->n_files; i++) {
        const BangerWorkerInput *file = &inputs->files[i];

        if (!banger_guest_file_write(fs, file->path, file->mode, file->data, file->data_length,
                                     failure))
            return false;
    }
    return true;
}

/*
 * Copies the content of all files into blocks that no file has, and takes what that changes off
 * @room. Where it is not known how much will come, it may take half of what a snapshot has left:
 * one that turns out too much, and fails, must not leave the snapshot full.
 */
static bool
stream_content(ext2_filsys fs, const BangerWorkerInputs *inputs, BangerWorkerRoom *room,
               BangerRuns *runs, BangerWorkerFailure *failure)
{
    const uint64_t total = banger_stream_size(BANGER_WORKER_FD_CONTENT, inputs->n_files);
    const uint32_t kept = total == 0 ? room->n_chunks - room->n_chunks / 2 : 0;
    BangerStreamProgress progress = {.now.total = total, .room = *room};
    bool well = true;

    progress.room.n_chunks -= kept;
    for (uint32_t i = 0; well && i < inputs->n_files; i++)
        well = banger_stream_write(fs, BANGER_WORKER_FD_CONTENT + (int)i, &progress, &runs[i],
                                   failure);
    room->n_chunks = progress.room.n_chunks + kept;
    return well;
}

/*
 * The same with the content from descriptors: all that can be looked at first; then the content,
 * into blocks that no file has; then, in the overlay again, the files that have these blocks.
 */
static bool
write_files_from(ext2_filsys fs, const BangerWorkerInputs *inputs, BangerWorkerRoom *room,
                 BangerWorkerFailure *failure)
{
    BangerRuns runs[BANGER_WORKER_DESCRIPTORS_MAX] = {0};
    bool well =
        inputs->n_files <= BANGER_WORKER_DESCRIPTORS_MAX &&
        banger_stream_check_room(fs, BANGER_WORKER_FD_CONTENT, inputs->n_files, room, failure);

    for (uint32_t i = 0; well && i < inputs->n_files; i++)
        well = banger_guest_file_check(fs, inputs->files[i].path, failure);
    well = well && banger_overlay_check_image(BANGER_WORKER_FD_IMAGE, failure) &&
           stream_content(fs, inputs, room, runs, failure);
    for (uint32_t i = 0; well && i < inputs->n_files; i++)
        well = banger_guest_file_write_runs(fs, inputs->files[i].path, inputs->files[i].mode,
                                            &runs[i], failure);
    for (size_t i = 0; i < BANGER_WORKER_DESCRIPTORS_MAX; i++)
        free(runs[i].list);
    return well;
}

bool
banger_file_system_write(const BangerWorkerInputs *inputs, BangerWorkerFailure *failure)
{
    BangerWorkerRoom room = inputs->room;
    ext2_filsys fs;
    errcode_t error;

    if (!banger_file_system_open(banger_overlay_io_manager, EXT2_FLAG_RW | EXT2_FLAG_SKIP_MMP, &fs,
                                 failure) ||
        !check_writable(fs, failure))
        return false;
    error = ext2fs_read_bitmaps(fs);
    if (error != 0)
        return banger_failure_set_ext2(failure, error, "cannot read what is free in the image");
    if (!banger_soundness_check(fs, failure) ||
        !(inputs->task == BANGER_WORKER_WRITE_FROM ? write_files_from
                                                   : write_files)(fs, inputs, &room, failure))
        return false;
    /* As the kernel does: the backups of the superblock are e2fsck's to refresh. */
    fs->flags |= EXT2_FLAG_MASTER_SB_ONLY;
    error = ext2fs_flush(fs);
    if (error != 0)
        return banger_failure_set_ext2(failure, error, "cannot bring the image up to date");
    if (!banger_overlay_check_room(&room, failure))
        return false;
    if (!banger_overlay_is_dirty())
        return true;
    if (!banger_sandbox_allow_commit(failure) ||
        !banger_channel_reply(BANGER_WORKER_READY, NULL, 0))
        return false;
    banger_channel_wait_for_go();
    /* From here on the helper's death is no reason to stop: that would leave half a change. */
    (void)prctl(PR_SET_PDEATHSIG, 0);
    return banger_overlay_commit(fs, BANGER_WORKER_FD_IMAGE, failure);
}
