/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth/auth.h"

#include "auth/polkit.h"
#include "model/scalars.h"
#include "util/error.h"

/* polkit decides by its rules alone, but may have to be started first. A caller of the bus waits
 * 25 s by default. */
#define ANSWER_TIMEOUT_SEC 20
#define INTERACTIVE_TIMEOUT_SEC 120 /* a person types a password */

/*
 * polkitd gives its rules 10 s (RUNAWAY_KILLER_TIMEOUT) and then says no in their place. Under load
 * polkitd 122 has been seen to sleep for as long without a rule that would have taken it. So a no
 * that took about that time is no verdict yet: polkit is asked once more, within the same limit.
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
    sd_bus *bus;
    const BangerSettings *settings;
    bool stopping;       /* nobody is asked for a password any more */
    unsigned int asked;  /* questions that polkit has and did not answer */
    unsigned int prompt; /* the last one's number */
    GQueue waiting;      /* of Question, for their turn */
    GQueue open;         /* of Question: all that were not freed yet */
    GHashTable *prompts; /* uid -> how many of the open ones wait for a person */
    unsigned int n_prompts;
};

typedef struct {
    BangerAuth *auth;
    const BangerMethod *method;
    char *sender;
    uid_t uid;
    char **details;
    bool interactive; /* polkit may ask a person … */
    bool prompting;   /* … and does */
    char *cancellation_id;
    sd_bus_slot *slot; /* while polkit has it */
    BangerAuthVerdict verdict;
    gpointer user_data;
    guint timer;
    gint64 asked_at; /* monotonic, in microseconds */
    bool asked_again;
    bool answered; /* the verdict was given; only the question's own end is still awaited */
} Question;

BangerAuth *
banger_auth_new(sd_bus *bus, const BangerSettings *settings)
{
    BangerAuth *auth = g_new0(BangerAuth, 1);

    auth->bus = sd_bus_ref(bus);
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

/* @question, if it waits for a person, does so no more. */
static void
end_prompt(Question *question)
{
    if (question->prompting)
        count_prompt(question->auth, question->uid, -1);
    question->prompting = false;
}

static void
question_free(Question *question)
{
    (void)g_queue_remove(&question->auth->open, question);
    end_prompt(question);
    g_free(question->sender);
    g_clear_handle_id(&question->timer, g_source_remove);
    sd_bus_slot_unref(question->slot);
    g_strfreev(question->details);
    g_free(question->cancellation_id);
    g_free(question);
}

void
banger_auth_free(BangerAuth *auth)
{
    Question *question;

    /* What is open was answered: its time ran out, or its caller left. */
    g_queue_clear(&auth->waiting);
    while ((question = g_queue_peek_head(&auth->open)) != NULL)
        question_free(question);
    g_hash_table_unref(auth->prompts);
    sd_bus_unref(auth->bus);
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

/* Gives the verdict on a question that polkit does not have, and ends it. */
static void
settle(Question *question, GError *error)
{
    answer(question, error);
    question_free(question);
}

static GError *
denial(const Question *question, const char *reason)
{
    return g_error_new(BANGER_ERROR, BANGER_ERROR_ACCESS_DENIED, "%s is not authorised (%s): %s",
                       question->method->dbus_name, question->method->action, reason);
}

static GError *
judge(const Question *question, BangerPolkitAnswer answer)
{
    if (answer == BANGER_POLKIT_YES)
        return NULL;
    if (answer == BANGER_POLKIT_CHALLENGE && !question->interactive)
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
        settle(question, refusal);
        return;
    }
    question->prompting = true;
    question->cancellation_id = g_strdup_printf("%u", ++question->auth->prompt);
    count_prompt(question->auth, question->uid, 1);
    g_clear_handle_id(&question->timer, g_source_remove);
    question->timer = g_timeout_add_seconds(INTERACTIVE_TIMEOUT_SEC, on_timeout, question);
    ask(question);
}

/* Whether @answer is what polkit says when its rules come to no end. */
static bool
is_of_no_rule(const Question *question, BangerPolkitAnswer answer)
{
    return answer == BANGER_POLKIT_NO && !question->prompting && !question->asked_again &&
           g_get_monotonic_time() - question->asked_at >= RULES_TIMEOUT_USEC;
}

/* polkit's @reply to a question that somebody still waits for. */
static void
take_answer(Question *question, sd_bus_message *reply)
{
    BangerPolkitAnswer said;
    const char *failure;

    if (!banger_polkit_read(reply, &said, &failure)) {
        settle(question, denial(question, failure));
    } else if (said == BANGER_POLKIT_CHALLENGE && question->interactive && !question->prompting) {
        prompt(question);
    } else if (is_of_no_rule(question, said)) {
        question->asked_again = true;
        ask(question);
    } else {
        settle(question, judge(question, said));
    }
}

static int
on_reply(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    Question *question = user_data;
    BangerAuth *auth = question->auth;

    (void)ret_error;
    auth->asked--;
    question->slot = sd_bus_slot_unref(question->slot);
    if (question->answered)
        question_free(question);
    else
        take_answer(question, reply);
    ask_next(auth);
    return 0;
}

/* Asks polkit; the question belongs to on_reply() from here on. */
static void
ask(Question *question)
{
    BangerAuth *auth = question->auth;
    int r = banger_polkit_ask(
        auth->bus,
        &(BangerPolkitQuestion){
            .sender = question->sender,
            .action = question->method->action,
            .details = question->details,
            .cancellation_id = question->prompting ? question->cancellation_id : "",
        },
        &question->slot, on_reply, question);

    if (r < 0) {
        settle(question, denial(question, g_strerror(-r)));
        return;
    }
    auth->asked++;
    question->asked_at = g_get_monotonic_time();
}

/* Asks polkit what waits, as much as may be open at a time. */
static void
ask_next(BangerAuth *auth)
{
    while (auth->asked < QUESTIONS_MAX && !g_queue_is_empty(&auth->waiting))
        ask(g_queue_pop_head(&auth->waiting));
}

/* Answers before polkit did. What polkit has is kept until it answers, for the bus counts it too.
 */
static void
deny_early(Question *question, const char *reason)
{
    if (question->slot == NULL) {
        (void)g_queue_remove(&question->auth->waiting, question);
        settle(question, denial(question, reason));
        return;
    }
    answer(question, denial(question, reason));
    if (question->prompting)
        banger_polkit_cancel(question->auth->bus, question->cancellation_id);
    end_prompt(question);
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
add_detail(GPtrArray *details, const char *name, const char *value)
{
    g_ptr_array_add(details, g_strdup(name));
    g_ptr_array_add(details, g_strdup(value));
}

static void
add_scalar(const BangerField *field, const char *text, gpointer user_data)
{
    if (!(field->flags & BANGER_FIELD_SECRET))
        add_detail(user_data, field->name, text);
}

static char **
make_details(const BangerMethod *method, const BangerRequest *request, bool caller_is_owner)
{
    GPtrArray *details = g_ptr_array_new();

    banger_request_for_each_scalar(method, request, add_scalar, details);
    add_detail(details, "op_id", request->op_id);
    add_detail(details, "caller_is_owner", caller_is_owner ? "true" : "false");
    g_ptr_array_add(details, NULL);
    return (char **)g_ptr_array_free(details, FALSE);
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
    question->details = make_details(method, request, uid == auth->settings->owner_uid);
    question->interactive = interactive;
    question->verdict = verdict;
    question->user_data = user_data;
    question->timer = g_timeout_add_seconds(ANSWER_TIMEOUT_SEC, on_timeout, question);

    g_queue_push_tail(&auth->open, question);
    g_queue_push_tail(&auth->waiting, question);
    ask_next(auth);
}
