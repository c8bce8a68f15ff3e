/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>

#include "json-bridge/bridge-limits.h"
#include "json-bridge/identity.h"
#include "json-bridge/listener.h"
#include "json-bridge/server.h"
#include "util/error.h"
#include "util/fd.h"

#define IDLE_TIMEOUT_SEC 60

typedef struct {
    char *socket_path;
    char *user;
    int idle_timeout_sec;
    int peer_timeout_sec;
    gboolean print_version;
} Arguments;

static bool
parse_arguments(int argc, char **argv, Arguments *arguments, GError **error)
{
    const GOptionEntry entries[] = {
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &arguments->socket_path,
         "Listen at PATH, where systemd passes no socket", "PATH"},
        {"user", 0, 0, G_OPTION_ARG_STRING, &arguments->user,
         "Run as NAME when started by root (default: " BANGER_OWNER ")", "NAME"},
        {"idle-timeout", 0, 0, G_OPTION_ARG_INT, &arguments->idle_timeout_sec,
         "With a socket of systemd's: end after SEC seconds without a connection (0: never)",
         "SEC"},
        {"peer-timeout", 0, 0, G_OPTION_ARG_INT, &arguments->peer_timeout_sec,
         "Seconds a request may take to arrive, and answers may lie unread", "SEC"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &arguments->print_version, "Print the version", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) reason = NULL;

    g_option_context_set_summary(
        context, "Serves the JSON socket of banger-helper: org.banger.Helper1 for legacy callers "
                 "and as JSON-RPC 2.0.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &reason))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "%s", reason->message);
    if (argc > 1)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "unexpected argument %s", argv[1]);
    if (arguments->idle_timeout_sec < 0 || arguments->peer_timeout_sec < 1)
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS, "a time-out is out of range");
    return true;
}

/* The socket to serve, made by whom the program was started as, for whom it will run as. */
static int
open_listener(const Arguments *arguments, const BangerIdentity *identity, GError **error)
{
    banger_autofd int fd = -1;

    if (!banger_listener_from_systemd(&fd, error))
        return -1;
    if (fd >= 0 && arguments->socket_path != NULL) {
        (void)banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                               "--socket, and a socket passed by systemd");
        return -1;
    }
    if (fd >= 0) {
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
            (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                   "cannot use the socket passed by systemd");
            return -1;
        }
        return banger_steal_fd(&fd);
    }
    if (arguments->socket_path == NULL) {
        (void)banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                               "systemd passed no socket; use --socket PATH");
        return -1;
    }
    return banger_listener_bind(arguments->socket_path, identity->uid, identity->gid, error);
}

static bool
serve_callers(const Arguments *arguments, const BangerIdentity *identity, GError **error)
{
    banger_autofd int listener = open_listener(arguments, identity, error);
    BangerServerOptions options = {
        .socket_path = arguments->socket_path,
        .owner = identity->uid,
        .peer_timeout_sec = (unsigned int)arguments->peer_timeout_sec,
    };

    if (listener < 0)
        return false;
    if (!banger_identity_assume(identity, error)) {
        if (arguments->socket_path != NULL)
            (void)unlink(arguments->socket_path);
        return false;
    }
    /* Nothing would start it again where it bound its socket itself. */
    if (arguments->socket_path == NULL)
        options.idle_timeout_sec = (unsigned int)arguments->idle_timeout_sec;
    options.listener = banger_steal_fd(&listener);
    return banger_server_run(&options, error);
}

static bool
run_bridge(const Arguments *arguments, GError **error)
{
    BangerIdentity identity = {0};
    bool ok;

    if (!banger_identity_find(arguments->user, &identity, error))
        return false;
    banger_server_block_signals();
    ok = serve_callers(arguments, &identity, error);
    g_free(identity.name);
    return ok;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Arguments arguments = {.idle_timeout_sec = IDLE_TIMEOUT_SEC,
                           .peer_timeout_sec = BANGER_PEER_TIMEOUT_SEC};
    bool ok = parse_arguments(argc, argv, &arguments, &error);

    if (ok && arguments.print_version)
        g_print("banger-helper-bridge %s\n", PACKAGE_VERSION);
    else if (ok)
        ok = run_bridge(&arguments, &error);
    if (!ok)
        g_printerr("banger-helper-bridge: %s\n", error->message);
    g_free(arguments.socket_path);
    g_free(arguments.user);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
