/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_COLUMNS 80

static struct {
    bool is_terminal, has_colors;
    unsigned int columns;
} state;

void
terminal_look(void)
{
    const char *no_color = g_getenv("NO_COLOR");
    const char *term = g_getenv("TERM");
    const char *columns = g_getenv("COLUMNS");
    struct winsize size;
    guint64 number;

    state.is_terminal = isatty(STDOUT_FILENO) == 1;
    state.has_colors = state.is_terminal && (no_color == NULL || no_color[0] == '\0') &&
                       term != NULL && strcmp(term, "dumb") != 0;
    state.columns = DEFAULT_COLUMNS;
    if (columns != NULL && g_ascii_string_to_unsigned(columns, 10, 10, 10000, &number, NULL))
        state.columns = (unsigned int)number;
    else if (state.is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        state.columns = size.ws_col;
}

bool
terminal_is_output(void)
{
    return state.is_terminal;
}

unsigned int
terminal_columns(void)
{
    return state.columns;
}

const char *
terminal_style(TerminalStyle style)
{
    static const char *const codes[] = {
        [TERMINAL_PLAIN] = "\033[0m", [TERMINAL_BOLD] = "\033[1m",  [TERMINAL_HEADING] = "\033[4m",
        [TERMINAL_GOOD] = "\033[32m", [TERMINAL_WARN] = "\033[33m", [TERMINAL_BAD] = "\033[31m",
        [TERMINAL_DIM] = "\033[2m",
    };

    return state.has_colors ? codes[style] : "";
}

const char *
terminal_ellipsis(void)
{
    return g_get_charset(NULL) ? "…" : "...";
}
