/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/bangerctl/bangerctl-fixture.h"

#include <string.h>
#include <sys/wait.h>

int
bangerctl_run(const char *command, char **ret_text)
{
    g_autofree char *line = g_strdup_printf("{ %s ; } 2>&1", command);
    const char *argv[] = {"/bin/sh", "-c", line, NULL};
    int status;

    ck_assert(g_spawn_sync(NULL, (char **)(gsize)argv, NULL, 0, NULL, NULL, ret_text, NULL, &status,
                           NULL));
    ck_assert_msg(WIFEXITED(status), "%s: %d", command, status);
    return WEXITSTATUS(status);
}

void
bangerctl_check(const char *command, int status, const char *part)
{
    g_autofree char *text = NULL;
    int actual = bangerctl_run(command, &text);

    ck_assert_msg(actual == status, "%s: %d: %s", command, actual, text);
    ck_assert_msg(strstr(text, part) != NULL, "%s: no \"%s\" in: %s", command, part, text);
}

char *
bangerctl_print(const char *command)
{
    char *text = NULL;
    int status = bangerctl_run(command, &text);

    ck_assert_msg(status == 0, "%s: %d: %s", command, status, text);
    return text;
}

bool
bangerctl_have(const char *name)
{
    g_autofree char *path = g_find_program_in_path(name);

    return path != NULL;
}
