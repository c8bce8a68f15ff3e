/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "bangerctl/client.h"
#include "bangerctl/output.h"

/* What a command is run with. */
typedef struct {
    sd_bus *bus; /* NULL for a command that does not need it */
    OutputOptions output;
    const char *host;      /* --host, or NULL */
    const char *container; /* --machine, or NULL */
    const char *property;  /* --property, or NULL */
    const char *signal;    /* --signal, or NULL */
    const char *path;      /* --output, or NULL */
    char **keep;           /* --keep, or NULL */
    char **remove;         /* --remove, or NULL */
    int timeout_s;         /* --timeout, or negative */
    bool repair;           /* --repair */
    bool follow;           /* --follow */
    bool dry_run;          /* --dry-run */
    bool remove_cow;       /* --remove-cow */
} CommandContext;

typedef struct Command Command;

/*
 * The command @argv[0], if it takes as many arguments as follow it; NULL ends them. NULL if not,
 * after saying so on standard error: nothing was asked of the bus for that.
 */
const Command *command_find(char **argv);

/* Whether @command asks the bus: what reads the journal works without one. */
bool command_needs_bus(const Command *command);

/* Runs @command, as command_find() has it, with its @arguments. */
ClientStatus command_run(const Command *command, const CommandContext *context, char **arguments);

/* The commands and what they do, for --help. Free with g_free(). */
char *command_describe(void);

/* The commands themselves; @arguments ends with NULL, and has as many as the command takes. */
typedef ClientStatus CommandFunction(const CommandContext *context, char **arguments);

/* machine-commands.c */
CommandFunction command_list, command_status, command_show, command_kill, command_stop;

/* machine-life.c */
CommandFunction command_create, command_destroy, command_gc;

/* log-commands.c */
CommandFunction command_logs, command_console, command_trace, command_watch;

/* network-commands.c */
CommandFunction command_bridges, command_taps, command_nat, command_forward;

/* image-commands.c */
CommandFunction command_snapshots, command_read, command_write, command_check;

/* doctor.c, metrics.c, method-call.c */
CommandFunction command_doctor, command_metrics, command_call;

/* A table of all objects of @kind, as client_list() has them. */
ClientStatus command_list_objects(const CommandContext *context, const char *kind,
                                  const char *const *columns);

/* Says on standard error how the command is used; CLIENT_USAGE. */
ClientStatus command_refuse_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);
