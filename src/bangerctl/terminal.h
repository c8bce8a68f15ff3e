/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* What the standard output and error of this process are. */

/* Looks, once and before a pager takes the place of standard output. */
void terminal_look(void);

/* Whether standard output is a terminal, or was one before a pager took its place. */
bool terminal_is_output(void);

/* How many columns it has: $COLUMNS, the terminal's own, or 80. */
unsigned int terminal_columns(void);

typedef enum {
    TERMINAL_PLAIN,
    TERMINAL_BOLD,
    TERMINAL_HEADING,
    TERMINAL_GOOD,
    TERMINAL_WARN,
    TERMINAL_BAD,
    TERMINAL_DIM,
} TerminalStyle;

/*
 * What to print to switch @style on, or (TERMINAL_PLAIN) off: "" where colors are not wanted, as
 * no-color.org and TERM=dumb say.
 */
const char *terminal_style(TerminalStyle style);

/* "…", or "..." where the locale has none. */
const char *terminal_ellipsis(void);

/*
 * Starts the pager of the user ($SYSTEMD_PAGER, $PAGER, less, more) and has standard output go to
 * it, if that is a terminal. An empty variable or "cat" is none. Of the pager's own commands those
 * that start programs are off when it runs for root by way of sudo (LESSSECURE).
 */
void pager_start(void);

/* Lets the pager see the end and waits for it, if there is one. */
void pager_wait(void);
