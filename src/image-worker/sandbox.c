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

/* Of processor time, of the library's cage. */
#define CPU_SECONDS 60
#define CPU_SECONDS_MAX 3600

/* Of a check, as nice(1) has it. */
#define NICENESS 10

static bool
refuse_sandbox(BangerWorkerFailure *failure, const char *what)
{
    (void)banger_failure_set_errno(failure, errno, "the image worker's sandbox: %s", what);
    failure->status = BANGER_WORKER_NO_SANDBOX;
    return false;
}

static bool
limit_resource(int resource, rlim_t value)
{
    struct rlimit old, new = {value, value};

    if (getrlimit((__rlimit_resource_t)resource, &old) == 0 && old.rlim_max < value)
        new.rlim_cur = new.rlim_max = old.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &new) == 0;
}

/* The limit that can still be raised, to @most. */
static bool
limit_processor_time(rlim_t seconds, rlim_t most)
{
    return limit_resource(RLIMIT_CPU, most) &&
           setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, most}) == 0;
}

/* Memory, processor time, descriptors: nothing grows past what is due. */
static bool
set_limits(BangerSandboxKind kind, BangerWorkerFailure *failure)
{
    bool is_library = kind == BANGER_SANDBOX_LIBRARY;

#ifndef __SANITIZE_ADDRESS__ /* whose shadow memory is counted as address space */
    if (!limit_resource(RLIMIT_AS, is_library ? (rlim_t)256 << 20 : (rlim_t)1 << 30))
        return refuse_sandbox(failure, "cannot limit memory");
#endif
    if (!limit_resource(RLIMIT_CORE, 0) ||
        !limit_processor_time(is_library ? CPU_SECONDS : 600,
                              is_library ? CPU_SECONDS_MAX : 1200) ||
        !limit_resource(RLIMIT_NOFILE,
                        is_library ? BANGER_WORKER_FD_CONTENT + BANGER_WORKER_DESCRIPTORS_MAX
                                   : 32) ||
        !limit_resource(RLIMIT_MEMLOCK, 0) || !limit_resource(RLIMIT_MSGQUEUE, 0))
        return refuse_sandbox(failure, "cannot set resource limits");
    /* Of all processes of the user together; libext2fs's cage makes none. */
    if (!is_library && !limit_resource(RLIMIT_NPROC, BANGER_SANDBOX_THREADS_MAX))
        return refuse_sandbox(failure, "cannot limit threads");
    return true;
}

bool
banger_sandbox_bound_image(bool sizes, bool writes, BangerWorkerFailure *failure)
{
    struct stat st;

    if (fstat(BANGER_WORKER_FD_IMAGE, &st) < 0)
        return refuse_sandbox(failure, "no image");
    if (sizes && S_ISREG(st.st_mode) && !limit_resource(RLIMIT_FSIZE, (rlim_t)st.st_size))
        return refuse_sandbox(failure, "cannot limit the size of the image");
    errno = -banger_system_calls_bound(S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0, writes);
    if (errno != 0)
        return refuse_sandbox(failure, "cannot filter system calls for the image");
    return true;
}

/* Lets the process use @seconds more of processor time than it has. */
static bool
allow_time(time_t seconds, BangerWorkerFailure *failure)
{
    struct rlimit limit_now;
    struct rusage used;
    rlim_t wanted;

    if (getrlimit(RLIMIT_CPU, &limit_now) < 0 || getrusage(RUSAGE_SELF, &used) < 0)
        return refuse_sandbox(failure, "cannot see its processor time");
    wanted = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + seconds);
    limit_now.rlim_cur = wanted < limit_now.rlim_max ? wanted : limit_now.rlim_max;
    if (setrlimit(RLIMIT_CPU, &limit_now) < 0)
        return refuse_sandbox(failure, "cannot get more processor time");
    return true;
}

bool
banger_sandbox_allow_commit(BangerWorkerFailure *failure)
{
    return allow_time(2 * (time_t)CPU_SECONDS, failure);
}

bool
banger_sandbox_allow_more_time(BangerWorkerFailure *failure)
{
    return allow_time((time_t)CPU_SECONDS, failure);
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
            return refuse_sandbox(failure, "cannot leave the host's namespaces");
        if (!banger_fsck_root_enter(BANGER_WORKER_FD_IMAGE, uid, gid, failure)) {
            failure->status = BANGER_WORKER_NO_SANDBOX;
            return false;
        }
        return true;
    }
    if (chroot("/proc/self/fdinfo") < 0 || chdir("/") < 0)
        return refuse_sandbox(failure, "cannot leave the host's files");
    return true;
}

static bool
drop_capabilities(BangerWorkerFailure *failure)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    if (syscall(SYS_capset, &header, none) < 0)
        return refuse_sandbox(failure, "cannot drop capabilities");
    return true;
}

static bool
drop_bounding_set(BangerWorkerFailure *failure)
{
    int capability = 0;

    while (prctl(PR_CAPBSET_DROP, capability) == 0)
        capability++;
    if (errno != EINVAL || capability == 0) /* the kernel knows no more of them */
        return refuse_sandbox(failure, "cannot drop the capability bounding set");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return refuse_sandbox(failure, "cannot drop ambient capabilities");
    return true;
}

static bool
become_user(uid_t uid, gid_t gid, BangerWorkerFailure *failure)
{
    uid_t uids[3];
    gid_t gids[3];

    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return refuse_sandbox(failure, "cannot become the worker's user");
    if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 || getresgid(&gids[0], &gids[1], &gids[2]) < 0)
        return refuse_sandbox(failure, "cannot see who it is");
    for (int i = 0; i < 3; i++)
        if (uids[i] != uid || gids[i] != gid)
            return refuse_sandbox(failure, "did not become the worker's user");
    return true;
}

/*
 * Leaves one processor to others, if there are several. Where that cannot be known nothing is lost
 * but time.
 */
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
 * preempted for milliseconds. What is lower already, since the helper's own unit has Nice= or
 * CPUSchedulingPolicy=idle, stays: raising it would take a capability.
 */
static bool
give_way(BangerSandboxKind kind, BangerWorkerFailure *failure)
{
    const struct sched_param priority = {0};

    if (kind != BANGER_SANDBOX_E2FSCK)
        return true;
    leave_a_processor();
    if ((getpriority(PRIO_PROCESS, 0) < NICENESS && setpriority(PRIO_PROCESS, 0, NICENESS) < 0) ||
        (sched_getscheduler(0) != SCHED_IDLE && sched_setscheduler(0, SCHED_BATCH, &priority) < 0))
        return refuse_sandbox(failure, "cannot lower its priority");
    return true;
}

/* Where memory is short it goes first: a call fails, and not the helper. */
static bool
offer_memory(BangerWorkerFailure *failure)
{
    static const char most[] = "1000";
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, most, sizeof most - 1) == (ssize_t)sizeof most - 1;

    if (fd >= 0)
        (void)close(fd);
    return done || refuse_sandbox(failure, "cannot be the first to go when memory is short");
}

bool
banger_sandbox_enter(BangerSandboxKind kind, uid_t uid, gid_t gid, pid_t parent,
                     BangerWorkerFailure *failure)
{
    errno = 0;
    if (uid == 0 || gid == 0)
        return refuse_sandbox(failure, "the worker's user must not be root");
    if (close_range(kind == BANGER_SANDBOX_LIBRARY ? BANGER_WORKER_FD_IMAGE
                                                   : BANGER_WORKER_FD_IMAGE + 1,
                    ~0u, 0) < 0)
        return refuse_sandbox(failure, "cannot close other descriptors");
    if (!offer_memory(failure) || !give_way(kind, failure) ||
        !leave_file_systems(kind, uid, gid, failure) || !set_limits(kind, failure) ||
        !drop_bounding_set(failure) || !become_user(uid, gid, failure) ||
        !drop_capabilities(failure))
        return false;
    /* After the change of user, which forgets it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        return refuse_sandbox(failure, "cannot be bound to the helper");
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return refuse_sandbox(failure, "cannot give up new privileges");
    errno = -(kind == BANGER_SANDBOX_LIBRARY ? banger_system_calls_library()
                                             : banger_system_calls_e2fsck());
    if (errno != 0)
        return refuse_sandbox(failure, "cannot filter system calls");
    return true;
}
