/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/system-calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <seccomp.h>

#include "image-worker/sandbox.h"
#include "util/worker-protocol.h"

/* On descriptors that are open, on memory, on itself. */
static const int common_calls[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fallocate),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(close),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(getrusage),
    SCMP_SYS(fadvise64),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
#ifdef __SANITIZE_ADDRESS__
    SCMP_SYS(sigaltstack),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(sched_getaffinity), /* of each thread that starts */
    SCMP_SYS(sched_yield),
#endif
};

/* What a program needs to be loaded and to look around in its cage. */
static const int e2fsck_calls[] = {
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(arch_prctl),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),

    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrlimit),
    SCMP_SYS(times),
    SCMP_SYS(getdents64),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(alarm),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(umask),
    SCMP_SYS(sync_file_range),
};

static int
allow_all(scmp_filter_ctx filter, const int *calls, size_t n)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < n; i++)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return status;
}

/* Memory that is not executable; everything else that libext2fs tries gets a plain no. */
static int
allow_for_library(scmp_filter_ctx filter)
{
    static const int refused[] = {SCMP_SYS(ioctl), SCMP_SYS(uname), SCMP_SYS(sysinfo)};
    int status = 0;

    for (size_t i = 0; status == 0 && i < sizeof refused / sizeof refused[0]; i++)
        status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (status == 0) /* the request, which brings the image; nothing else is sent to it */
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(recvmsg), 1,
                                  SCMP_A0(SCMP_CMP_EQ, BANGER_WORKER_FD_REQUEST));
    if (status == 0) /* banger_system_calls_bound(), which ends it */
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(seccomp), 1,
                                  SCMP_A0(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER));
    if (status == 0) /* its own limits, which it can but lower */
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
                                  SCMP_A0(SCMP_CMP_EQ, 0));
    if (status == 0) /* is it open, and for writing? */
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                                  SCMP_A1(SCMP_CMP_EQ, F_GETFL));
    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                                  SCMP_A1(SCMP_CMP_EQ, F_GETFD));
    if (status == 0) /* fstat(3) of newer C libraries */
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                                  SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH));
    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2,
                                  SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG), SCMP_A1(SCMP_CMP_EQ, 0));
    if (status == 0) /* libext2fs reads no environment where this is 0 */
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                                  SCMP_A0(SCMP_CMP_EQ, PR_GET_DUMPABLE));
    return status;
}

/* Allows @call with these values of its second argument only, a request of 32 bits. */
static int
allow_requests(scmp_filter_ctx filter, int call, const unsigned int *requests, size_t n)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < n; i++)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]));
    return status;
}

/*
 * Questions to the device, and to descriptors. Not LOOP_SET_STATUS64, which would keep the loop
 * attached for ever; not F_SETOWN, F_SETSIG and O_ASYNC, which signal other processes of the user.
 */
static int
allow_controls(scmp_filter_ctx filter)
{
    static const unsigned int ioctls[] = {BLKGETSIZE64, BLKSSZGET, BLKPBSZGET, BLKROGET,
                                          BLKDISCARDZEROES};
    static const unsigned int fcntls[] = {F_GETFD, F_SETFD, F_GETFL};
    int status = allow_requests(filter, SCMP_SYS(ioctl), ioctls, sizeof ioctls / sizeof ioctls[0]);

    if (status == 0)
        status = allow_requests(filter, SCMP_SYS(fcntl), fcntls, sizeof fcntls / sizeof fcntls[0]);
    return status;
}

static int
allow_for_e2fsck(scmp_filter_ctx filter)
{
    int status = allow_all(filter, e2fsck_calls, sizeof e2fsck_calls / sizeof e2fsck_calls[0]);

    if (status == 0)
        status = allow_controls(filter);
    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(execveat), 2,
                                  SCMP_A0(SCMP_CMP_EQ, BANGER_SANDBOX_FD_PROGRAM),
                                  SCMP_A4(SCMP_CMP_EQ, AT_EMPTY_PATH));
    if (status == 0) /* threads, which read bitmaps, but no processes */
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (status == 0) /* whose flags a filter cannot see: the C library falls back to clone */
        status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (status == 0) /* getrlimit(2) in its newer clothes: no new limits */
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                                  SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
    return status;
}

static int
load_filter(uint32_t otherwise, int (*allow_more)(scmp_filter_ctx filter))
{
    scmp_filter_ctx filter = seccomp_init(otherwise);
    int status;

    if (filter == NULL)
        return -ENOMEM;
    status = allow_all(filter, common_calls, sizeof common_calls / sizeof common_calls[0]);
    if (status == 0)
        status = allow_more(filter);
    if (status == 0)
        status = seccomp_load(filter);
    seccomp_release(filter);
    return status;
}

int
banger_system_calls_library(void)
{
    return load_filter(SCMP_ACT_KILL_PROCESS, allow_for_library);
}

int
banger_system_calls_e2fsck(void)
{
    return load_filter(SCMP_ACT_ERRNO(EPERM), allow_for_e2fsck);
}

int
banger_system_calls_bound(uint64_t size, bool writes)
{
    static const int done_with[] = {SCMP_SYS(recvmsg), SCMP_SYS(seccomp)};
    static const int flushes[] = {SCMP_SYS(fsync), SCMP_SYS(fdatasync)};
    const struct scmp_arg_cmp excess[] = {SCMP_A1(SCMP_CMP_NE, FALLOC_FL_KEEP_SIZE),
                                          SCMP_A2(SCMP_CMP_GT, size),
                                          SCMP_A3(SCMP_CMP_GT, BANGER_SANDBOX_RESERVE_MAX)};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int status;

    if (filter == NULL)
        return -ENOMEM;
    /* no_new_privs is set, and setting it is not on the first filter's list. */
    status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
    for (size_t i = 0; status == 0 && i < sizeof done_with / sizeof done_with[0]; i++)
        status = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, done_with[i], 0);
    for (size_t i = 0; status == 0 && !writes && i < sizeof flushes / sizeof flushes[0]; i++)
        status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EROFS), flushes[i], 0);
    for (size_t i = 0; status == 0 && i < sizeof excess / sizeof excess[0]; i++)
        status = seccomp_rule_add_array(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(fallocate), 1,
                                        &excess[i]);
    if (status == 0)
        status = seccomp_load(filter);
    seccomp_release(filter);
    return status;
}
