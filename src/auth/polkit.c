/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth/polkit.h"

#include <polkit/polkit.h>

struct BangerPolkit {
    BangerPolkitFound found;
    BangerPolkitChanged changed;
    void *user_data;
    GDBusConnection *connection;
    PolkitAuthority *authority; /* NULL until it was found */
    bool looking_up;
};

typedef struct {
    BangerPolkitAnswered answered;
    void *user_data;
} AskedQuestion;

BangerPolkit *
banger_polkit_new(BangerPolkitFound found, BangerPolkitChanged changed, void *user_data)
{
    BangerPolkit *polkit = g_new0(BangerPolkit, 1);

    polkit->found = found;
    polkit->changed = changed;
    polkit->user_data = user_data;
    return polkit;
}

static void
forget_authority(BangerPolkit *polkit)
{
    if (polkit->authority != NULL)
        (void)g_signal_handlers_disconnect_by_data(polkit->authority, polkit);
    g_clear_object(&polkit->authority);
    g_clear_object(&polkit->connection);
}

void
banger_polkit_free(BangerPolkit *polkit)
{
    forget_authority(polkit);
    g_free(polkit);
}

static void
on_changed(PolkitAuthority *authority, void *user_data)
{
    BangerPolkit *polkit = user_data;

    (void)authority;
    polkit->changed(polkit->user_data);
}

static void
end_look_up(BangerPolkit *polkit, const GError *error)
{
    polkit->looking_up = false;
    if (error != NULL)
        forget_authority(polkit);
    polkit->found(error, polkit->user_data);
}

static void
on_authority(GObject *source, GAsyncResult *result, void *user_data)
{
    BangerPolkit *polkit = user_data;
    g_autoptr(GError) error = NULL;

    (void)source;
    polkit->authority = polkit_authority_get_finish(result, &error);
    if (polkit->authority != NULL)
        (void)g_signal_connect(polkit->authority, "changed", G_CALLBACK(on_changed), polkit);
    end_look_up(polkit, error);
}

static void
on_connection(GObject *source, GAsyncResult *result, void *user_data)
{
    BangerPolkit *polkit = user_data;
    g_autoptr(GError) error = NULL;

    (void)source;
    polkit->connection = g_bus_get_finish(result, &error);
    if (polkit->connection == NULL) {
        end_look_up(polkit, error);
        return;
    }
    /* GIO would end the process when it closes; the daemon has its own way to notice. */
    g_dbus_connection_set_exit_on_close(polkit->connection, FALSE);
    polkit_authority_get_async(NULL, on_authority, polkit);
}

bool
banger_polkit_look_up(BangerPolkit *polkit)
{
    if (polkit->looking_up)
        return false;
    if (polkit->connection != NULL && g_dbus_connection_is_closed(polkit->connection))
        forget_authority(polkit);
    if (polkit->authority != NULL)
        return true;
    polkit->looking_up = true;
    g_bus_get(G_BUS_TYPE_SYSTEM, NULL, on_connection, polkit);
    return false;
}

/* What the bus answers in place of a polkitd that ended, or that ended just before. */
static bool
is_lost(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);
}

static BangerPolkitAnswer
read_answer(PolkitAuthorizationResult *result)
{
    if (polkit_authorization_result_get_is_authorized(result))
        return BANGER_POLKIT_YES;
    return polkit_authorization_result_get_is_challenge(result) ? BANGER_POLKIT_CHALLENGE
                                                                : BANGER_POLKIT_NO;
}

static void
on_checked(GObject *source, GAsyncResult *async_result, void *user_data)
{
    g_autofree AskedQuestion *asked = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(PolkitAuthorizationResult) result =
        polkit_authority_check_authorization_finish(POLKIT_AUTHORITY(source), async_result, &error);

    if (result != NULL) {
        asked->answered(read_answer(result), NULL, asked->user_data);
        return;
    }
    (void)g_dbus_error_strip_remote_error(error);
    asked->answered(is_lost(error) ? BANGER_POLKIT_LOST : BANGER_POLKIT_FAILED, error->message,
                    asked->user_data);
}

void
banger_polkit_ask(BangerPolkit *polkit, const BangerPolkitQuestion *question,
                  GCancellable *cancellable, BangerPolkitAnswered answered, void *user_data)
{
    g_autoptr(PolkitSubject) subject = polkit_system_bus_name_new(question->sender);
    g_autoptr(PolkitDetails) details = polkit_details_new();
    AskedQuestion *asked;

    if (polkit->authority == NULL) {
        answered(BANGER_POLKIT_FAILED, "the connection to polkit was closed", user_data);
        return;
    }
    asked = g_new0(AskedQuestion, 1);
    for (char **detail = question->details; *detail != NULL; detail += 2)
        polkit_details_insert(details, detail[0], detail[1]);
    asked->answered = answered;
    asked->user_data = user_data;
    polkit_authority_check_authorization(
        polkit->authority, subject, question->action, details,
        question->interactive ? POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION
                              : POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE,
        cancellable, on_checked, asked);
}
