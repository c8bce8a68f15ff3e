/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth/auth.h"

#include <gio/gio.h>
#include <polkit/polkit.h>

#include "model/scalars.h"
#include "util/error.h"

/* polkit decides by its rules alone, but may have to be started first. A caller of the bus waits
 * 25 s by default. */
#define ANSWER_TIMEOUT_SEC 20
#define INTERACTIVE_TIMEOUT_SEC 120 /* a person types a password */

/*
 * polkitd gives its rules 10 s (RUNAWAY_KILLER_TIMEOUT) and then says no in their place. Once in
 * tens of thousands of questions polkitd 122 has been seen to sleep for as long without a rule that
 * would have taken it. So a no that took about that time is no verdict yet: polkit is asked once
 * more, within the same time limit.
 */
#define RULES_TIMEOUT_USEC (10 * G_USEC_PER_SEC - G_USEC_PER_SEC / 2)

/* A bus lets one connection wait for 128 replies (max_replies_per_connection in dbus-daemon(1)) and
 * refuses what is over it: as many questions to polkit are open at a time, the others wait here. */
#define QUESTIONS_MAX 120u

/* Of those, how many may wait for a person: with agents of their own that never answer, strangers
 * could otherwise hold all of them for two minutes, again and again. */
#define PROMPTS_MAX 32u
#define PROMPTS_PER_UID_MAX 4u

#define STOPPING "the service is stopping"

struct BangerAuth {
    const BangerSettings *settings;
    GDBusConnection *connection;
    PolkitAuthority *authority; /* NULL until the first question had it looked up */
    bool looking_up;
    bool stopping;       /* nobody is asked for a password any more */
    unsigned int asked;  /* questions that polkit has and did not answer */
    GQueue waiting;      /* of Question, for the lookup or for their turn */
    GQueue open;         /* of Question: all that were not freed yet */
    GHashTable *prompts; /* uid -> how many of the open ones wait for a person */
    unsigned int n_prompts;
};

typedef struct {
    BangerAuth *auth;
    const BangerMethod *method;
    char *sender;
    uid_t uid;
    PolkitSubject *subject;
    PolkitDetails *details;
    bool interactive; /* polkit may ask a person … */
    bool prompting;   /* … and does */
    BangerAuthVerdict verdict;
    gpointer user_data;
    GCancellable *cancellable;
    guint timer;
    gint64 asked_at; /* monotonic, in microseconds */
    bool asked_again;
    bool answered; /* the verdict was given; only the question's own end is still awaited */
} Question;

BangerAuth *
banger_auth_new(const BangerSettings *settings)
{
    BangerAuth *auth = g_new0(BangerAuth, 1);

    auth->settings = settings;
    auth->prompts = g_hash_table_new(NULL, NULL);
    g_queue_init(&auth->waiting);
    g_queue_init(&auth->open);
    return auth;
}

/* Counts one more (@by 1) or less (-1) interactive question of @uid. */
static void
count_prompt(BangerAuth *auth, uid_t uid, int by)
{
    gpointer key = GUINT_TO_POINTER(uid);
    int count = GPOINTER_TO_INT(g_hash_table_lookup(auth->prompts, key)) + by;

    auth->n_prompts += (unsigned int)by;
    if (count > 0)
        g_hash_table_insert(auth->prompts, key, GINT_TO_POINTER(count));
    else
        g_hash_table_remove(auth->prompts, key);
}

static void
question_free(Question *question)
{
    (void)g_queue_remove(&question->auth->open, question);
    if (question->prompting)
        count_prompt(question->auth, question->uid, -1);
    g_free(question->sender);
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
    g_clear_object(&auth->connection);
    g_hash_table_unref(auth->prompts);
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

/* Whether @uid may have one more question that waits for a person. */
static bool
may_prompt(const BangerAuth *auth, uid_t uid)
{
    int own = GPOINTER_TO_INT(g_hash_table_lookup(auth->prompts, GUINT_TO_POINTER(uid)));

    return own < (int)PROMPTS_PER_UID_MAX && auth->n_prompts < PROMPTS_MAX;
}

static void ask(Question *question);
static void ask_next(BangerAuth *auth);
static gboolean on_timeout(gpointer user_data);

/* Why @question may not wait for a person; NULL if it may. */
static GError *
refuse_prompt(const Question *question)
{
    if (question->auth->stopping)
        return denial(question, STOPPING);
    if (!may_prompt(question->auth, question->uid))
        return g_error_new(BANGER_ERROR, BANGER_ERROR_LIMITS_EXCEEDED,
                           "%s needs an administrator's authentication, and as many calls as may "
                           "(%u of one user) wait for one already",
                           question->method->dbus_name, PROMPTS_PER_UID_MAX);
    return NULL;
}

/*
 * polkit was asked for what it knows by itself, and would have to ask a person. That is a question
 * of its own, so that only those count as prompts that are.
 */
static void
prompt(Question *question)
{
    GError *refusal = refuse_prompt(question);

    if (refusal != NULL) {
        answer(question, refusal);
        question_free(question);
        return;
    }
    question->prompting = true;
    count_prompt(question->auth, question->uid, 1);
    g_clear_handle_id(&question->timer, g_source_remove);
    question->timer = g_timeout_add_seconds(INTERACTIVE_TIMEOUT_SEC, on_timeout, question);
    ask(question);
}

/* Whether @result, which may be NULL, leaves it to a person whom nobody has asked yet. */
static bool
needs_prompt(const Question *question, PolkitAuthorizationResult *result)
{
    return result != NULL && question->interactive && !question->prompting &&
           !polkit_authorization_result_get_is_authorized(result) &&
           polkit_authorization_result_get_is_challenge(result);
}

/* Whether @result, which may be NULL, is what polkit says when its rules come to no end. */
static bool
is_of_no_rule(const Question *question, PolkitAuthorizationResult *result)
{
    return result != NULL && !question->prompting && !question->asked_again &&
           !polkit_authorization_result_get_is_authorized(result) &&
           !polkit_authorization_result_get_is_challenge(result) &&
           g_get_monotonic_time() - question->asked_at >= RULES_TIMEOUT_USEC;
}

static void
on_checked(GObject *source, GAsyncResult *res, gpointer user_data)
{
    Question *question = user_data;
    BangerAuth *auth = question->auth;
    g_autoptr(GError) error = NULL;
    g_autoptr(PolkitAuthorizationResult) result =
        polkit_authority_check_authorization_finish(POLKIT_AUTHORITY(source), res, &error);

    auth->asked--;
    if (!question->answered && needs_prompt(question, result)) {
        prompt(question);
    } else if (!question->answered && is_of_no_rule(question, result)) {
        question->asked_again = true;
        ask(question);
    } else {
        if (!question->answered)
            answer(question,
                   result != NULL ? judge(question, result) : denial(question, error->message));
        question_free(question);
    }
    ask_next(auth);
}

/* Asks polkit; the question belongs to on_checked() from here on. */
static void
ask(Question *question)
{
    PolkitCheckAuthorizationFlags flags =
        question->prompting ? POLKIT_CHECK_AUTHORIZATION_FLAGS_ALLOW_USER_INTERACTION
                            : POLKIT_CHECK_AUTHORIZATION_FLAGS_NONE;

    question->auth->asked++;
    question->asked_at = g_get_monotonic_time();
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

/* Denies everything that waits for polkit to be found. */
static void
give_up_lookup(BangerAuth *auth, const GError *error)
{
    Question *question;

    auth->looking_up = false;
    while ((question = g_queue_pop_head(&auth->waiting)) != NULL) {
        if (!question->answered)
            answer(question, denial(question, error->message));
        question_free(question);
    }
}

static void
on_authority(GObject *source, GAsyncResult *res, gpointer user_data)
{
    BangerAuth *auth = user_data;
    g_autoptr(GError) error = NULL;

    (void)source;
    auth->authority = polkit_authority_get_finish(res, &error);
    if (auth->authority == NULL) {
        give_up_lookup(auth, error);
        return;
    }
    auth->looking_up = false;
    ask_next(auth);
}

static void
on_connection(GObject *source, GAsyncResult *res, gpointer user_data)
{
    BangerAuth *auth = user_data;
    g_autoptr(GError) error = NULL;

    (void)source;
    auth->connection = g_bus_get_finish(res, &error);
    if (auth->connection == NULL) {
        give_up_lookup(auth, error);
        return;
    }
    /* GIO would end the process when it closes; the service has its own way to notice. */
    g_dbus_connection_set_exit_on_close(auth->connection, FALSE);
    polkit_authority_get_async(NULL, on_authority, auth);
}

/* Finds polkit, over the connection that GIO shares with it; on_authority() goes on. */
static void
look_up(BangerAuth *auth)
{
    if (auth->looking_up)
        return;
    auth->looking_up = true;
    g_bus_get(G_BUS_TYPE_SYSTEM, NULL, on_connection, auth);
}

/* Answers before polkit did. */
static void
deny_early(Question *question, const char *reason)
{
    GCancellable *cancellable = g_object_ref(question->cancellable);

    answer(question, denial(question, reason));
    /* Ends polkit's side too; the question is freed when that comes back. */
    g_cancellable_cancel(cancellable);
    g_object_unref(cancellable);
}

static gboolean
on_timeout(gpointer user_data)
{
    Question *question = user_data;

    question->timer = 0;
    deny_early(question, "polkit did not answer in time");
    return G_SOURCE_REMOVE;
}

/* Denies the open questions that @matches() says yes to. */
static void
deny_matching(BangerAuth *auth, bool (*matches)(const Question *question, const char *sender),
              const char *sender, const char *reason)
{
    g_autoptr(GPtrArray) denied = g_ptr_array_new();

    for (GList *link = auth->open.head; link != NULL; link = link->next) {
        Question *question = link->data;

        if (!question->answered && matches(question, sender))
            g_ptr_array_add(denied, question);
    }
    for (guint i = 0; i < denied->len; i++)
        deny_early(g_ptr_array_index(denied, i), reason);
}

static bool
is_of_sender(const Question *question, const char *sender)
{
    return g_str_equal(question->sender, sender);
}

static bool
is_prompting(const Question *question, const char *sender)
{
    (void)sender;
    return question->prompting;
}

void
banger_auth_forget(BangerAuth *auth, const char *sender)
{
    deny_matching(auth, is_of_sender, sender, "the caller left before polkit answered");
}

void
banger_auth_stop(BangerAuth *auth)
{
    auth->stopping = true;
    deny_matching(auth, is_prompting, NULL, STOPPING);
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
    question->sender = g_strdup(sender);
    question->uid = uid;
    question->subject = polkit_system_bus_name_new(sender);
    question->details = make_details(method, request, uid == auth->settings->owner_uid);
    question->interactive = interactive;
    question->verdict = verdict;
    question->user_data = user_data;
    question->cancellable = g_cancellable_new();
    question->timer = g_timeout_add_seconds(ANSWER_TIMEOUT_SEC, on_timeout, question);

    g_queue_push_tail(&auth->open, question);
    g_queue_push_tail(&auth->waiting, question);
    if (auth->connection != NULL && g_dbus_connection_is_closed(auth->connection)) {
        g_clear_object(&auth->authority);
        g_clear_object(&auth->connection);
    }
    if (auth->authority != NULL)
        ask_next(auth);
    else
        look_up(auth);
}
