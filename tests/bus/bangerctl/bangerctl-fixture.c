/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/bangerctl/bangerctl-fixture.h"

#include <string.h>
#include <sys/wait.h>

#include "lib/source-tree.h"

#define PROMPT "    $ "
#define CONTINUATION "    > "

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

/* @text from its section @section on to the next; it is changed. */
static const char *
find_section(char *text, const char *section)
{
    g_autofree char *heading = g_strdup_printf("\n## %s\n", section);
    char *begin = section[0] != '\0' ? strstr(text, heading) : text;
    char *end = begin != NULL ? strstr(begin + 1, "\n## ") : NULL;

    if (end != NULL)
        *end = '\0';
    return begin;
}

char *
bangerctl_extract(const char *path, const char *section, unsigned int *ret_n)
{
    g_autofree char *text = source_tree_read(path);
    const char *part = section != NULL ? find_section(text, section) : text;
    g_autoptr(GString) script = g_string_new(BANGERCTL_SCRIPT);
    g_auto(GStrv) lines = NULL;
    bool goes_on = false;

    ck_assert_msg(part != NULL, "%s: %s", path, section);
    lines = g_strsplit(part, "\n", -1);
    *ret_n = 0;
    for (char **line = lines; *line != NULL; line++) {
        const bool begins = g_str_has_prefix(*line, PROMPT);

        if (begins)
            (*ret_n)++;
        if (begins || g_str_has_prefix(*line, CONTINUATION))
            g_string_append_printf(script, "%s\n", *line + strlen(PROMPT));
        else if (goes_on)
            g_string_append_printf(script, "%s\n", *line);
        goes_on = (begins || goes_on) && g_str_has_suffix(*line, "\\");
    }
    return g_strdup(script->str);
}
