/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ext2fs/ext2fs.h>

#include "image-worker/channel.h"
#include "image-worker/sandbox.h"
#include "util/worker-protocol.h"

/* Where e2fsck reports its progress: 0 would be a bar for people. */
#define PROGRESS_FD 5
#define PROGRESS_TEXT "5"

#define ORPHAN_PRESENT 0x10000u /* EXT4_FEATURE_RO_COMPAT_ORPHAN_PRESENT of e2fsprogs 1.47 */

/* The arguments of e2fsck. */
static const char *
option_of(const char *command)
{
    if (strcmp(command, BANGER_WORKER_CHECK) == 0)
        return "-fy";
    return strcmp(command, BANGER_WORKER_VERIFY) == 0 ? "-fn" : "-p";
}

/*
 * Whether the superblock has something for e2fsck to do that a look alone does not show or do: a
 * journal to replay, inodes to delete, a state to make clean, a count or a time to begin anew. What
 * is no file system is left to e2fsck to say.
 */
static unsigned char
has_work(void)
{
    struct ext2_super_block super = {0};

    if (pread(BANGER_WORKER_FD_IMAGE, &super, sizeof super, SUPERBLOCK_OFFSET) !=
        (ssize_t)sizeof super)
        return 1;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    ext2fs_swap_super(&super);
#endif
    return super.s_magic != EXT2_SUPER_MAGIC || super.s_state != EXT2_VALID_FS ||
           super.s_last_orphan != 0 || ext2fs_has_feature_journal_needs_recovery(&super) ||
           (super.s_feature_ro_compat & ORPHAN_PRESENT) != 0 ||
           (super.s_max_mnt_count > 0 && super.s_mnt_count > 0) || super.s_checkinterval != 0;
}

bool
banger_fsck_exec(const char *command, BangerWorkerFailure *failure)
{
    char *const arguments[] = {(char *)"e2fsck",
                               (char *)"-C",
                               (char *)PROGRESS_TEXT,
                               (char *)option_of(command),
                               (char *)BANGER_SANDBOX_DEVICE,
                               NULL};
    const unsigned char work = has_work();
    /*
     * In the cage nothing says what is mounted: the helper looked, and the device is opened
     * exclusively, which a mounted one cannot be.
     */
    char *const environment[] = {(char *)"LC_ALL=C", (char *)"EXT2FS_NO_MTAB_OK=1", NULL};

    if (dup2(BANGER_WORKER_FD_REPLY, STDERR_FILENO) < 0 ||
        dup2(BANGER_WORKER_FD_REQUEST, PROGRESS_FD) < 0)
        return banger_failure_set_errno(failure, errno, "cannot pass on what e2fsck says");
    if (!banger_channel_reply(BANGER_WORKER_RUNNING, &work, sizeof work))
        _exit(127);
    (void)syscall(SYS_execveat, BANGER_SANDBOX_FD_PROGRAM, "", arguments, environment,
                  AT_EMPTY_PATH);
    _exit(127);
}
