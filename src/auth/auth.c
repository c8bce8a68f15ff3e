/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth/auth.h"

#include <gio/gio.h>
#include <polkit/polkit.h>

#include "model/scalars.h"
#include "util/error.h"

#define ANSWER_TIMEOUT_SEC 10       /* polkit decides by its rules alone */
#define INTERACTIVE_TIMEOUT_SEC 120 /* a person types a password */

/* A bus lets one connection wait for 128 replies (max_replies_per_connection in dbus-daemon(1)) and
 * refuses what is over it: as many questions to polkit are open at a time, the others wait here. */
#define QUESTIONS_MAX 120u

struct BangerAuth {
    const BangerSettings *settings;
    PolkitAuthority *authority; /* NULL until the first question had it looked up */
    bool looking_up;
    unsigned int asked; /* questions that polkit has and did not answer */
    GQueue waiting;     /* of Question, for the lookup or for their turn */
};

typedef struct {
    BangerAuth *auth;
    const BangerMethod *method;
    PolkitSubject *subject;
    PolkitDetails *details;
    bool interactive;
    BangerAuthVerdict verdict;
    gpointer user_data;
    GCancellable *cancellable;
    guint timer;
    bool answered; /* the verdict was given; only the question's own end is still awaited */
} Question;

BangerAuth *
banger_auth_new(const BangerSettings *settings)
{
    BangerAuth *auth = g_new0(BangerAuth, 1);

    auth->settings = settings;
    g_queue_init(&auth->waiting);
    return auth;
}

static void
question_free(Question *question)
{
    g_clear_handle_id(&question->timer, g_source_remove);
    g_clear_object(&question->subject);
    g_clear_object(&question->details);
    g_clear_object(&question->cancellable);
    g_free(question);
}

void
banger_auth_free(BangerAuth *auth)
{
    /* What waits was answered: its time ran out. */
    g_queue_clear_full(&auth->waiting, (GDestroyNotify)question_free);
    g_clear_object(&auth->authority);
    g_free(auth);
}

/* Gives the verdict, once. */
static void
answer(Question *question, GError *denial)
{
    g_assert(!question->answered);
    question->answered = true;
    g_clear_handle_id(&question->timer, g_source_remove);
    question->verdict(denial, question->user_data);
}

static GError *
denial(const Question *question, const char *reason)
{
    return g_error_new(BANGER_ERROR, BANGER_ERROR_ACCESS_DENIED, "%s is not authorised (%s): %s",
                       question->method->dbus_name, question->method->action, reason);
}

static GError *
judge(const Question *question, PolkitAuthorizationResult *result)
{
    if (polkit_authorization_result_get_is_authorized(result))
        return NULL;
    if (polkit_authorization_result_get_is_challenge(result) && !question->interactive)
        return g_error_new(BANGER_ERROR, BANGER_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                           "%s needs an administrator's authentication (%s), and the call does not "
                           "allow asking for it",
                           question->method->dbus_name, question->method->action);
    return denial(question, "polkit said no");
}

static void ask_next(BangerAuth *auth);

static void
on_checked(GObject *source, GAsyncResult *res, gpointer user_data)
{
    Question *question = user_data;
    BangerAuth *auth = question->auth;
    g_autoptr(GError) error = NULL;
    g_autoptr(PolkitAuthorizationResult) result =
        polkit_authority_check_authorization_finish(POLKIT_AUTHORITY(source), res, &error);

    if (!question->answered)
        answer(question,
               result != NULL ? judge(question, result) : denial(question, error->message));
    question_free(question);
    auth->asked--;
    ask_next(auth);
}

/* Asks polkit; the question belongs to on_checked() from here on. */
static void
ask(Question *question)
{
    PolkitCheckAuthorizationFlags flags =
        question->interactive ? POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION
                              : POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE;

    question->auth->asked++;
    polkit_authority_check_authorization(question->auth->authority, question->subject,
                                         question->method->action, question->details, flags,
                                         question->cancellable, on_checked, question);
}

/* Asks polkit what waits, as much as may be open at a time. */
static void
ask_next(BangerAuth *auth)
{
    while (auth->asked < QUESTIONS_MAX && !g_queue_is_empty(&auth->waiting)) {
        Question *question = g_queue_pop_head(&auth->waiting);

        if (question->answered) /* its time ran out while it waited */
            question_free(question);
        else
            ask(question);
    }
}

/* GIO ends the process when the shared connection closes; the service has its own way to notice. */
static void
keep_running_without_bus(void)
{
    g_autoptr(GDBusConnection) shared = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, NULL);

    if (shared != NULL)
        g_dbus_connection_set_exit_on_close(shared, FALSE);
}

static void
on_authority(GObject *source, GAsyncResult *res, gpointer user_data)
{
    BangerAuth *auth = user_data;
    g_autoptr(GError) error = NULL;
    Question *question;

    (void)source;
    auth->looking_up = false;
    auth->authority = polkit_authority_get_finish(res, &error);
    if (auth->authority != NULL)
        keep_running_without_bus(); /* connected already: returns at once */
    while (auth->authority == NULL && (question = g_queue_pop_head(&auth->waiting)) != NULL) {
        if (!question->answered)
            answer(question, denial(question, error->message));
        question_free(question);
    }
    ask_next(auth);
}

static gboolean
on_timeout(gpointer user_data)
{
    Question *question = user_data;

    question->timer = 0;
    answer(question, denial(question, "polkit did not answer in time"));
    /* Ends polkit's side too; the question is freed when that comes back. */
    g_cancellable_cancel(question->cancellable);
    return G_SOURCE_REMOVE;
}

static void
insert_detail(const BangerField *field, const char *text, gpointer user_data)
{
    if (!(field->flags & BANGER_FIELD_SECRET))
        polkit_details_insert(user_data, field->name, text);
}

static PolkitDetails *
make_details(const BangerMethod *method, const BangerRequest *request, bool caller_is_owner)
{
    PolkitDetails *details = polkit_details_new();

    banger_request_for_each_scalar(method, request, insert_detail, details);
    polkit_details_insert(details, "op_id", request->op_id);
    polkit_details_insert(details, "caller_is_owner", caller_is_owner ? "true" : "false");
    return details;
}

void
banger_auth_check(BangerAuth *auth, const BangerMethod *method, const BangerRequest *request,
                  const char *sender, uid_t uid, bool interactive, BangerAuthVerdict verdict,
                  gpointer user_data)
{
    Question *question;

    if (uid == 0) {
        verdict(NULL, user_data);
        return;
    }
    question = g_new0(Question, 1);
    question->auth = auth;
    question->method = method;
    question->subject = polkit_system_bus_name_new(sender);
    question->details = make_details(method, request, uid == auth->settings->owner_uid);
    question->interactive = interactive;
    question->verdict = verdict;
    question->user_data = user_data;
    question->cancellable = g_cancellable_new();
    question->timer = g_timeout_add_seconds(
        interactive ? INTERACTIVE_TIMEOUT_SEC : ANSWER_TIMEOUT_SEC, on_timeout, question);

    g_queue_push_tail(&auth->waiting, question);
    if (auth->authority != NULL) {
        ask_next(auth);
    } else if (!auth->looking_up) {
        auth->looking_up = true;
        polkit_authority_get_async(NULL, on_authority, auth);
    }
}
