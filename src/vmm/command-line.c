/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/command-line.h"

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

/* The options of firecracker's command line, v1.7 and later. */
static const struct {
    const char *name;
    bool has_value;
} known_options[] = {
    {"api-sock", true},
    {"boot-timer", false},
    {"config-file", true},
    {"enable-pci", false},
    {"http-api-max-payload-size", true},
    {"id", true},
    {"level", true},
    {"log-path", true},
    {"metadata", true},
    {"metrics-path", true},
    {"mmds-size-limit", true},
    {"module", true},
    {"no-seccomp", false},
    {"parent-cpu-time-us", true},
    {"seccomp-filter", true},
    {"show-level", false},
    {"show-log-origin", false},
    {"start-time-cpu-us", true},
    {"start-time-us", true},
};

/* Whether @argument is one of known_options; *@ret_value is what follows its "=", or NULL. */
static bool
find_option(const char *argument, size_t *ret_index, const char **ret_value)
{
    if (!is_option(argument))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(known_options); i++) {
        *ret_value = inline_value(argument, known_options[i].name);
        *ret_index = i;
        if (*ret_value != NULL)
            return known_options[i].has_value;
        if (strcmp(argument + 2, known_options[i].name) == 0)
            return true;
    }
    return false;
}

const char *
banger_command_line_value(const char *text, size_t length, const char *option)
{
    const char *argument = length > 0 ? next_argument(text, length, text) : NULL;
    const char *found = NULL;

    while (argument != NULL) {
        const char *value;
        size_t index;

        if (!find_option(argument, &index, &value))
            return NULL;
        if (known_options[index].has_value && value == NULL) {
            argument = next_argument(text, length, argument);
            if (argument == NULL)
                return NULL;
            value = argument;
        }
        if (strcmp(known_options[index].name, option) == 0)
            found = value;
        argument = next_argument(text, length, argument);
    }
    return found;
}
