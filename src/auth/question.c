/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "auth/question.h"

#include "model/details.h"
#include "util/error.h"

static void
add_detail(GPtrArray *details, const char *name, const char *value)
{
    g_ptr_array_add(details, g_strdup(name));
    g_ptr_array_add(details, g_strdup(value));
}

static void
visit_detail(const BangerField *field, const char *text, void *user_data)
{
    add_detail(user_data, field->name, text);
}

static char **
make_details(const BangerAuthCall *call, bool caller_is_owner)
{
    GPtrArray *details = g_ptr_array_new();

    banger_request_for_each_detail(call->method, call->request, visit_detail, details);
    add_detail(details, "op_id", call->request->op_id);
    add_detail(details, "caller_is_owner", caller_is_owner ? "true" : "false");
    g_ptr_array_add(details, NULL);
    return (char **)g_ptr_array_free(details, FALSE);
}

BangerQuestion *
banger_question_new(BangerAuth *auth, const BangerSettings *settings, const BangerAuthCall *call)
{
    BangerQuestion *question = g_new0(BangerQuestion, 1);

    question->auth = auth;
    question->state = BANGER_QUESTION_WAITING;
    question->class = call->trusted ? BANGER_QUESTION_TRUSTED : BANGER_QUESTION_STRANGER;
    question->method = call->method;
    question->sender = g_strdup(call->sender);
    question->uid = call->uid;
    question->details = make_details(call, call->uid == settings->owner_uid);
    question->interactive = call->interactive;
    return question;
}

void
banger_question_free(BangerQuestion *question)
{
    g_free(question->sender);
    g_clear_handle_id(&question->timer, g_source_remove);
    g_strfreev(question->details);
    g_clear_object(&question->cancellable);
    g_free(question);
}

GError *
banger_question_make_denial(const BangerQuestion *question, const char *reason)
{
    return g_error_new(BANGER_ERROR, BANGER_ERROR_ACCESS_DENIED, "%s is not authorized (%s): %s",
                       question->method->dbus_name, question->method->action, reason);
}

GError *
banger_question_make_verdict(const BangerQuestion *question, BangerPolkitAnswer answer)
{
    if (answer == BANGER_POLKIT_YES)
        return NULL;
    if (answer == BANGER_POLKIT_CHALLENGE && !question->interactive)
        return g_error_new(BANGER_ERROR, BANGER_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                           "%s needs an administrator's authentication (%s), and the call does not "
                           "allow asking for it",
                           question->method->dbus_name, question->method->action);
    return banger_question_make_denial(question, "polkit said no");
}
