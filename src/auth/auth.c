/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth/auth.h"

#include "auth/question.h"
#include "util/error.h"
#include "util/user-queue.h"

/*
 * polkit decides by its rules alone, but may have to be started first. A caller of the bus waits
 * 25 s by default.
 */
#define ANSWER_TIMEOUT_SEC 20
#define INTERACTIVE_TIMEOUT_SEC 120 /* a person types a password */

/*
 * polkitd gives its rules 10 s (RUNAWAY_KILLER_TIMEOUT) and then says no in their place. Under load
 * polkitd 122 has been seen to sleep for as long without a rule that would have taken it. So a no
 * that took about that time is no verdict yet.
 */
#define RULES_TIMEOUT_USEC (10 * G_USEC_PER_SEC - G_USEC_PER_SEC / 2)

/*
 * How many questions of a class polkit has at a time, those that wait for a person apart. More
 * would not be answered sooner, but all that polkitd has is before the next one.
 */
static const unsigned int asked_max[BANGER_QUESTION_N_CLASSES] = {
    [BANGER_QUESTION_TRUSTED] = 8,
    [BANGER_QUESTION_STRANGER] = 1,
};

/*
 * How many may wait for a person: with agents of their own that never answer, strangers could
 * otherwise keep any number open for two minutes, again and again. As many again may have been
 * cancelled while polkitd did not answer them yet: all of these are fewer than the 128 replies that
 * a bus lets one connection wait for (max_replies_per_connection in dbus-daemon(1)).
 */
#define PROMPTS_MAX 32u
#define PROMPTS_PER_UID_MAX 4u

#define STOPPING "the service is stopping"

struct BangerAuth {
    const BangerSettings *settings;
    BangerPolkit *polkit;
    bool stopping; /* no person is asked for a password any more */
    BangerAuthChanged changed;
    void *changed_data;
    BangerUserQueue *waiting[BANGER_QUESTION_N_CLASSES];
    unsigned int n_asked[BANGER_QUESTION_N_CLASSES]; /* ASKED, and ABANDONED since */
    GQueue open;                                     /* of BangerQuestion: all not freed yet */
    GHashTable *prompts; /* uid -> how many of the open ones are PROMPTING */
    unsigned int n_prompts;
};

static void ask_polkit(BangerQuestion *question);
static void ask_next(BangerAuth *auth);
static gboolean on_timeout(void *user_data);

/* Counts one more (@by 1) or less (-1) question of @uid that waits for a person. */
static void
count_prompt(BangerAuth *auth, uid_t uid, int by)
{
    void *key = GUINT_TO_POINTER(uid);
    int count = GPOINTER_TO_INT(g_hash_table_lookup(auth->prompts, key)) + by;

    auth->n_prompts += (unsigned int)by;
    if (count > 0)
        g_hash_table_insert(auth->prompts, key, GINT_TO_POINTER(count));
    else
        g_hash_table_remove(auth->prompts, key);
}

/* Ends @question, which polkit does not have. */
static void
drop_question(BangerQuestion *question)
{
    (void)g_queue_remove(&question->auth->open, question);
    if (question->state == BANGER_QUESTION_PROMPTING)
        count_prompt(question->auth, question->uid, -1);
    banger_question_free(question);
}

/* Calls the verdict on a question that polkit does not have, and ends it. */
static void
close_question(BangerQuestion *question, GError *denial)
{
    question->verdict(denial, question->user_data);
    drop_question(question);
}

/* Why @question may not wait for a person; NULL if it may. */
static GError *
refuse_prompt(const BangerQuestion *question)
{
    const BangerAuth *auth = question->auth;
    unsigned int own =
        GPOINTER_TO_UINT(g_hash_table_lookup(auth->prompts, GUINT_TO_POINTER(question->uid)));

    if (auth->stopping)
        return banger_question_make_denial(question, STOPPING);
    if (own >= PROMPTS_PER_UID_MAX || auth->n_prompts >= PROMPTS_MAX)
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
start_prompt(BangerQuestion *question)
{
    GError *refusal = refuse_prompt(question);

    if (refusal != NULL) {
        close_question(question, refusal);
        return;
    }
    question->state = BANGER_QUESTION_PROMPTING;
    question->cancellable = g_cancellable_new();
    count_prompt(question->auth, question->uid, 1);
    g_clear_handle_id(&question->timer, g_source_remove);
    question->timer = g_timeout_add_seconds(INTERACTIVE_TIMEOUT_SEC, on_timeout, question);
    ask_polkit(question);
}

/* Why @answer may not be what polkit's rules say. */
static BangerRetryReason
find_retry_reason(const BangerQuestion *question, BangerPolkitAnswer answer)
{
    switch (answer) {
    case BANGER_POLKIT_LOST:
        return BANGER_RETRY_LOST;
    case BANGER_POLKIT_NO:
        if (question->state == BANGER_QUESTION_ASKED &&
            g_get_monotonic_time() - question->asked_at_usec >= RULES_TIMEOUT_USEC)
            return BANGER_RETRY_LATE_NO;
        break;
    case BANGER_POLKIT_CHALLENGE:
    case BANGER_POLKIT_YES:
    case BANGER_POLKIT_FAILED:
        break;
    }
    return BANGER_RETRY_NONE;
}

/* polkit's @answer to a question whose caller still waits. */
static void
take_answer(BangerQuestion *question, BangerPolkitAnswer answer, const char *failure)
{
    BangerRetryReason reason = find_retry_reason(question, answer);

    if ((reason & ~question->retried) != 0) {
        question->retried |= reason;
        ask_polkit(question);
    } else if (failure != NULL) {
        close_question(question, banger_question_make_denial(question, failure));
    } else if (answer == BANGER_POLKIT_CHALLENGE && question->interactive &&
               question->state == BANGER_QUESTION_ASKED) {
        start_prompt(question);
    } else {
        close_question(question, banger_question_make_verdict(question, answer));
    }
}

static void
on_answered(BangerPolkitAnswer answer, const char *failure, void *user_data)
{
    BangerQuestion *question = user_data;
    BangerAuth *auth = question->auth;

    if (question->state != BANGER_QUESTION_PROMPTING)
        auth->n_asked[question->class]--;
    if (question->state == BANGER_QUESTION_ABANDONED)
        drop_question(question);
    else
        take_answer(question, answer, failure);
    ask_next(auth);
}

/* Asks polkit; the question belongs to on_answered() from here on. */
static void
ask_polkit(BangerQuestion *question)
{
    BangerAuth *auth = question->auth;

    if (question->state != BANGER_QUESTION_PROMPTING)
        auth->n_asked[question->class]++;
    question->asked_at_usec = g_get_monotonic_time();
    banger_polkit_ask(auth->polkit,
                      &(BangerPolkitQuestion){
                          .sender = question->sender,
                          .action = question->method->action,
                          .details = question->details,
                          .interactive = question->state == BANGER_QUESTION_PROMPTING,
                      },
                      question->cancellable, on_answered, question);
}

/* Asks polkit what waits, as much as it may have at a time. */
static void
ask_next(BangerAuth *auth)
{
    for (unsigned int class = 0; class < BANGER_QUESTION_N_CLASSES; class ++) {
        while (!banger_user_queue_is_empty(auth->waiting[class]) &&
               auth->n_asked[class] < asked_max[class]) {
            BangerQuestion *question;

            if (!banger_polkit_look_up(auth->polkit))
                return;
            question = banger_user_queue_pop(auth->waiting[class]);
            question->state = BANGER_QUESTION_ASKED;
            ask_polkit(question);
        }
    }
}

/* polkit was found, or what waits for it is denied. */
static void
on_found(const GError *error, void *user_data)
{
    BangerAuth *auth = user_data;
    BangerQuestion *question;

    for (unsigned int class = 0; error != NULL && class < BANGER_QUESTION_N_CLASSES; class ++)
        while ((question = banger_user_queue_pop(auth->waiting[class])) != NULL)
            close_question(question, banger_question_make_denial(question, error->message));
    ask_next(auth);
}

static void
on_changed(void *user_data)
{
    BangerAuth *auth = user_data;

    auth->changed(auth->changed_data);
}

/* Calls the verdict before polkit answered. */
static void
deny_early(BangerQuestion *question, const char *reason)
{
    BangerAuth *auth = question->auth;
    GError *denial = banger_question_make_denial(question, reason);
    g_autoptr(GCancellable) cancellable = NULL;

    switch (question->state) {
    case BANGER_QUESTION_WAITING:
        (void)banger_user_queue_remove(auth->waiting[question->class], question->uid, question);
        close_question(question, denial);
        return;
    case BANGER_QUESTION_ASKED:
        break;
    case BANGER_QUESTION_PROMPTING:
        count_prompt(auth, question->uid, -1);
        auth->n_asked[question->class]++; /* until on_answered(), which follows soon */
        cancellable = g_object_ref(question->cancellable);
        break;
    case BANGER_QUESTION_ABANDONED:
        g_assert_not_reached();
    }
    question->state = BANGER_QUESTION_ABANDONED;
    g_clear_handle_id(&question->timer, g_source_remove);
    question->verdict(denial, question->user_data);
    if (cancellable != NULL)
        g_cancellable_cancel(cancellable);
}

static gboolean
on_timeout(void *user_data)
{
    BangerQuestion *question = user_data;

    question->timer = 0;
    deny_early(question, "polkit did not answer in time");
    return G_SOURCE_REMOVE;
}

/* Denies the open questions that @matches() says yes to. */
static void
deny_matching(BangerAuth *auth, bool (*matches)(const BangerQuestion *question, const char *sender),
              const char *sender, const char *reason)
{
    g_autoptr(GPtrArray) denied = g_ptr_array_new();

    for (GList *link = auth->open.head; link != NULL; link = link->next) {
        BangerQuestion *question = link->data;

        if (question->state != BANGER_QUESTION_ABANDONED && matches(question, sender))
            g_ptr_array_add(denied, question);
    }
    for (unsigned int i = 0; i < denied->len; i++)
        deny_early(g_ptr_array_index(denied, i), reason);
}

static bool
is_of_sender(const BangerQuestion *question, const char *sender)
{
    return g_str_equal(question->sender, sender);
}

static bool
is_prompting(const BangerQuestion *question, const char *sender)
{
    (void)sender;
    return question->state == BANGER_QUESTION_PROMPTING;
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

BangerAuth *
banger_auth_new(const BangerSettings *settings, BangerAuthChanged changed, void *user_data)
{
    BangerAuth *auth = g_new0(BangerAuth, 1);

    auth->settings = settings;
    auth->changed = changed;
    auth->changed_data = user_data;
    auth->polkit = banger_polkit_new(on_found, on_changed, auth);
    for (unsigned int class = 0; class < BANGER_QUESTION_N_CLASSES; class ++)
        auth->waiting[class] = banger_user_queue_new();
    auth->prompts = g_hash_table_new(NULL, NULL);
    g_queue_init(&auth->open);
    return auth;
}

void
banger_auth_free(BangerAuth *auth)
{
    BangerQuestion *question;

    while ((question = g_queue_peek_head(&auth->open)) != NULL) {
        g_assert(question->state == BANGER_QUESTION_ABANDONED);
        drop_question(question);
    }
    for (unsigned int class = 0; class < BANGER_QUESTION_N_CLASSES; class ++)
        banger_user_queue_free(auth->waiting[class]);
    banger_polkit_free(auth->polkit);
    g_hash_table_unref(auth->prompts);
    g_free(auth);
}

void
banger_auth_check(BangerAuth *auth, const BangerAuthCall *call, BangerAuthVerdict verdict,
                  void *user_data)
{
    BangerQuestion *question;

    if (call->uid == 0) {
        verdict(NULL, user_data);
        return;
    }
    question = banger_question_new(auth, auth->settings, call);
    question->verdict = verdict;
    question->user_data = user_data;
    question->timer = g_timeout_add_seconds(ANSWER_TIMEOUT_SEC, on_timeout, question);
    g_queue_push_tail(&auth->open, question);
    banger_user_queue_push(auth->waiting[question->class], question->uid, call->no_reply, question);
    ask_next(auth);
}
