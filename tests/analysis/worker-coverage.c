/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Part of the image worker in a build with --enable-coverage only, where the linker puts these in
 * front of the real functions (--wrap): the cage would not let the worker write its counters, and
 * it ends without running what writes them.
 */
#include <sys/types.h>

#include "image-worker/sandbox.h"

bool __wrap_banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid,
                                 BangerWorkerFailure *failure);
bool __real_banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid,
                                 BangerWorkerFailure *failure);
_Noreturn void __wrap__exit(int status);
_Noreturn void __real__exit(int status);
void __gcov_dump(void);

bool
__wrap_banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid,
                            BangerWorkerFailure *failure)
{
    if (kind == BANGER_SANDBOX_LIBRARY)
        return true;
    __gcov_dump();
    return __real_banger_sandbox_enter(kind, uid, gid, failure);
}

void
__wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
