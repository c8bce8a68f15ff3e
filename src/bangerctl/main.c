/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <limits.h>
#include <locale.h>

#include "bangerctl/agent.h"
#include "bangerctl/commands.h"
#include "bangerctl/terminal.h"
#include "bangerctl/text-domain.h"

#define NO_TIMEOUT INT_MIN /* was given */

/* The options of the command line; main() frees their values. */
typedef struct {
    char *host, *container, *property, *signal_name, *path;
    char **keep, **remove;
    int timeout_s;
    gboolean json, no_legend, no_pager, no_ask_password, repair, follow, dry_run, remove_cow,
        version;
} Options;

static bool
parse_options(Options *options, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"host", 'H', 0, G_OPTION_ARG_STRING, &options->host,
         N_("Ask the helper of that host, by ssh"), "[USER@]HOST"},
        {"machine", 'M', 0, G_OPTION_ARG_STRING, &options->container,
         N_("Ask the helper of that container"), "CONTAINER"},
        {"json", 'j', 0, G_OPTION_ARG_NONE, &options->json, N_("Print JSON"), NULL},
        {"no-legend", 0, 0, G_OPTION_ARG_NONE, &options->no_legend, N_("Print no headings"), NULL},
        {"no-pager", 0, 0, G_OPTION_ARG_NONE, &options->no_pager, N_("Start no pager"), NULL},
        {"no-ask-password", 0, 0, G_OPTION_ARG_NONE, &options->no_ask_password,
         N_("Do not ask for a password"), NULL},
        {"property", 'p', 0, G_OPTION_ARG_STRING, &options->property,
         N_("show: this property alone"), "NAME"},
        {"signal", 's', 0, G_OPTION_ARG_STRING, &options->signal_name, N_("kill: this signal"),
         "SIGNAL"},
        {"timeout", 't', 0, G_OPTION_ARG_INT, &options->timeout_s,
         N_("stop, destroy: how long the guest has to end by itself"), "SECONDS"},
        {"repair", 0, 0, G_OPTION_ARG_NONE, &options->repair, N_("check: correct what is wrong"),
         NULL},
        {"follow", 'f', 0, G_OPTION_ARG_NONE, &options->follow,
         N_("logs, console: go on as lines come"), NULL},
        {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &options->dry_run,
         N_("run, gc: only say what would be done"), NULL},
        {"remove-cow", 0, 0, G_OPTION_ARG_NONE, &options->remove_cow,
         N_("destroy: delete the COW file too"), NULL},
        {"keep", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->keep,
         N_("gc: keep this machine or object, and everything of it"), "NAME"},
        {"remove", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->remove,
         N_("gc: remove this object, however young it is"), "NAME"},
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options->path,
         N_("metrics: replace this file by the text"), "FILE"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, N_("Print the version"), NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) parser =
        g_option_context_new(_("COMMAND … - see to virtual machines"));
    g_autofree char *description = command_describe();

    g_option_context_set_translation_domain(parser, GETTEXT_PACKAGE);
    g_option_context_add_main_entries(parser, entries, GETTEXT_PACKAGE);
    g_option_context_set_description(parser, description);
    return g_option_context_parse(parser, argc, argv, error);
}

static ClientStatus
run_command(const Options *options, char **argv)
{
    const Command *command = command_find(argv);
    CommandContext context = {
        .output = {options->json, options->no_legend, options->no_pager || options->json},
        .host = options->host,
        .container = options->container,
        .property = options->property,
        .signal = options->signal_name,
        .path = options->path,
        .keep = options->keep,
        .remove = options->remove,
        .timeout_s = options->timeout_s,
        .repair = options->repair,
        .follow = options->follow,
        .dry_run = options->dry_run,
        .remove_cow = options->remove_cow,
    };
    ClientStatus status = CLIENT_OK;

    if (command == NULL)
        return CLIENT_USAGE;
    if (options->no_ask_password)
        agent_forbid();
    if (options->host != NULL || options->container != NULL)
        agent_be_remote();
    terminal_look();
    if (command_needs_bus(command))
        status = client_open(options->host, options->container, &context.bus);
    if (status == CLIENT_OK)
        status = command_run(command, &context, argv + 1);
    sd_bus_flush_close_unref(context.bus);
    agent_stop();
    pager_wait();
    return status;
}

int
main(int argc, char *argv[])
{
    Options options = {.timeout_s = NO_TIMEOUT};
    g_autoptr(GError) error = NULL;
    ClientStatus status = CLIENT_OK;

    (void)setlocale(LC_ALL, ""); /* NOLINT(concurrency-mt-unsafe): there is one thread */
    (void)bindtextdomain(GETTEXT_PACKAGE, BANGER_LOCALEDIR);
    (void)bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8"); /* g_print() makes it the locale's */
    (void)textdomain(GETTEXT_PACKAGE);
    if (!parse_options(&options, &argc, &argv, &error)) {
        status = command_refuse_usage(_("%s; see bangerctl --help"), error->message);
    } else if (options.timeout_s < 0 && options.timeout_s != NO_TIMEOUT) {
        status = command_refuse_usage(_("--timeout %d: the guest has 0 seconds or more"),
                                      options.timeout_s);
    } else if (options.version) {
        g_print(PACKAGE_STRING "\n");
    } else {
        status = run_command(&options, argc > 1 ? argv + 1 : (char *[]){(char *)"list", NULL});
    }
    g_free(options.host);
    g_free(options.container);
    g_free(options.property);
    g_free(options.signal_name);
    g_free(options.path);
    g_strfreev(options.keep);
    g_strfreev(options.remove);
    return (int)status;
}
