/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image-worker/channel.h"
#include "image-worker/sandbox.h"

bool
banger_fsck_exec(bool everything, BangerWorkerFailure *failure)
{
    char *const arguments[] = {(char *)"e2fsck", (char *)(everything ? "-fy" : "-p"),
                               (char *)BANGER_SANDBOX_DEVICE, NULL};
    /* In the cage nothing says what is mounted: the helper looked, and the device is opened
     * exclusively, which a mounted one cannot be. */
    char *const environment[] = {(char *)"LC_ALL=C", (char *)"EXT2FS_NO_MTAB_OK=1", NULL};

    if (dup2(BANGER_WORKER_FD_REPLY, STDERR_FILENO) < 0)
        return banger_worker_fail_errno(failure, errno, "cannot pass on what e2fsck says");
    if (!banger_channel_reply(BANGER_WORKER_RUNNING, NULL, 0))
        _exit(127);
    (void)syscall(SYS_execveat, BANGER_SANDBOX_FD_PROGRAM, "", arguments, environment,
                  AT_EMPTY_PATH);
    _exit(127);
}
