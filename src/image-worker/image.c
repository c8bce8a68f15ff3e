/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/image.h"

#include <stdio.h>
#include <sys/prctl.h>

#include "image-worker/guest-file.h"
#include "image-worker/overlay-io.h"
#include "image-worker/sandbox.h"

#define FILE_MAX ((size_t)16 << 20)

/* mke2fs(8) has the file system begin at block 1 behind a boot block of 1 KiB, else at 0. Where it
 * begins at 8 or later libext2fs writes over the end of its bitmaps when it reads them. */
#define FIRST_BLOCK_MAX 1u

bool
banger_image_open(io_manager manager, int flags, ext2_filsys *ret_fs, BangerWorkerFailure *failure)
{
    char name[16];
    errcode_t error;

    initialize_ext2_error_table();
    (void)snprintf(name, sizeof name, "%d", BANGER_WORKER_FD_IMAGE);
    error = ext2fs_open(name, flags | EXT2_FLAG_64BITS, 0, 0, manager, ret_fs);
    if (error != 0)
        return banger_worker_fail_ext2(failure, error, "this is no ext2, ext3 or ext4 image");
    if (ext2fs_has_feature_journal_dev((*ret_fs)->super))
        return banger_worker_fail(failure, BANGER_WORKER_NOT_SUPPORTED,
                                  "this is an external journal and no image");
    if ((*ret_fs)->super->s_first_data_block > FIRST_BLOCK_MAX)
        return banger_worker_fail(failure, BANGER_WORKER_FAILED,
                                  "the superblock is damaged: the file system would begin at block "
                                  "%u",
                                  (*ret_fs)->super->s_first_data_block);
    return true;
}

bool
banger_image_read(const BangerWorkerInputs *inputs, void **ret_data, size_t *ret_length,
                  BangerWorkerFailure *failure)
{
    ext2_filsys fs;

    if (inputs->n_files != 1)
        return banger_worker_fail(failure, BANGER_WORKER_FAILED, "one file at a time is read");
    if (!banger_image_open(unixfd_io_manager, 0, &fs, failure))
        return false;
    /* Files may be in the journal only, or older in their place than there. */
    if (inputs->task == BANGER_WORKER_READ && fs->super->s_journal_dev == 0 &&
        ext2fs_has_feature_journal_needs_recovery(fs->super))
        return banger_worker_fail(failure, BANGER_WORKER_NEEDS_RECOVERY,
                                  "the journal must be replayed first");
    return banger_guest_file_read(fs, inputs->files[0].path, FILE_MAX, ret_data, ret_length,
                                  failure);
    /* Not closed: the process ends, and nothing was changed. */
}

/* What e2fsck -p settles: a journal to replay, inodes to delete since a crash. */
static bool
check_recovered(struct ext2_super_block *super, BangerWorkerFailure *failure)
{
    bool is_recovered =
        super->s_last_orphan == 0 && !ext2fs_has_feature_journal_needs_recovery(super);

#ifdef EXT4_FEATURE_RO_COMPAT_ORPHAN_PRESENT /* e2fsprogs 1.47; older ones refuse it by themselves \
                                              */
    is_recovered = is_recovered && !ext2fs_has_feature_orphan_present(super);
#endif
    if (!is_recovered && super->s_journal_dev == 0)
        return banger_worker_fail(failure, BANGER_WORKER_NEEDS_RECOVERY,
                                  "the journal must be replayed first");
    /* A journal that is somewhere else cannot be replayed here. */
    if (ext2fs_has_feature_journal_needs_recovery(super))
        return banger_worker_fail(failure, BANGER_WORKER_NOT_SUPPORTED,
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
        return banger_worker_fail(failure, BANGER_WORKER_NOT_SUPPORTED,
                                  "the file system has the feature %s, with which files cannot be "
                                  "written",
                                  feature);
    return true;
}

static bool
check_writable(ext2_filsys fs, BangerWorkerFailure *failure)
{
    struct ext2_super_block *super = fs->super;

    if ((super->s_state & EXT2_ERROR_FS) != 0)
        return banger_worker_fail(failure, BANGER_WORKER_FAILED,
                                  "the file system has errors: check it with e2fsck first");
    if (!check_recovered(super, failure) || !check_features(super, failure))
        return false;
    if ((super->s_state & EXT2_VALID_FS) == 0)
        return banger_worker_fail(failure, BANGER_WORKER_FAILED,
                                  "the file system was not cleanly unmounted: check it with e2fsck "
                                  "first");
    return true;
}

/* Everything happens in the overlay; the image is touched by the commit alone. */
static bool
write_files(ext2_filsys fs, const BangerWorkerInputs *inputs, BangerWorkerFailure *failure)
{
    for (uint32_t i = 0; i < inputs->n_files; i++) {
        const BangerWorkerInput *file = &inputs->files[i];

        if (!banger_guest_file_write(fs, file->path, file->mode, file->data, file->data_length,
                                     failure))
            return false;
    }
    return true;
}

bool
banger_image_write(const BangerWorkerInputs *inputs, BangerWorkerFailure *failure)
{
    ext2_filsys fs;
    errcode_t error;

    if (!banger_image_open(banger_overlay_io_manager, EXT2_FLAG_RW | EXT2_FLAG_SKIP_MMP, &fs,
                           failure) ||
        !check_writable(fs, failure))
        return false;
    error = ext2fs_read_bitmaps(fs);
    if (error != 0)
        return banger_worker_fail_ext2(failure, error, "cannot read what is free in the image");
    if (!write_files(fs, inputs, failure))
        return false;
    /* As the kernel does: the backups of the superblock are e2fsck's to refresh. */
    fs->flags |= EXT2_FLAG_MASTER_SB_ONLY;
    error = ext2fs_flush(fs);
    if (error != 0)
        return banger_worker_fail_ext2(failure, error, "cannot bring the image up to date");
    if (!banger_overlay_check_room(inputs->chunk_size, inputs->n_chunks, failure))
        return false;
    /* From here on the helper's death is no reason to stop: that would leave half a change. */
    (void)prctl(PR_SET_PDEATHSIG, 0);
    if (!banger_overlay_is_dirty())
        return true;
    return banger_sandbox_allow_commit(failure) &&
           banger_channel_reply(BANGER_WORKER_COMMITTING, NULL, 0) &&
           banger_overlay_commit(fs, BANGER_WORKER_FD_IMAGE, failure);
}
