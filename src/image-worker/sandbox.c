/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image-worker/fsck-root.h"
#include "image-worker/system-calls.h"
#include "util/worker-protocol.h"

static bool
refuse(BangerWorkerFailure *failure, const char *what)
{
    (void)banger_worker_fail_errno(failure, errno, "the image worker's sandbox: %s", what);
    failure->status = BANGER_WORKER_NO_SANDBOX;
    return false;
}

static bool
limit(int resource, rlim_t value)
{
    struct rlimit old, new = {value, value};

    if (getrlimit((__rlimit_resource_t)resource, &old) == 0 && old.rlim_max < value)
        new.rlim_cur = new.rlim_max = old.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &new) == 0;
}

/* The limit that can still be raised, to double. */
static bool
limit_processor_time(rlim_t seconds)
{
    return limit(RLIMIT_CPU, 2 * seconds) &&
           setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, 2 * seconds}) == 0;
}

/* Memory, processor time, descriptors: nothing grows past what is due. */
static bool
set_limits(BangerSandboxKind kind, BangerWorkerFailure *failure)
{
    bool is_library = kind == BANGER_SANDBOX_LIBRARY;

#ifndef __SANITIZE_ADDRESS__ /* whose shadow memory is counted as address space */
    if (!limit(RLIMIT_AS, is_library ? (rlim_t)512 << 20 : (rlim_t)2 << 30))
        return refuse(failure, "cannot limit memory");
#endif
    if (!limit(RLIMIT_CORE, 0) || !limit_processor_time(is_library ? 60 : 600) ||
        !limit(RLIMIT_NOFILE, is_library ? BANGER_WORKER_FD_IMAGE + 1 : 32) ||
        !limit(RLIMIT_MEMLOCK, 0) || !limit(RLIMIT_MSGQUEUE, 0))
        return refuse(failure, "cannot set resource limits");
    /* Of all processes of the user together; libext2fs's cage makes none. */
    if (!is_library && !limit(RLIMIT_NPROC, BANGER_SANDBOX_THREADS_MAX))
        return refuse(failure, "cannot limit threads");
    return true;
}

bool
banger_sandbox_bound_image(BangerWorkerFailure *failure)
{
    struct stat st;

    if (fstat(BANGER_WORKER_FD_IMAGE, &st) < 0)
        return refuse(failure, "no image");
    if (S_ISREG(st.st_mode) && !limit(RLIMIT_FSIZE, (rlim_t)st.st_size))
        return refuse(failure, "cannot limit the size of the image");
    errno = -banger_system_calls_bound(S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
    if (errno != 0)
        return refuse(failure, "cannot filter system calls for the image");
    return true;
}

bool
banger_sandbox_allow_commit(BangerWorkerFailure *failure)
{
    struct rlimit time;

    if (getrlimit(RLIMIT_CPU, &time) < 0)
        return refuse(failure, "cannot see its processor time");
    time.rlim_cur = time.rlim_max;
    if (setrlimit(RLIMIT_CPU, &time) < 0)
        return refuse(failure, "cannot get more processor time");
    return true;
}

/*
 * The library's cage opens nothing, so it needs no root of its own to find nothing in: it gets a
 * directory that shows only the process itself and vanishes with it. e2fsck's is built for it.
 */
static bool
leave_file_systems(BangerSandboxKind kind, uid_t uid, gid_t gid, BangerWorkerFailure *failure)
{
    if (kind == BANGER_SANDBOX_E2FSCK) {
        if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0)
            return refuse(failure, "cannot leave the host's namespaces");
        if (!banger_fsck_root_enter(BANGER_WORKER_FD_IMAGE, uid, gid, failure)) {
            failure->status = BANGER_WORKER_NO_SANDBOX;
            return false;
        }
        return true;
    }
    if (chroot("/proc/self/fdinfo") < 0 || chdir("/") < 0)
        return refuse(failure, "cannot leave the host's files");
    return true;
}

static bool
drop_capabilities(BangerWorkerFailure *failure)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    if (syscall(SYS_capset, &header, none) < 0)
        return refuse(failure, "cannot drop capabilities");
    return true;
}

static bool
drop_bounding_set(BangerWorkerFailure *failure)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability) < 0)
            return refuse(failure, "cannot drop the capability bounding set");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return refuse(failure, "cannot drop ambient capabilities");
    return true;
}

static bool
become(uid_t uid, gid_t gid, BangerWorkerFailure *failure)
{
    uid_t uids[3];
    gid_t gids[3];

    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return refuse(failure, "cannot become the worker's user");
    if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 || getresgid(&gids[0], &gids[1], &gids[2]) < 0)
        return refuse(failure, "cannot see who it is");
    for (int i = 0; i < 3; i++)
        if (uids[i] != uid || gids[i] != gid)
            return refuse(failure, "did not become the worker's user");
    return true;
}

/* Leaves one processor to others, if there are several. Where that cannot be told nothing is lost
 * but time. */
static void
leave_a_processor(void)
{
    cpu_set_t processors;
    size_t first = 0;

    if (sched_getaffinity(0, sizeof processors, &processors) < 0 || CPU_COUNT(&processors) < 2)
        return;
    while (!CPU_ISSET(first, &processors))
        first++;
    CPU_CLR(first, &processors);
    (void)sched_setaffinity(0, sizeof processors, &processors);
}

/*
 * A check may take minutes of processor time: it gives way to the helper and its callers. A low
 * priority is not enough, since much of a check is spent in the kernel, where it may not be
 * preempted for milliseconds.
 */
static bool
give_way(BangerSandboxKind kind, BangerWorkerFailure *failure)
{
    const struct sched_param priority = {0};

    if (kind != BANGER_SANDBOX_E2FSCK)
        return true;
    leave_a_processor();
    if (setpriority(PRIO_PROCESS, 0, 10) < 0 || sched_setscheduler(0, SCHED_BATCH, &priority) < 0)
        return refuse(failure, "cannot lower its priority");
    return true;
}

bool
banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid, pid_t parent,
                     BangerWorkerFailure *failure)
{
    errno = 0;
    if (uid == 0 || gid == 0)
        return refuse(failure, "the worker's user must not be root");
    if (close_range(kind == BANGER_SANDBOX_LIBRARY ? BANGER_WORKER_FD_IMAGE
                                                   : BANGER_WORKER_FD_IMAGE + 1,
                    ~0u, 0) < 0)
        return refuse(failure, "cannot close other descriptors");
    if (!give_way(kind, failure) || !leave_file_systems(kind, uid, gid, failure) ||
        !set_limits(kind, failure) || !drop_bounding_set(failure) || !become(uid, gid, failure) ||
        !drop_capabilities(failure))
        return false;
    /* After the change of user, which forgets it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        return refuse(failure, "cannot be bound to the helper");
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return refuse(failure, "cannot give up new privileges");
    errno = -(kind == BANGER_SANDBOX_LIBRARY ? banger_system_calls_library()
                                             : banger_system_calls_e2fsck());
    if (errno != 0)
        return refuse(failure, "cannot filter system calls");
    return true;
}
