/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/unit-private.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sys/process-scan.h"
#include "util/error.h"
#include "util/fd.h"

#define GROUP_POLL_USEC 2000

/*
 * The plain spawn: a child of the helper, in a session of its own. When the helper ends, init
 * inherits it; while the helper lives, the helper is its parent and learns how it ended.
 */

typedef struct {
    bool waited; /* for the child: its pid may be another process's by now */
} Spawn;

/* All that the child needs, made before the fork: between fork and exec nothing is allocated. */
typedef struct {
    const char *const *argv;
    uid_t uid;
    gid_t gid;
    gid_t groups[1];
    size_t n_groups;
    int null_fd;
    int output_fd;
    int report_fd;
} Plan;

/* What the child writes to the report if it fails: which step, and errno. */
typedef struct {
    const char *step; /* valid in the parent too: a constant */
    int errnum;
} Report;

static _Noreturn void
give_up(const Plan *plan, const char *step)
{
    Report report = {step, errno};

    (void)!write(plan->report_fd, &report, sizeof report);
    _exit(127);
}

/* A caught signal would be reset by exec too, an ignored one would not. */
static void
reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &action, NULL);
    (void)sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/*
 * The child, a copy of one thread of many: any lock may be held by a thread that is not there. Only
 * functions that take none (signal-safety(7), and bare system calls) until execve(2).
 */
static _Noreturn void
run_child(const Plan *plan)
{
    char *const environment[] = {NULL};

    reset_signals();
    if (setsid() < 0)
        give_up(plan, "start a session");
    (void)umask(0077);
    if (chdir("/") < 0)
        give_up(plan, "change to /");
    if (dup2(plan->null_fd, STDIN_FILENO) < 0 || dup2(plan->output_fd, STDOUT_FILENO) < 0 ||
        dup2(plan->output_fd, STDERR_FILENO) < 0)
        give_up(plan, "set up standard input and output");
    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        give_up(plan, "close descriptors");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        give_up(plan, "give up gaining privileges");
    if (setgroups(plan->n_groups, plan->groups) < 0 ||
        setresgid(plan->gid, plan->gid, plan->gid) < 0)
        give_up(plan, "change its groups");
    if (setresuid(plan->uid, plan->uid, plan->uid) < 0)
        give_up(plan, "change its user");
    (void)execve(plan->argv[0], (char *const *)(void *)plan->argv, environment);
    give_up(plan, "execute it");
}

/* fork(2) with every signal blocked: no handler of the helper runs in the child. */
static pid_t
fork_child(const Plan *plan)
{
    sigset_t all, before;
    pid_t pid;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        run_child(plan);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* Waits until the child's end of the report is closed: by exec, or after a Report. */
static bool
await_exec(int report_fd, const char *program, GError **error)
{
    struct pollfd pollfd = {.fd = report_fd, .events = POLLIN};
    Report report;
    ssize_t n;

    do
        n = poll(&pollfd, 1, BANGER_UNIT_START_MS);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return banger_set_error(error, BANGER_ERROR_TIMEOUT,
                                "cannot start %s: it was not executed within %d s", program,
                                BANGER_UNIT_START_MS / 1000);
    n = read(report_fd, &report, sizeof report);
    if (n == 0)
        return true;
    if (n != sizeof report)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "cannot start %s: its process ended before it was executed",
                                program);
    return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, report.errnum,
                            "cannot start %s: the new process could not %s", program, report.step);
}

/* A copy of @fd beyond the standard ones, so that no dup2() of the child overwrites it. */
static int
duplicate(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

/*
 * Looks how the child ended, if it has, and leaves it a zombie: while it is one its pid, and the
 * process group of that number, are nobody else's.
 */
static bool
has_ended(BangerUnit *unit, siginfo_t *ret_end)
{
    ret_end->si_pid = 0;
    return unit->process.pid > 0 &&
           TEMP_FAILURE_RETRY(
               waitid(P_PID, (id_t)unit->process.pid, ret_end, WEXITED | WNOHANG | WNOWAIT)) == 0 &&
           ret_end->si_pid != 0;
}

static void
stop(BangerUnit *unit)
{
    gint64 deadline = g_get_monotonic_time() + (gint64)BANGER_UNIT_STOP_MS * 1000;
    Spawn *spawn = unit->data;
    pid_t pid = unit->process.pid;
    siginfo_t end;

    if (spawn->waited || pid <= 0)
        return;
    /* Its children too, also if it has ended itself: what it has open, they have. */
    (void)kill(-pid, SIGKILL);
    (void)kill(pid, SIGKILL);
    while (banger_process_group_lives(pid) && g_get_monotonic_time() < deadline)
        g_usleep(GROUP_POLL_USEC);
    if (!has_ended(unit, &end))
        return;
    (void)waitid(P_PID, (id_t)pid, &end, WEXITED);
    spawn->waited = true;
}

static bool
start(BangerUnit *unit, const BangerUnitSpec *spec, GError **error)
{
    Plan plan = {spec->argv, spec->settings->vmm_uid, spec->settings->vmm_gid, {0}, 0, -1, -1, -1};
    banger_autofd int null_file = open("/dev/null", O_RDWR | O_CLOEXEC);
    banger_autofd int null_fd = duplicate(null_file);
    banger_autofd int output_fd = duplicate(spec->output_fd);
    banger_autofd int read_end = -1;
    banger_autofd int write_end = -1;
    int ends[2];

    unit->data = g_new0(Spawn, 1);
    if (null_fd < 0 || output_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot start %s",
                                spec->argv[0]);
    read_end = ends[0];
    write_end = duplicate(ends[1]);
    (void)close(ends[1]);
    plan.n_groups = banger_unit_kvm_group(&plan.groups[0]) ? 1 : 0;
    plan.null_fd = null_fd;
    plan.output_fd = output_fd;
    plan.report_fd = write_end;
    unit->process.pid = fork_child(&plan);
    if (unit->process.pid < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot start a process for %s", spec->argv[0]);
    banger_close_fd(&write_end);
    if (!banger_process_open((uint32_t)unit->process.pid, &unit->process, error) ||
        !await_exec(read_end, spec->argv[0], error)) {
        stop(unit);
        return false;
    }
    return true;
}

static char *
describe_end(BangerUnit *unit)
{
    siginfo_t end;

    return has_ended(unit, &end) ? banger_unit_format_end(end.si_code, end.si_status) : NULL;
}

static void
forget(GPid pid, gint status, gpointer data)
{
    (void)pid;
    (void)status;
    (void)data;
}

static void
release(BangerUnit *unit)
{
    const Spawn *spawn = unit->data;

    /* The main loop waits for it when it ends one day, so that it does not stay a zombie. */
    if (spawn != NULL && !spawn->waited && unit->process.pid > 0)
        (void)g_child_watch_add(unit->process.pid, forget, NULL);
    g_free(unit->data);
}

const BangerUnitKind banger_unit_spawn = {start, describe_end, stop, release};
