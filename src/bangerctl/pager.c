/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bangerctl/terminal.h"

/*
 * As systemd's programs start it, but that long lines go on in the next: tables are as narrow as
 * the terminal, and half a cure is none.
 */
#define LESS_OPTIONS "FRXMK"

static pid_t pager;

/* The program and arguments of the pager that the user chose; NULL if there is to be none. */
static char **
choose_pager(bool *ret_chosen)
{
    static const char *const names[] = {"SYSTEMD_PAGER", "PAGER"};

    *ret_chosen = false;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *text = g_getenv(names[i]);
        char **argv = NULL;

        if (text == NULL)
            continue;
        *ret_chosen = true;
        if (!g_shell_parse_argv(text, NULL, &argv, NULL) || g_str_equal(argv[0], "cat"))
            g_clear_pointer(&argv, g_strfreev);
        return argv;
    }
    return NULL;
}

static void
run_pager(char **chosen, int input, pid_t parent)
{
    char page[4096];
    ssize_t size;

    if (dup2(input, STDIN_FILENO) < 0)
        _exit(1);
    if (g_getenv("LESS") == NULL)
        (void)g_setenv("LESS", LESS_OPTIONS, TRUE);
    if (g_getenv("SUDO_UID") != NULL)
        (void)g_setenv("LESSSECURE", "1", TRUE);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    if (chosen != NULL)
        (void)execvp(chosen[0], chosen);
    (void)execlp("less", "less", NULL);
    (void)execlp("more", "more", NULL);
    while ((size = read(STDIN_FILENO, page, sizeof page)) > 0 &&
           write(STDOUT_FILENO, page, (size_t)size) == size)
        ; /* there is no pager */
    _exit(127);
}

void
pager_start(void)
{
    const pid_t parent = getpid();
    g_auto(GStrv) chosen = NULL;
    bool is_chosen;
    int ends[2];

    if (!terminal_is_output() || pager > 0)
        return;
    chosen = choose_pager(&is_chosen);
    if ((is_chosen && chosen == NULL) || pipe2(ends, O_CLOEXEC) < 0)
        return;
    (void)fflush(stdout);
    pager = fork();
    if (pager == 0)
        run_pager(chosen, ends[0], parent);
    if (pager > 0)
        (void)dup2(ends[1], STDOUT_FILENO);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

void
pager_wait(void)
{
    if (pager <= 0)
        return;
    (void)fflush(stdout);
    (void)close(STDOUT_FILENO);
    while (waitpid(pager, NULL, 0) < 0 && errno == EINTR)
        ;
    pager = 0;
}
