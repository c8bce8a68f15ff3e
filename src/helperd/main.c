/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "helperd/config.h"
#include "helperd/daemon.h"
#include "util/journal.h"

static int
report_failure(const GError *error)
{
    g_autoptr(BangerJournalRecord) record = banger_journal_record_new(LOG_ERR, error->message);

    banger_journal_record_send(g_steal_pointer(&record));
    return EXIT_FAILURE;
}

static void
report_warning(const char *message)
{
    g_autoptr(BangerJournalRecord) record = banger_journal_record_new(LOG_WARNING, message);

    banger_journal_record_send(g_steal_pointer(&record));
}

int
main(int argc, char *argv[])
{
    g_autofree char *config_path = NULL;
    gboolean show_version = FALSE;
    gboolean debug = FALSE;
    const GOptionEntry options[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &config_path, "Read this configuration", "FILE"},
        {"debug", 'd', 0, G_OPTION_ARG_NONE, &debug, "Write a record when a call arrives, too",
         NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &show_version, "Print the version", NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- serve org.banger.Helper1");
    g_autoptr(BangerSettings) settings = NULL;
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("%s\n", error->message);
        return EXIT_FAILURE;
    }
    if (argc > 1) {
        g_printerr("unexpected argument \"%s\"\n", argv[1]);
        return EXIT_FAILURE;
    }
    if (show_version) {
        g_print(PACKAGE_STRING "\n");
        return EXIT_SUCCESS;
    }
    if (debug)
        (void)g_setenv("BANGER_DEBUG", "1", TRUE);
    (void)umask(077);
    (void)signal(SIGPIPE, SIG_IGN);

    settings = banger_config_load(config_path != NULL ? config_path : BANGER_CONFIG_FILE, &error);
    if (settings == NULL)
        return report_failure(error);
    if (!settings->jail)
        report_warning("[VMM] Jail=no: a guest that takes its VMM over has the rights of the "
                       "owner, and reaches "
                       "every other VM");
    if (!banger_daemon_run(settings, &error))
        return report_failure(error);
    return EXIT_SUCCESS;
}
