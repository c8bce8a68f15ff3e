/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/compare.h"
#include "util/fd.h"

#define PROCESSES 1000

static GArray *processes; /* of pid_t: what makes the host a busy one */
static pid_t vmm;
static char *api_sock;

static pid_t
sleeper(void)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        (void)pause();
}

/* What start_vmm()'s process does: it answers whoever connects by closing. */
int
bench_be_vmm(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    banger_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 64) != 0)
        return 1;
    for (;;) {
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

        if (connection >= 0)
            (void)close(connection);
    }
}

/*
 * A process that listens at api_sock and has it on its command line, as a VMM has: the command line
 * is what pgrep looks at, the listener what the helper does.
 */
static pid_t
start_vmm(const Bench *bench)
{
    pid_t pid;

    (void)unlink(api_sock);
    pid = fork();
    if (pid == 0) {
        (void)execl("/proc/self/exe", BENCH_VMM, "--api-sock", api_sock, NULL);
        _exit(127);
    }
    for (int i = 0; i < 5000 && access(api_sock, F_OK) != 0; i++)
        g_usleep(1000);
    return chown(api_sock, bench->owner_uid, bench->owner_gid) == 0 ? pid : -1;
}

static bool
set_up(Bench *bench)
{
    pid_t pid;

    api_sock = g_build_filename(bench->runtime_directory, "bench-api.sock", NULL);
    processes = g_array_new(FALSE, FALSE, sizeof(pid_t));
    for (int i = 0; i < PROCESSES; i++) {
        pid = sleeper();
        if (pid < 0)
            return false;
        g_array_append_val(processes, pid);
    }
    vmm = start_vmm(bench);
    return vmm > 0;
}

static void
end(pid_t pid)
{
    if (pid > 0 && kill(pid, SIGKILL) == 0)
        (void)waitpid(pid, NULL, 0);
}

static void
tear_down(Bench *bench)
{
    (void)bench;
    for (guint i = 0; i < processes->len; i++)
        end(g_array_index(processes, pid_t, i));
    end(vmm);
    (void)unlink(api_sock);
    g_clear_pointer(&processes, g_array_unref);
    g_clear_pointer(&api_sock, g_free);
}

static bool
run(Bench *bench, BenchSide side)
{
    if (side == BENCH_REFERENCE)
        return bench_run("pgrep", "-n", "-f", api_sock, NULL);
    return bench_call(bench_side_bus(bench, side), NULL, "FindFirecrackerPID", "s", api_sock);
}

void
bench_process_cases(Bench *bench)
{
    static const BenchCase find = {
        .name = "FindFirecrackerPID",
        .reference = "pgrep -n -f, among 1,000 processes",
        .bar = 20,
        .set_up = set_up,
        .run = run,
        .tear_down = tear_down,
    };

    bench_compare(bench, &find);
}
