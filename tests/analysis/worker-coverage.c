/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Part of the image worker in a build with --enable-coverage only, where the linker puts this in
 * front of the real function (--wrap): in its cage the worker could not write its counters.
 */
#include <stdlib.h>
#include <unistd.h>

#include "analysis/outlive.h"
#include "image-worker/sandbox.h"

bool __wrap_banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid, pid_t parent,
                                 BangerWorkerFailure *failure);
bool __real_banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid, pid_t parent,
                                 BangerWorkerFailure *failure);

bool
__wrap_banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid, pid_t parent,
                            BangerWorkerFailure *failure)
{
    pid_t outer = getpid();

    (void)parent; /* is the parent's parent now */
    /* The tests count those of the worker's name. */
    if (!outlive_child("worker-coverage"))
        abort();
    return __real_banger_sandbox_enter(kind, uid, gid, outer, failure);
}
