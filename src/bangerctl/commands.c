/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bangerctl/commands.h"

#include "bangerctl/terminal.h"
#include "bangerctl/text-domain.h"

#define ANY_NUMBER 1024
#define USAGE_WIDTH 26 /* of a command with its arguments, in the list of them */

typedef enum {
    PAGED = 1 << 0,
    OF_JOURNAL = 1 << 1, /* it asks no bus */
} CommandFlags;

struct Command {
    const char *name;
    const char *arguments;
    unsigned int min, max; /* how many arguments */
    CommandFlags flags;
    CommandFunction *run;
    const char *description;
};

static const Command commands[] = {
    {"list", "", 0, 0, PAGED, command_list, N_("List the machines")},
    {"status", "[VM]", 0, 1, PAGED, command_status,
     N_("Show a machine with its last journal lines, or the host")},
    {"show", "VM", 1, 1, PAGED, command_show,
     N_("Show the properties of a machine (--property: one)")},
    {"watch", "", 0, 0, 0, command_watch, N_("Show what happens, as it happens")},
    {"run", "FILE", 1, 1, 0, command_create, N_("Make the machine of a file (--dry-run)")},
    {"destroy", "VM|FILE", 1, 1, 0, command_destroy,
     N_("Remove a machine and what was made for it (--timeout, --remove-cow)")},
    {"stop", "VM", 1, 1, 0, command_stop, N_("Have a machine end (--timeout)")},
    {"kill", "VM", 1, 1, 0, command_kill,
     N_("Send a signal to the VMM of a machine (--signal, KILL)")},
    {"logs", "VM", 1, 1, OF_JOURNAL, command_logs, N_("Show the journal of a machine (--follow)")},
    {"console", "VM", 1, 1, OF_JOURNAL, command_console,
     N_("Show the console of a machine (--follow)")},
    {"bridges", "", 0, 0, PAGED, command_bridges, N_("List the bridges")},
    {"taps", "", 0, 0, PAGED, command_taps, N_("List the TAPs")},
    {"snapshots", "", 0, 0, PAGED, command_snapshots, N_("List the snapshots")},
    {"nat", "GUEST-IP TAP on|off", 3, 3, 0, command_nat,
     N_("Let a guest out of its bridge, or not")},
    {"forward", "tcp|udp PORT GUEST-IP GUEST-PORT on|off", 5, 5, 0, command_forward,
     N_("Forward a port of the host to a guest, or not")},
    {"read", "IMAGE PATH", 2, 2, 0, command_read,
     N_("Write a file of an image to standard output")},
    {"write", "IMAGE PATH", 2, 2, 0, command_write,
     N_("Write standard input to a file of an image")},
    {"check", "IMAGE", 1, 1, 0, command_check, N_("Check the file system of an image (--repair)")},
    {"gc", "", 0, 0, 0, command_gc,
     N_("Remove what is left of machines (--dry-run, --keep, --remove)")},
    {"doctor", "", 0, 0, PAGED, command_doctor,
     N_("Show what this host lacks for guests, and the cure")},
    {"trace", "OP-ID", 1, 1, PAGED | OF_JOURNAL, command_trace,
     N_("Show the journal of one operation")},
    {"metrics", "", 0, 0, 0, command_metrics, N_("Print OpenMetrics text (--output)")},
    {"call", "METHOD [KEY=VALUE…]", 1, ANY_NUMBER, 0, command_call,
     N_("Call any method, with its arguments by name")},
};

char *
command_describe(void)
{
    g_autoptr(GString) text = g_string_new(_("Commands:"));

    g_string_append_c(text, '\n');
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *usage = g_strdup_printf("%s %s", commands[i].name, commands[i].arguments);

        /* Characters count, not bytes. */
        const int padding = USAGE_WIDTH - (int)g_utf8_strlen(usage, -1);

        g_string_append_printf(text, "  %s", usage);
        if (padding < 0)
            g_string_append_printf(text, "\n  %*s", USAGE_WIDTH, "");
        g_string_append_printf(text, "%*s %s\n", MAX(padding, 0), "", _(commands[i].description));
    }
    g_string_append_printf(text, "\n%s\n",
                           _("Machine files, exit statuses and examples are in bangerctl(1)."));
    return g_strdup(text->str);
}

ClientStatus
command_refuse_usage(const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    g_printerr("bangerctl: %s\n", message);
    return CLIENT_USAGE;
}

const Command *
command_find(char **argv)
{
    const unsigned int n = g_strv_length(argv + 1);

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!g_str_equal(commands[i].name, argv[0]))
            continue;
        if (n >= commands[i].min && n <= commands[i].max)
            return &commands[i];
        g_printerr(_("usage: bangerctl %s %s"), commands[i].name, commands[i].arguments);
        g_printerr("\n");
        return NULL;
    }
    (void)command_refuse_usage(_("there is no command %s; see bangerctl --help"), argv[0]);
    return NULL;
}

bool
command_needs_bus(const Command *command)
{
    return (command->flags & OF_JOURNAL) == 0;
}

ClientStatus
command_run(const Command *command, const CommandContext *context, char **arguments)
{
    if ((command->flags & PAGED) != 0 && !context->output.no_pager)
        pager_start();
    return command->run(context, arguments);
}

ClientStatus
command_list_objects(const CommandContext *context, const char *kind, const char *const *columns)
{
    struct json_object *objects = NULL;
    ClientStatus status = client_list(context->bus, kind, &objects);

    if (status != CLIENT_OK)
        return status;
    output_table(&context->output, objects, columns);
    json_object_put(objects);
    return CLIENT_OK;
}
