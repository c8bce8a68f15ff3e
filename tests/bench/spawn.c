/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "util/fd.h"

extern char **environ;

#define ARGUMENTS_MAX 24

/* Collects the arguments into @argv, which has room for ARGUMENTS_MAX and a NULL. */
static void
collect(char **argv, const char *program, va_list arguments)
{
    size_t n = 0;

    argv[n++] = (char *)program;
    do {
        g_assert(n < ARGUMENTS_MAX);
        argv[n] = va_arg(arguments, char *);
    } while (argv[n++] != NULL);
}

/* posix_spawn() is the cheapest way to start a process: the reference's own costs more. */
static bool
run(char **argv, int output, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    int r;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (output >= 0)
        (void)posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    else
        (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    r = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return r == 0;
}

static bool
wait_for(pid_t pid)
{
    int status;

    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool
bench_run(const char *program, ...)
{
    char *argv[ARGUMENTS_MAX + 1];
    va_list arguments;
    pid_t pid;

    va_start(arguments, program);
    collect(argv, program, arguments);
    va_end(arguments);
    return run(argv, -1, &pid) && wait_for(pid);
}

bool
bench_run_output(char **ret_output, const char *program, ...)
{
    char *argv[ARGUMENTS_MAX + 1];
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[4096];
    va_list arguments;
    int ends[2];
    ssize_t n;
    pid_t pid;

    va_start(arguments, program);
    collect(argv, program, arguments);
    va_end(arguments);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    if (!run(argv, ends[1], &pid)) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return false;
    }
    (void)close(ends[1]);
    while ((n = read(ends[0], buffer, sizeof buffer)) > 0)
        g_string_append_len(text, buffer, n);
    (void)close(ends[0]);
    *ret_output = g_strdup(g_strchomp(text->str));
    return wait_for(pid);
}

bool
bench_has(const char *program)
{
    g_autofree char *path = g_find_program_in_path(program);

    return path != NULL;
}
