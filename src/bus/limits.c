/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/limits.h"

#include "model/bounds.h"
#include "util/budget.h"
#include "util/error.h"

#define TRUST_USEC (60 * G_USEC_PER_SEC)
#define UNRECORDED_INTERVAL_SEC 10
#define USERS_SWEPT 64u /* with more users than that, those of no interest are forgotten */

/* A stranger's budgets. A call of so many bytes costs as much as one call more. */
#define BYTES_PER_CALL (16u << 10)
static const BangerBudgetRate call_rate = {.at_once = 256, .per_sec = 64};
/*
 * Of those, the ones that polkit decides: polkitd takes a dozen messages of the bus for each, while
 * it answers no one else.
 */
static const BangerBudgetRate question_rate = {.at_once = 64, .per_sec = 4};
static const BangerBudgetRate reply_rate = {.at_once = 1u << 20, .per_sec = 16u << 10};
static const BangerBudgetRate record_rate = {.at_once = 50, .per_sec = 1};

typedef struct {
    unsigned int calls;         /* in flight */
    size_t bytes;               /* of their arguments */
    int64_t authorized_at_usec; /* the last one, monotonic; 0: none */
    BangerBudget call_budget, question_budget, reply_budget, record_budget;
    uint64_t n_unrecorded;
} User;

struct BangerLimits {
    const BangerSettings *settings;
    BangerLimitsUnrecorded unrecorded;
    void *user_data;
    GHashTable *users;    /* uid -> User */
    unsigned int waiting; /* calls of all users; of all but root and the owner: */
    unsigned int running;
    size_t bytes;       /* of the calls of those whom the bound on all of them is for */
    unsigned int timer; /* while a user has unrecorded calls */
};

BangerLimits *
banger_limits_new(const BangerSettings *settings, BangerLimitsUnrecorded unrecorded,
                  void *user_data)
{
    BangerLimits *limits = g_new0(BangerLimits, 1);

    limits->settings = settings;
    limits->unrecorded = unrecorded;
    limits->user_data = user_data;
    limits->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return limits;
}

static gboolean
report_unrecorded(void *user_data)
{
    BangerLimits *limits = user_data;
    GHashTableIter iter;
    gpointer uid, value;

    g_hash_table_iter_init(&iter, limits->users);
    while (g_hash_table_iter_next(&iter, &uid, &value)) {
        User *user = value;

        if (user->n_unrecorded > 0)
            limits->unrecorded(GPOINTER_TO_UINT(uid), user->n_unrecorded, limits->user_data);
        user->n_unrecorded = 0;
    }
    limits->timer = 0;
    return G_SOURCE_REMOVE;
}

void
banger_limits_free(BangerLimits *limits)
{
    g_assert(limits->waiting == 0 && limits->running == 0);
    g_clear_handle_id(&limits->timer, g_source_remove);
    (void)report_unrecorded(limits);
    g_hash_table_unref(limits->users);
    g_free(limits);
}

static bool
is_trusted_user(const User *user, int64_t now_usec)
{
    return user->authorized_at_usec != 0 && now_usec - user->authorized_at_usec < TRUST_USEC;
}

/* Whether there is nothing to be remembered of the user @value. */
static gboolean
is_of_no_interest(gpointer key, gpointer value, void *user_data)
{
    User *user = value;
    int64_t now_usec = *(const int64_t *)user_data;

    (void)key;
    return user->calls == 0 && user->n_unrecorded == 0 && !is_trusted_user(user, now_usec) &&
           banger_budget_is_full(&user->call_budget, &call_rate, now_usec) &&
           banger_budget_is_full(&user->question_budget, &question_rate, now_usec) &&
           banger_budget_is_full(&user->reply_budget, &reply_rate, now_usec) &&
           banger_budget_is_full(&user->record_budget, &record_rate, now_usec);
}

static User *
get_user(BangerLimits *limits, uid_t uid)
{
    User *user = g_hash_table_lookup(limits->users, GUINT_TO_POINTER(uid));
    int64_t now_usec = g_get_monotonic_time();

    if (user != NULL)
        return user;
    if (g_hash_table_size(limits->users) >= USERS_SWEPT)
        (void)g_hash_table_foreach_remove(limits->users, is_of_no_interest, &now_usec);
    user = g_new0(User, 1);
    (void)g_hash_table_insert(limits->users, GUINT_TO_POINTER(uid), user);
    return user;
}

/* root and the owner: trusted whatever polkit said, and bounded by their own share alone. */
static bool
is_exempt(const BangerLimits *limits, uid_t uid)
{
    return uid == 0 || uid == limits->settings->owner_uid;
}

bool
banger_limits_is_trusted(const BangerLimits *limits, uid_t uid)
{
    const User *user = g_hash_table_lookup(limits->users, GUINT_TO_POINTER(uid));

    return is_exempt(limits, uid) ||
           (user != NULL && is_trusted_user(user, g_get_monotonic_time()));
}

void
banger_limits_forget_trust(BangerLimits *limits)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, limits->users);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((User *)value)->authorized_at_usec = 0;
}

bool
banger_limits_may_call(BangerLimits *limits, uid_t uid, bool polkit_decides)
{
    int64_t now_usec = g_get_monotonic_time();
    User *user;

    if (banger_limits_is_trusted(limits, uid))
        return true;
    user = get_user(limits, uid);
    return user->calls < BANGER_OPERATIONS_PER_UID_MAX &&
           banger_budget_take(&user->call_budget, &call_rate, 1, now_usec) &&
           (!polkit_decides ||
            banger_budget_take(&user->question_budget, &question_rate, 1, now_usec));
}

bool
banger_limits_may_reply(BangerLimits *limits, uid_t uid, size_t bytes)
{
    return banger_limits_is_trusted(limits, uid) ||
           (bytes <= reply_rate.at_once &&
            banger_budget_take(&get_user(limits, uid)->reply_budget, &reply_rate, (uint32_t)bytes,
                               g_get_monotonic_time()));
}

void
banger_limits_charge_reply(BangerLimits *limits, uid_t uid, size_t bytes)
{
    if (!banger_limits_is_trusted(limits, uid))
        banger_budget_charge(&get_user(limits, uid)->reply_budget, &reply_rate,
                             (uint32_t)MIN(bytes, UINT32_MAX), g_get_monotonic_time());
}

bool
banger_limits_may_record(BangerLimits *limits, uid_t uid)
{
    return uid == 0 || banger_budget_take(&get_user(limits, uid)->record_budget, &record_rate, 1,
                                          g_get_monotonic_time());
}

void
banger_limits_count_unrecorded(BangerLimits *limits, uid_t uid)
{
    get_user(limits, uid)->n_unrecorded++;
    if (limits->timer == 0)
        limits->timer = g_timeout_add_seconds(UNRECORDED_INTERVAL_SEC, report_unrecorded, limits);
}

/* The bounds that strangers share. A user without a call in flight always may have one. */
static bool
check_all(const BangerLimits *limits, const User *user, size_t bytes, GError **error)
{
    if (limits->waiting >= BANGER_CALLS_WAITING_MAX && user->calls > 0)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "%u calls wait to be authorized, which is the limit",
                                limits->waiting);
    if (bytes > 0 && limits->bytes + bytes > BANGER_BYTES_IN_FLIGHT_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "the arguments of the calls in flight are over the limit of %u "
                                "bytes",
                                BANGER_BYTES_IN_FLIGHT_MAX);
    return true;
}

bool
banger_limits_admit(BangerLimits *limits, uid_t uid, size_t bytes, BangerAdmission *ret_admission,
                    GError **error)
{
    User *user = get_user(limits, uid);
    size_t charged = bytes >= BANGER_BYTES_FREE ? bytes : 0;

    if (!banger_limits_is_trusted(limits, uid))
        banger_budget_charge(&user->call_budget, &call_rate, (uint32_t)(bytes / BYTES_PER_CALL),
                             g_get_monotonic_time());
    if (user->calls >= BANGER_OPERATIONS_PER_UID_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "uid %u has %u operations in flight, which is the limit", uid,
                                user->calls);
    if (charged > 0 && user->bytes + charged > BANGER_BYTES_PER_UID_MAX)
        return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                "the arguments of the operations that uid %u has in flight are "
                                "over the limit of %u bytes",
                                uid, BANGER_BYTES_PER_UID_MAX);
    if (!is_exempt(limits, uid)) {
        if (!check_all(limits, user, charged, error))
            return false;
        limits->bytes += charged;
    }
    user->calls++;
    user->bytes += charged;
    limits->waiting++;
    *ret_admission = (BangerAdmission){BANGER_ADMISSION_WAITING, uid, charged};
    return true;
}

bool
banger_limits_start(BangerLimits *limits, BangerAdmission *admission, GError **error)
{
    g_assert(admission->state == BANGER_ADMISSION_WAITING);
    get_user(limits, admission->uid)->authorized_at_usec = g_get_monotonic_time();
    if (!is_exempt(limits, admission->uid)) {
        if (limits->running >= BANGER_OPERATIONS_MAX)
            return banger_set_error(error, BANGER_ERROR_LIMITS_EXCEEDED,
                                    "%u operations are in flight, which is the limit",
                                    limits->running);
        limits->running++;
    }
    limits->waiting--;
    admission->state = BANGER_ADMISSION_RUNNING;
    return true;
}

void
banger_limits_release(BangerLimits *limits, BangerAdmission *admission)
{
    User *user;

    if (admission->state == BANGER_ADMISSION_NONE)
        return;
    user = get_user(limits, admission->uid);
    if (admission->state == BANGER_ADMISSION_WAITING)
        limits->waiting--;
    if (!is_exempt(limits, admission->uid)) {
        limits->running -= admission->state == BANGER_ADMISSION_RUNNING;
        limits->bytes -= admission->bytes;
    }
    user->bytes -= admission->bytes;
    user->calls--;
    *admission = (BangerAdmission){0};
}
