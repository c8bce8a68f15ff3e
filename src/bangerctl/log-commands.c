/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bangerctl/commands.h"
#include "bangerctl/journal-lines.h"
#include "bangerctl/text-domain.h"
#include "bangerctl/watch.h"
#include "util/op-id.h"

#define HOST_CHARACTERS                                                                            \
    G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "@._:-" /* of what becomes an argument of ssh(1) */

/* Goes on as the program @arguments. */
static ClientStatus
run_program(const char *const *arguments)
{
    (void)execvp(arguments[0], (char *const *)(gsize)arguments);
    g_printerr("bangerctl: %s: %s\n", arguments[0], g_strerror(errno));
    return CLIENT_FAILED;
}

/*
 * Goes on as bangerctl(1) of the host @context->host, whose journal only it can read. What a shell
 * there gets has no other characters than a name has.
 */
static ClientStatus
run_there(const CommandContext *context, const char *command, const char *name)
{
    g_autofree char *host = g_strdup(context->host);
    char *port = strchr(host, ':');
    const char *argv[12];
    size_t n = 0;

    if (strspn(host, HOST_CHARACTERS) != strlen(host))
        return command_refuse_usage(_("\"%s\" is not the name of a host"), context->host);
    argv[n++] = "ssh";
    /* As for the bus: HOST:PORT, and an IPv6 address, which has several colons, without one. */
    if (port != NULL && strchr(port + 1, ':') == NULL) {
        *port = '\0';
        argv[n++] = "-p";
        argv[n++] = port + 1;
    }
    argv[n++] = "--";
    argv[n++] = host;
    argv[n++] = "bangerctl";
    if (context->output.json)
        argv[n++] = "--json";
    if (context->follow)
        argv[n++] = "--follow";
    argv[n++] = command;
    argv[n++] = name;
    argv[n] = NULL;
    return run_program(argv);
}

/* The journal of this host or of a container, with what matches, by journalctl(1). */
static ClientStatus
run_journalctl(const CommandContext *context, const char *match, const char *identifier)
{
    const char *argv[12];
    size_t n = 0;

    argv[n++] = "journalctl";
    argv[n++] = match;
    if (identifier != NULL)
        argv[n++] = identifier;
    if (context->follow)
        argv[n++] = "--follow";
    if (context->output.json)
        argv[n++] = "--output=json";
    if (context->output.no_pager)
        argv[n++] = "--no-pager";
    if (context->container != NULL) {
        argv[n++] = "--machine";
        argv[n++] = context->container;
    }
    argv[n] = NULL;
    return run_program(argv);
}

/* Both ids are names without a character that means something to a shell. */
static ClientStatus
check_name(const char *name)
{
    return banger_op_id_is_valid(name) ? CLIENT_OK
                                       : command_refuse_usage(_("\"%s\" cannot be a name"), name);
}

ClientStatus
command_logs(const CommandContext *context, char **arguments)
{
    g_autofree char *match = g_strconcat("VM_ID=", arguments[0], NULL);
    ClientStatus status = check_name(arguments[0]);

    if (status != CLIENT_OK)
        return status;
    return context->host != NULL ? run_there(context, "logs", arguments[0])
                                 : run_journalctl(context, match, NULL);
}

ClientStatus
command_console(const CommandContext *context, char **arguments)
{
    g_autofree char *match = g_strconcat("VM_ID=", arguments[0], NULL);
    ClientStatus status = check_name(arguments[0]);

    if (status != CLIENT_OK)
        return status;
    if (context->host != NULL)
        return run_there(context, "console", arguments[0]);
    if (context->container != NULL)
        return run_journalctl(context, match, "SYSLOG_IDENTIFIER=banger-console");
    return journal_print_console(arguments[0], context->follow);
}

ClientStatus
command_trace(const CommandContext *context, char **arguments)
{
    g_autofree char *match = g_strconcat("OP_ID=", arguments[0], NULL);
    ClientStatus status = check_name(arguments[0]);

    if (status != CLIENT_OK)
        return status;
    if (context->host != NULL)
        return run_there(context, "trace", arguments[0]);
    return context->container != NULL ? run_journalctl(context, match, NULL)
                                      : journal_print_operation(arguments[0], context->output.json);
}

ClientStatus
command_watch(const CommandContext *context, char **arguments)
{
    (void)arguments;
    return watch_run(context->bus, &context->output);
}
