/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/command-line.h"

#include <string.h>

#include <glib.h>

/* The argument after @argument, or NULL if that was the last one. */
static const char *
next_argument(const char *text, size_t length, const char *argument)
{
    const char *next = argument + strlen(argument) + 1;

    return next < text + length ? next : NULL;
}

static bool
is_option(const char *argument)
{
    return g_str_has_prefix(argument, "--") && argument[2] != '\0';
}

/* The VALUE of @argument if it is --@option=VALUE, else NULL. */
static const char *
inline_value(const char *argument, const char *option)
{
    size_t length = strlen(option);

    if (!is_option(argument) || strncmp(argument + 2, option, length) != 0 ||
        argument[2 + length] != '=')
        return NULL;
    return argument + 2 + length + 1;
}

bool
banger_command_line_names(const char *text, size_t length, const char *option, const char *value)
{
    if (length == 0)
        return false;
    for (const char *argument = next_argument(text, length, text); argument != NULL;
         argument = next_argument(text, length, argument))
        if (strcmp(argument, value) == 0 || g_strcmp0(inline_value(argument, option), value) == 0)
            return true;
    return false;
}

bool
banger_command_line_has(const char *text, size_t length, const char *option, const char *value)
{
    const char *next;

    if (length == 0)
        return false;
    for (const char *argument = next_argument(text, length, text); argument != NULL;
         argument = next) {
        next = next_argument(text, length, argument);
        if (g_strcmp0(inline_value(argument, option), value) == 0)
            return true;
        if (next != NULL && is_option(argument) && strcmp(argument + 2, option) == 0 &&
            strcmp(next, value) == 0)
            return true;
    }
    return false;
}

const char *
banger_command_line_option(const char *text, size_t length, const char *option)
{
    const char *found = NULL;
    const char *argument;

    if (length == 0)
        return NULL;
    argument = next_argument(text, length, text);
    while (argument != NULL) {
        const char *name = argument;
        const char *value;

        if (!is_option(name))
            return NULL;
        value = inline_value(name, option);
        argument = next_argument(text, length, argument);
        if (value == NULL && strchr(name, '=') == NULL && argument != NULL &&
            !is_option(argument)) {
            if (strcmp(name + 2, option) == 0)
                value = argument;
            argument = next_argument(text, length, argument);
        }
        if (value != NULL)
            found = value;
    }
    return found;
}
