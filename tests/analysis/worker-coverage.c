/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Part of the image worker in a build with --enable-coverage only, where the linker puts these in
 * front of the real functions (--wrap). The cage would not let the worker write its counters, so it
 * is a child that enters it, and the process that the helper knows stays outside: it shares the
 * memory with the counters, waits, and writes them when the child has ended, by whatever means.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image-worker/sandbox.h"

bool __wrap_banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid, pid_t parent,
                                 BangerWorkerFailure *failure);
bool __real_banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid, pid_t parent,
                                 BangerWorkerFailure *failure);
void __gcov_dump(void);

extern char __data_start[], _end[]; /* by the linker: all that the program writes to */

/* Puts memory that a child shares in the place of the program's own, with the same contents. */
static bool
share_data(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    char *begin = __data_start - (uintptr_t)__data_start % page;
    size_t size = ((uintptr_t)(_end - begin) + page - 1) / page * page;
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return false;
    memcpy(shared, begin, size);
    return mremap(shared, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, begin) != MAP_FAILED;
}

/* Ends as @child did, once the counters are written. */
static _Noreturn void
follow(pid_t child)
{
    int status = 0;

    /* The tests count those of the worker's name. */
    (void)prctl(PR_SET_NAME, "worker-coverage");
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    __gcov_dump();
    if (WIFSIGNALED(status)) {
        (void)signal(WTERMSIG(status), SIG_DFL);
        (void)raise(WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

bool
__wrap_banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid, pid_t parent,
                            BangerWorkerFailure *failure)
{
    pid_t child;

    if (!share_data() || (child = fork()) < 0)
        return false;
    if (child > 0)
        follow(child);
    /* The helper is the parent's parent now. */
    (void)parent;
    return __real_banger_sandbox_enter(kind, uid, gid, getppid(), failure);
}
