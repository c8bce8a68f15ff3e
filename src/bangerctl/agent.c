/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/agent.h"

#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "util/fd.h"

#define START_TIMEOUT_MSEC 10000
#define AGENT "pkttyagent"

static struct {
    bool forbidden, remote, tried;
    pid_t pid;
} state;

void
agent_forbid(void)
{
    state.forbidden = true;
}

void
agent_be_remote(void)
{
    state.remote = true;
}

bool
agent_may_ask(void)
{
    return !state.forbidden;
}

static void
run_agent(int notify, pid_t parent)
{
    g_autofree char *number = g_strdup_printf("%d", notify);

    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    (void)fcntl(notify, F_SETFD, 0);
    /* An agent of the session comes first; without one polkitd does not look for a fallback. */
    (void)execlp(AGENT, AGENT, "--notify-fd", number,
                 g_getenv("XDG_SESSION_ID") != NULL ? "--fallback" : NULL, NULL);
    _exit(127);
}

void
agent_start(void)
{
    const pid_t parent = getpid();
    int ends[2];
    struct pollfd ready = {0};

    if (state.forbidden || state.remote || state.tried || geteuid() == 0 || !isatty(STDIN_FILENO) ||
        !isatty(STDERR_FILENO))
        return;
    state.tried = true;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    state.pid = fork();
    if (state.pid == 0)
        run_agent(ends[1], parent);
    (void)close(ends[1]);
    /* It closes its end when it is registered, and so does its death. */
    ready.fd = ends[0];
    while (state.pid > 0 && poll(&ready, 1, START_TIMEOUT_MSEC) < 0 && errno == EINTR)
        ;
    (void)close(ends[0]);
}

void
agent_stop(void)
{
    if (state.pid <= 0)
        return;
    (void)kill(state.pid, SIGTERM);
    (void)kill(state.pid, SIGCONT);
    while (waitpid(state.pid, NULL, 0) < 0 && errno == EINTR)
        ;
    state.pid = 0;
}
