/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth/auth.h"

#include "model/scalars.h"
#include "util/error.h"

/*
 * polkit is asked by its D-Bus interface (org.freedesktop.PolicyKit1.Authority), on the connection
 * that the calls come by: libpolkit would bring GIO, a second connection and two threads with it,
 * and hand every answer from one thread to the next.
 */
#define POLKIT "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define FLAG_ALLOW_USER_INTERACTION 1u

#define ANSWER_TIMEOUT_SEC 10       /* polkit decides by its rules alone */
#define INTERACTIVE_TIMEOUT_SEC 120 /* a person types a password */

/* A bus lets one connection wait for 128 replies (max_replies_per_connection in dbus-daemon(1)) and
 * refuses what is over it: as many questions to polkit are open at a time, the others wait here.
 * What the bus itself is asked does not count. */
#define QUESTIONS_MAX 120u

struct BangerAuth {
    sd_bus *bus;
    const BangerSettings *settings;
    GHashTable *open; /* of Question: those that polkit has and did not answer */
    GQueue waiting;   /* of Question, for their turn */
    guint64 asked;    /* so far: what the next one is called */
};

typedef struct {
    BangerAuth *auth;
    const BangerMethod *method;
    sd_bus_message *message;
    sd_bus_slot *slot;
    bool interactive;
    char id[32]; /* what polkit knows an interactive one by; "" for the others */
    BangerAuthVerdict verdict;
    gpointer user_data;
    guint timer;
    bool answered; /* the verdict was given; only polkit's own answer is still awaited */
} Question;

static void
question_free(gpointer data)
{
    Question *question = data;

    g_clear_handle_id(&question->timer, g_source_remove);
    sd_bus_slot_unref(question->slot);
    sd_bus_message_unref(question->message);
    g_free(question);
}

BangerAuth *
banger_auth_new(sd_bus *bus, const BangerSettings *settings)
{
    BangerAuth *auth = g_new0(BangerAuth, 1);

    auth->bus = sd_bus_ref(bus);
    auth->settings = settings;
    auth->open = g_hash_table_new_full(NULL, NULL, question_free, NULL);
    g_queue_init(&auth->waiting);
    return auth;
}

void
banger_auth_free(BangerAuth *auth)
{
    /* What is still here was answered: its time ran out. */
    g_queue_clear_full(&auth->waiting, question_free);
    g_hash_table_unref(auth->open);
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

static GError *
denial(const Question *question, const char *reason)
{
    return g_error_new(BANGER_ERROR, BANGER_ERROR_ACCESS_DENIED, "%s is not authorised (%s): %s",
                       question->method->dbus_name, question->method->action, reason);
}

/* polkit's answer as a verdict: NULL is a yes. */
static GError *
judge(const Question *question, sd_bus_message *reply)
{
    int authorized = 0;
    int challenge = 0;

    if (sd_bus_message_is_method_error(reply, NULL))
        return denial(question, sd_bus_message_get_error(reply)->message);
    if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") <= 0 ||
        sd_bus_message_read(reply, "bb", &authorized, &challenge) <= 0)
        return denial(question, "polkit's answer cannot be read");
    if (authorized)
        return NULL;
    if (challenge && !question->interactive)
        return g_error_new(BANGER_ERROR, BANGER_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                           "%s needs an administrator's authentication (%s), and the call does not "
                           "allow asking for it",
                           question->method->dbus_name, question->method->action);
    return denial(question, "polkit said no");
}

static void ask_next(BangerAuth *auth);

static int
on_checked(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    Question *question = user_data;
    BangerAuth *auth = question->auth;

    (void)ret_error;
    if (!question->answered)
        answer(question, judge(question, reply));
    g_hash_table_remove(auth->open, question);
    ask_next(auth);
    return 0;
}

/* Asks polkit; the question belongs to on_checked() from here on. */
static void
ask(Question *question)
{
    BangerAuth *auth = question->auth;
    /* The question's own timer counts, which began when the call arrived. */
    int r = sd_bus_call_async(auth->bus, &question->slot, question->message, on_checked, question,
                              UINT64_MAX);

    question->message = sd_bus_message_unref(question->message);
    if (r >= 0) {
        g_hash_table_add(auth->open, question);
        return;
    }
    answer(question, denial(question, g_strerror(-r)));
    question_free(question);
}

/* Asks polkit what waits, as much as may be open at a time. */
static void
ask_next(BangerAuth *auth)
{
    while (g_hash_table_size(auth->open) < QUESTIONS_MAX && !g_queue_is_empty(&auth->waiting)) {
        Question *question = g_queue_pop_head(&auth->waiting);

        if (question->answered) /* its time ran out while it waited */
            question_free(question);
        else
            ask(question);
    }
}

static gboolean
on_timeout(gpointer user_data)
{
    Question *question = user_data;
    BangerAuth *auth = question->auth;

    question->timer = 0;
    /* Takes polkit's dialogue away; its answer to the question then comes, and frees it. */
    if (question->slot != NULL && question->interactive)
        (void)sd_bus_call_method_async(auth->bus, NULL, POLKIT, POLKIT_PATH, POLKIT_INTERFACE,
                                       "CancelCheckAuthorization", NULL, NULL, "s", question->id);
    answer(question, denial(question, "polkit did not answer in time"));
    return G_SOURCE_REMOVE;
}

typedef struct {
    sd_bus_message *message;
    int r; /* of the first failure */
} Details;

static void
append_detail(const BangerField *field, const char *text, gpointer user_data)
{
    Details *details = user_data;

    if (details->r >= 0 && !(field->flags & BANGER_FIELD_SECRET))
        details->r = sd_bus_message_append(details->message, "{ss}", field->name, text);
}

/* The arguments of CheckAuthorization: subject, action, details, flags, cancellation id. */
static int
append_question(const Question *question, const BangerRequest *request, const char *sender,
                bool caller_is_owner)
{
    Details details = {.message = question->message};

    details.r = sd_bus_message_append(details.message, "(sa{sv})s", "system-bus-name", 1, "name",
                                      "s", sender, question->method->action);
    if (details.r >= 0)
        details.r = sd_bus_message_open_container(details.message, 'a', "{ss}");
    banger_request_for_each_scalar(question->method, request, append_detail, &details);
    if (details.r >= 0)
        details.r = sd_bus_message_append(details.message, "{ss}{ss}", "op_id", request->op_id,
                                          "caller_is_owner", caller_is_owner ? "true" : "false");
    if (details.r >= 0)
        details.r = sd_bus_message_close_container(details.message);
    if (details.r >= 0)
        details.r = sd_bus_message_append(details.message, "us",
                                          question->interactive ? FLAG_ALLOW_USER_INTERACTION : 0u,
                                          question->id);
    return details.r;
}

void
banger_auth_check(BangerAuth *auth, const BangerMethod *method, const BangerRequest *request,
                  const char *sender, uid_t uid, bool interactive, BangerAuthVerdict verdict,
                  gpointer user_data)
{
    Question *question;
    int r;

    if (uid == 0) {
        verdict(NULL, user_data);
        return;
    }
    question = g_new0(Question, 1);
    question->auth = auth;
    question->method = method;
    question->interactive = interactive;
    question->verdict = verdict;
    question->user_data = user_data;
    if (interactive)
        g_snprintf(question->id, sizeof question->id, "%" G_GUINT64_FORMAT, ++auth->asked);
    r = sd_bus_message_new_method_call(auth->bus, &question->message, POLKIT, POLKIT_PATH,
                                       POLKIT_INTERFACE, "CheckAuthorization");
    if (r >= 0)
        r = append_question(question, request, sender, uid == auth->settings->owner_uid);
    if (r < 0) {
        answer(question, denial(question, g_strerror(-r)));
        question_free(question);
        return;
    }
    question->timer = g_timeout_add_seconds(
        interactive ? INTERACTIVE_TIMEOUT_SEC : ANSWER_TIMEOUT_SEC, on_timeout, question);
    g_queue_push_tail(&auth->waiting, question);
    ask_next(auth);
}
