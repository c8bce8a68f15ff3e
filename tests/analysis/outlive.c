/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/outlive.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void __gcov_dump(void);

extern char __data_start[], _end[]; /* by the linker: all that the program writes to */

/* Puts memory that a child shares in the place of the program's own, with the same contents. */
static bool
share_data(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    char *begin = __data_start - (uintptr_t)__data_start % page;
    size_t size = ((uintptr_t)_end - (uintptr_t)begin + page - 1) / page * page;
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return false;
    memcpy(shared, begin, size);
    return mremap(shared, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, begin) != MAP_FAILED;
}

static _Noreturn void
follow(pid_t child)
{
    int status = 0;

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
outlive_child(const char *name)
{
    char own[16];
    pid_t child;

    /* Before the child is there: who looks for the program by its name finds it once. */
    if (prctl(PR_GET_NAME, own) < 0 || prctl(PR_SET_NAME, name) < 0 || !share_data() ||
        (child = fork()) < 0)
        return false;
    if (child == 0)
        return prctl(PR_SET_NAME, own) == 0;
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    follow(child);
}
