/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unit-private.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/spawning.h"
#include "vmm/process-scan.h"
#include "vmm/unit-common.h"

#define GROUP_POLL_USEC 2000
#define CONSOLE_MAX ((size_t)16 << 20) /* bytes of the guest's console that are kept in the log */

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
    rlim_t file_size_max;
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
 * Copies what comes from @input_fd to @output_fd, CONSOLE_MAX bytes of it, and drops the rest: a
 * guest must not fill the disk by way of its console. Ends when the VMM does.
 */
static _Noreturn void
relay_console(int input_fd, int output_fd)
{
    static const char note[] = "\n[the rest of the guest's console is not kept]\n";
    size_t left = CONSOLE_MAX;
    char buffer[4096];

    (void)prctl(PR_SET_NAME, "banger-console");
    for (;;) {
        ssize_t n = read(input_fd, buffer, sizeof buffer);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(0);
        if (left == 0)
            continue;
        n = MIN(n, (ssize_t)left);
        (void)!write(output_fd, buffer, (size_t)n);
        left -= (size_t)n;
        if (left == 0)
            (void)!write(output_fd, note, sizeof note - 1);
    }
}

/*
 * Makes standard output, which is the guest's console, go through a process of its own, a child of
 * the VMM's. _Fork(3) is safe here, fork(3) is not.
 */
static bool
start_relay(void)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    pid = _Fork();
    if (pid == 0) {
        if (dup2(ends[0], STDIN_FILENO) < 0 ||
            syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0U) < 0)
            _exit(1);
        relay_console(STDIN_FILENO, STDERR_FILENO);
    }
    return pid > 0 && dup2(ends[1], STDOUT_FILENO) >= 0;
}

/*
 * Closes all but the standard ones and @kept, which the exec closes: by then the others are closed
 * (util/spawning.h).
 */
static bool
close_others(int kept)
{
    unsigned int first = STDERR_FILENO + 1, middle = (unsigned int)kept;

    return (middle == first || syscall(SYS_close_range, first, middle - 1, 0U) == 0) &&
           syscall(SYS_close_range, middle + 1, ~0U, 0U) == 0;
}

/*
 * The child, a copy of one thread of many: any lock may be with a thread that is not there. Only
 * functions that take none (signal-safety(7), and bare system calls) until execve(2).
 */
static _Noreturn void
run_child(const Plan *plan)
{
    const struct rlimit no_core = {0, 0};
    const struct rlimit file_size = {plan->file_size_max, plan->file_size_max};
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
    if (!close_others(plan->report_fd))
        give_up(plan, "close descriptors");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        give_up(plan, "give up gaining privileges");
    if (setrlimit(RLIMIT_CORE, &no_core) < 0)
        give_up(plan, "forbid core dumps");
    if (setrlimit(RLIMIT_FSIZE, &file_size) < 0)
        give_up(plan, "bound the size of files");
    /* A keyring of its own; a kernel without keyrings has none to share. */
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    if (setgroups(plan->n_groups, plan->groups) < 0 ||
        setresgid(plan->gid, plan->gid, plan->gid) < 0)
        give_up(plan, "change its groups");
    if (setresuid(plan->uid, plan->uid, plan->uid) < 0)
        give_up(plan, "change its user");
    if (!start_relay())
        give_up(plan, "start a process for its console");
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
await_exec(int report_fd, const char *program, int timeout_ms, GError **error)
{
    struct pollfd pollfd = {.fd = report_fd, .events = POLLIN};
    Report report;
    ssize_t n;

    do
        n = poll(&pollfd, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return banger_set_error(error, BANGER_ERROR_TIMEOUT,
                                "cannot start %s: it was not executed within %d ms", program,
                                timeout_ms);
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
duplicate_fd(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

/*
 * Looks how the child ended, if it has, and leaves it a zombie: while it is one its pid, and the
 * process group of that number, are no other process's.
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

static bool
stop_spawned(BangerUnit *unit, GError **error)
{
    gint64 deadline_usec = g_get_monotonic_time() + (gint64)BANGER_UNIT_STOP_MS * 1000;
    Spawn *spawn = unit->data;
    pid_t pid = unit->process.pid;
    siginfo_t end;

    if (spawn->waited || pid <= 0)
        return true;
    /* Its children too, also if it has ended itself: what it has open, they have. */
    (void)kill(-pid, SIGKILL);
    (void)kill(pid, SIGKILL);
    while (banger_process_group_lives(pid) && g_get_monotonic_time() < deadline_usec)
        g_usleep(GROUP_POLL_USEC);
    if (!has_ended(unit, &end) || banger_process_group_lives(pid))
        return banger_set_error(error, BANGER_ERROR_TIMEOUT,
                                "process %d was killed, but it or a child of it has not ended "
                                "within %d s",
                                pid, BANGER_UNIT_STOP_MS / 1000);
    (void)waitid(P_PID, (id_t)pid, &end, WEXITED);
    spawn->waited = true;
    return true;
}

static bool
start_spawned(BangerUnit *unit, const BangerUnitSpec *spec, GError **error)
{
    Plan plan = {.argv = spec->argv,
                 .uid = spec->settings->owner_uid,
                 .gid = spec->settings->owner_gid,
                 .file_size_max = spec->file_size_max};
    banger_autofd int null_file = open("/dev/null", O_RDWR | O_CLOEXEC);
    banger_autofd int null_fd = duplicate_fd(null_file);
    banger_autofd int output_fd = duplicate_fd(spec->output_fd);
    banger_autofd int read_end = -1;
    banger_autofd int write_end = -1;
    int ends[2];
    uint64_t ticket;
    bool executed;

    unit->data = g_new0(Spawn, 1);
    if (null_fd < 0 || output_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot start %s",
                                spec->argv[0]);
    read_end = ends[0];
    write_end = duplicate_fd(ends[1]);
    (void)close(ends[1]);
    plan.n_groups = banger_unit_kvm_group(&plan.groups[0]) ? 1 : 0;
    plan.null_fd = null_fd;
    plan.output_fd = output_fd;
    plan.report_fd = write_end;
    ticket = banger_spawning_begin();
    unit->process.pid = fork_child(&plan);
    banger_close_fd(&write_end);
    executed = unit->process.pid > 0 &&
               banger_process_open((uint32_t)unit->process.pid, &unit->process, error) &&
               await_exec(read_end, spec->argv[0], spec->timeout_ms, error);
    banger_spawning_end(ticket);
    if (unit->process.pid < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot start a process for %s", spec->argv[0]);
    if (!executed) {
        banger_unit_stop_failed_start(unit, error);
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
forget_child(GPid pid, gint status, void *user_data)
{
    (void)pid;
    (void)status;
    (void)user_data;
}

static void
release_spawned(BangerUnit *unit)
{
    const Spawn *spawn = unit->data;

    /* The main loop waits for it when it ends one day, so that it does not stay a zombie. */
    if (spawn != NULL && !spawn->waited && unit->process.pid > 0)
        (void)g_child_watch_add(unit->process.pid, forget_child, NULL);
    g_free(unit->data);
}

const BangerUnitKind banger_unit_spawn = {start_spawned, describe_end, stop_spawned,
                                          release_spawned};
