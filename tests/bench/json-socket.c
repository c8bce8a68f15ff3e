/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "util/fd.h"

#define CALLS 500
#define N_SERIES 4 /* of measure() */
#define BRIDGE BANGER_LIBEXECDIR "/banger-helper-bridge"
#define REQUEST                                                                                    \
    "{\"version\":1,\"method\":\"priv.process_running\",\"params\":{\"pid\":1,\"api_sock\":\"\"}}" \
    "\n"

static int
connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    banger_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        return -1;
    return banger_steal_fd(&fd);
}

static bool
ask(int fd)
{
    char reply[4096];
    size_t got = 0;

    if (write(fd, REQUEST, strlen(REQUEST)) != (ssize_t)strlen(REQUEST))
        return false;
    do {
        ssize_t n = read(fd, reply + got, sizeof reply - 1 - got);

        if (n <= 0)
            return false;
        got += (size_t)n;
    } while (reply[got - 1] != '\n');
    reply[got] = '\0';
    return strstr(reply, "\"running\":true") != NULL || strstr(reply, "\"running\": true") != NULL;
}

/*
 * A call on one connection, a call on a connection of its own, the owner's own D-Bus call, whom
 * polkit decides about as about the bridge, and root's, which needs no decision.
 */
static bool
measure(Bench *bench, const char *path, BenchSeries **series)
{
    banger_autofd int kept = connect_to(path);

    for (guint i = 0; i < CALLS; i++) {
        double times[N_SERIES + 1];
        bool ok;

        times[0] = bench_now();
        ok = ask(kept);
        times[1] = bench_now();
        if (ok) {
            banger_autofd int fd = connect_to(path);

            ok = ask(fd);
        }
        times[2] = bench_now();
        ok = ok && bench_call(bench->owner, NULL, "ProcessRunning", "us", 1u, "");
        times[3] = bench_now();
        ok = ok && bench_call(bench->root, NULL, "ProcessRunning", "us", 1u, "");
        times[4] = bench_now();
        if (!ok)
            return false;
        for (int k = 0; k < N_SERIES; k++)
            bench_series_add(series[k], times[k + 1] - times[k]);
    }
    return true;
}

static pid_t
start_bridge(const Bench *bench, const char *path)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (setgroups(0, NULL) != 0 || setgid(bench->owner_gid) != 0 || setuid(bench->owner_uid) != 0)
        _exit(126);
    (void)execl(BRIDGE, "banger-helper-bridge", "--socket", path, NULL);
    _exit(127);
}

static bool
wait_for_socket(const char *path)
{
    for (int i = 0; i < 10000; i++) {
        banger_autofd int fd = connect_to(path);

        if (fd >= 0)
            return true;
        g_usleep(1000);
    }
    return false;
}

static void
enter(Bench *bench, BenchSeries **series)
{
    double through = bench_series_median(series[0]);
    double direct = bench_series_median(series[2]);
    double roots = bench_series_median(series[3]);

    bench_enter(bench,
                &(BenchBar){
                    .name = "JSON socket",
                    .text = "ProcessRunning through the bridge over the owner's own D-Bus call",
                    .figure = through / direct,
                    .unit = "x",
                    .note = g_strdup_printf("medians: one connection %.0f us, a connection a call "
                                            "%.0f us, D-Bus %.0f us, root's D-Bus without polkit "
                                            "%.0f us (%.1f x)",
                                            through, bench_series_median(series[1]), direct, roots,
                                            through / roots),
                });
}

void
bench_json_socket(Bench *bench)
{
    g_autofree char *path = g_build_filename(bench->directory, "bridge.sock", NULL);
    BenchSeries *series[N_SERIES];
    pid_t pid;

    if (!bench_wanted(bench, "JSON socket"))
        return;
    if (access(BRIDGE, X_OK) != 0) {
        bench_enter(bench, &(BenchBar){.name = "JSON socket",
                                       .text = "",
                                       .skipped = g_strdup(BRIDGE " is not installed")});
        return;
    }
    for (int i = 0; i < N_SERIES; i++)
        series[i] = bench_series_new();
    (void)unlink(path);
    pid = start_bridge(bench, path);
    if (wait_for_socket(path) && measure(bench, path, series))
        enter(bench, series);
    else
        (void)bench_fail(bench, "JSON socket: not measured");
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
    for (int i = 0; i < N_SERIES; i++)
        bench_series_free(series[i]);
}
