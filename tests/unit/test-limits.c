/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The limits on calls in flight: of one user, of strangers, of all, and of bytes. */
#include <glib.h>

#include "bus/limits.h"
#include "lib/harness.h"
#include "model/bounds.h"
#include "util/error.h"

#define OWNER 1000u
#define STRANGER 2000u
#define MIB ((size_t)1 << 20)

static const BangerSettings settings = {.owner_uid = OWNER};

/*
 * The clock of the limits, which the linker lets them read in place of GLib's (--wrap): of the real
 * one enough may pass between two lines of a test to fill a budget again.
 */
static int64_t now_usec = 1000 * G_USEC_PER_SEC;

gint64 __wrap_g_get_monotonic_time(void);

gint64
__wrap_g_get_monotonic_time(void)
{
    return now_usec;
}

static uint64_t unrecorded[2]; /* STRANGER's, and those of all others */

static void
count_unrecorded(uid_t uid, uint64_t n_calls, void *user_data)
{
    (void)user_data;
    unrecorded[uid == STRANGER ? 0 : 1] += n_calls;
}

/* Admits @count calls of @uid with @bytes each. */
static void
admit(BangerLimits *limits, uid_t uid, size_t bytes, BangerAdmission *admissions,
      unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        ck_assert(banger_limits_admit(limits, uid, bytes, &admissions[i], NULL));
}

static void
check_refused(BangerLimits *limits, uid_t uid, size_t bytes)
{
    g_autoptr(GError) error = NULL;
    BangerAdmission admission = {0};

    ck_assert(!banger_limits_admit(limits, uid, bytes, &admission, &error));
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_LIMITS_EXCEEDED));
    ck_assert_int_eq(admission.state, BANGER_ADMISSION_NONE);
}

static void
release(BangerLimits *limits, BangerAdmission *admissions, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++)
        banger_limits_release(limits, &admissions[i]);
}

START_TEST(calls_of_one_user)
{
    static const uid_t uids[] = {0, OWNER, STRANGER};
    BangerLimits *limits = banger_limits_new(&settings, count_unrecorded, NULL);
    BangerAdmission admissions[BANGER_OPERATIONS_PER_UID_MAX] = {0};

    admit(limits, uids[_i], 0, admissions, G_N_ELEMENTS(admissions));
    check_refused(limits, uids[_i], 0);
    ck_assert(banger_limits_start(limits, &admissions[0], NULL));
    check_refused(limits, uids[_i], 0); /* running counts as well as waiting */
    banger_limits_release(limits, &admissions[0]);
    admit(limits, uids[_i], 0, admissions, 1);
    release(limits, admissions, G_N_ELEMENTS(admissions));
    banger_limits_free(limits);
}
END_TEST

/* Strangers' calls wait at no other's cost: no uid's keep another's out, whoever it is. */
START_TEST(calls_of_strangers)
{
    BangerLimits *limits = banger_limits_new(&settings, count_unrecorded, NULL);
    static BangerAdmission admissions[BANGER_CALLS_WAITING_MAX];
    BangerAdmission others[3] = {0};

    for (unsigned int i = 0; i < BANGER_CALLS_WAITING_MAX; i += BANGER_OPERATIONS_PER_UID_MAX)
        admit(limits, STRANGER + i, 0, admissions + i, BANGER_OPERATIONS_PER_UID_MAX);
    admit(limits, STRANGER - 1, 0, &others[2], 1); /* the first one always may … */
    check_refused(limits, STRANGER - 1, 0);        /* … and no more while so many wait */
    admit(limits, 0, 32 * MIB, &others[0], 1);
    admit(limits, OWNER, 32 * MIB, &others[1], 1);
    ck_assert(banger_limits_start(limits, &others[0], NULL));
    ck_assert(banger_limits_start(limits, &others[1], NULL));
    release(limits, others, G_N_ELEMENTS(others));
    release(limits, admissions, G_N_ELEMENTS(admissions));
    banger_limits_free(limits);
}
END_TEST

/*
 * Only what was authorized counts against the total, and root and the owner have their own share.
 */
START_TEST(operations_of_all)
{
    BangerLimits *limits = banger_limits_new(&settings, count_unrecorded, NULL);
    BangerAdmission admissions[BANGER_OPERATIONS_MAX] = {0};
    BangerAdmission late = {0}, trusted[2] = {0};
    g_autoptr(GError) error = NULL;

    for (unsigned int i = 0; i < BANGER_OPERATIONS_MAX; i++) {
        admit(limits, STRANGER + i / BANGER_OPERATIONS_PER_UID_MAX, 0, &admissions[i], 1);
        ck_assert(banger_limits_start(limits, &admissions[i], NULL));
    }
    admit(limits, STRANGER - 1, 0, &late, 1);
    ck_assert(!banger_limits_start(limits, &late, &error));
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_LIMITS_EXCEEDED));
    admit(limits, 0, 0, &trusted[0], 1);
    admit(limits, OWNER, 0, &trusted[1], 1);
    ck_assert(banger_limits_start(limits, &trusted[0], NULL));
    ck_assert(banger_limits_start(limits, &trusted[1], NULL));
    banger_limits_release(limits, &admissions[0]);
    ck_assert(banger_limits_start(limits, &late, NULL));
    release(limits, &late, 1);
    release(limits, trusted, 2);
    release(limits, admissions, G_N_ELEMENTS(admissions));
    banger_limits_free(limits);
}
END_TEST

static unsigned int
count_calls(BangerLimits *limits, uid_t uid, bool polkit_decides)
{
    unsigned int n = 0;

    while (n < 10000 && banger_limits_may_call(limits, uid, polkit_decides))
        n++;
    return n;
}

/*
 * A stranger's budgets come to an end, each uid's own; a call that is authorized lifts them, until
 * polkit's rules change.
 */
START_TEST(budgets_of_strangers)
{
    BangerLimits *limits = banger_limits_new(&settings, count_unrecorded, NULL);
    BangerAdmission admission = {0};
    unsigned int bytes = 0, records = 0, questions;

    /* Calls that polkit decides have a smaller one, and others go on when it is used up. */
    questions = count_calls(limits, STRANGER, true);
    ck_assert_uint_ge(questions, BANGER_OPERATIONS_PER_UID_MAX);
    ck_assert(!banger_limits_may_call(limits, STRANGER, true));
    ck_assert_uint_ge(count_calls(limits, STRANGER, false), 100);
    ck_assert(!banger_limits_may_call(limits, STRANGER, false));
    ck_assert_uint_lt(count_calls(limits, STRANGER + 1, false), 1000);
    ck_assert_uint_eq(count_calls(limits, STRANGER + 2, true), questions);
    ck_assert_uint_eq(count_calls(limits, 0, true), 10000);
    ck_assert_uint_eq(count_calls(limits, OWNER, true), 10000);
    while (banger_limits_may_reply(limits, STRANGER, 1024))
        bytes += 1024;
    ck_assert_uint_ge(bytes, 512 << 10);
    ck_assert_uint_lt(bytes, 2 << 20);
    ck_assert(!banger_limits_may_reply(limits, STRANGER + 1, SIZE_MAX));
    ck_assert(banger_limits_may_reply(limits, 0, SIZE_MAX));
    while (banger_limits_may_record(limits, STRANGER))
        records++;
    ck_assert_uint_eq(records, 50);

    admit(limits, STRANGER, 0, &admission, 1);
    ck_assert(banger_limits_start(limits, &admission, NULL));
    ck_assert(banger_limits_is_trusted(limits, STRANGER));
    ck_assert_uint_eq(count_calls(limits, STRANGER, true), 10000);
    banger_limits_forget_trust(limits);
    ck_assert(!banger_limits_is_trusted(limits, STRANGER));
    ck_assert_uint_lt(count_calls(limits, STRANGER, true), 1000);
    banger_limits_release(limits, &admission);
    banger_limits_free(limits);
}
END_TEST

/* A budget that is used up fills again with time, and not beyond what it was. */
START_TEST(budgets_fill_again)
{
    BangerLimits *limits = banger_limits_new(&settings, count_unrecorded, NULL);
    unsigned int calls = count_calls(limits, STRANGER, false), questions;

    ck_assert_uint_eq(count_calls(limits, STRANGER, false), 0);
    now_usec += G_USEC_PER_SEC;
    questions = count_calls(limits, STRANGER, true);
    ck_assert_uint_gt(questions, 0);
    ck_assert_uint_lt(questions, calls);
    ck_assert(!banger_limits_may_reply(limits, STRANGER, SIZE_MAX));
    now_usec += 600 * G_USEC_PER_SEC;
    ck_assert_uint_eq(count_calls(limits, STRANGER, false), calls);
    banger_limits_free(limits);
}
END_TEST

/* An authorized call is good for a while only. */
START_TEST(trust_ends)
{
    BangerLimits *limits = banger_limits_new(&settings, count_unrecorded, NULL);
    BangerAdmission admission = {0};

    admit(limits, STRANGER, 0, &admission, 1);
    ck_assert(banger_limits_start(limits, &admission, NULL));
    banger_limits_release(limits, &admission);
    ck_assert(banger_limits_is_trusted(limits, STRANGER));
    now_usec += 600 * G_USEC_PER_SEC;
    ck_assert(!banger_limits_is_trusted(limits, STRANGER));
    banger_limits_free(limits);
}
END_TEST

/* A large call costs a stranger as much as many small ones. */
START_TEST(large_calls_of_strangers)
{
    BangerLimits *limits = banger_limits_new(&settings, count_unrecorded, NULL);
    BangerAdmission admission = {0};

    ck_assert(banger_limits_may_call(limits, STRANGER, true));
    admit(limits, STRANGER, 32 * MIB, &admission, 1);
    ck_assert(!banger_limits_may_call(limits, STRANGER, true));
    banger_limits_release(limits, &admission);
    banger_limits_free(limits);
}
END_TEST

/* What has no record is counted, by uid, and reported at the end at the latest. */
START_TEST(unrecorded_is_reported)
{
    BangerLimits *limits = banger_limits_new(&settings, count_unrecorded, NULL);

    for (unsigned int i = 0; i < 7; i++)
        banger_limits_count_unrecorded(limits, STRANGER);
    for (unsigned int i = 0; i < 1000; i++) /* users come and go, and are forgotten */
        (void)banger_limits_may_call(limits, STRANGER + 1 + i, false);
    banger_limits_count_unrecorded(limits, BANGER_LIMITS_UNKNOWN_UID);
    banger_limits_free(limits);
    ck_assert_uint_eq(unrecorded[0], 7);
    ck_assert_uint_eq(unrecorded[1], 1);
}
END_TEST

START_TEST(bytes)
{
    BangerLimits *limits = banger_limits_new(&settings, count_unrecorded, NULL);
    BangerAdmission of_one[2] = {0}, of_others[6] = {0}, small = {0}, trusted[2] = {0};

    admit(limits, STRANGER, 32 * MIB, of_one, 2);
    check_refused(limits, STRANGER, 1 * MIB);
    admit(limits, STRANGER, BANGER_BYTES_FREE - 1, &small, 1); /* small ones always may */
    for (unsigned int i = 0; i < G_N_ELEMENTS(of_others); i++)
        admit(limits, STRANGER + 1 + i, 32 * MIB, &of_others[i], 1);
    check_refused(limits, STRANGER + 100, 1 * MIB);
    admit(limits, 0, 32 * MIB, &trusted[0], 1);
    admit(limits, OWNER, 32 * MIB, &trusted[1], 1);
    release(limits, of_one, 2);
    release(limits, of_others, G_N_ELEMENTS(of_others));
    release(limits, trusted, 2);
    release(limits, &small, 1);
    admit(limits, STRANGER, 32 * MIB, of_one, 2); /* everything was given back */
    release(limits, of_one, 2);
    banger_limits_free(limits);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tcase = tcase_create("limits");

    tcase_add_loop_test(tcase, calls_of_one_user, 0, 3);
    tcase_add_test(tcase, calls_of_strangers);
    tcase_add_test(tcase, operations_of_all);
    tcase_add_test(tcase, bytes);
    tcase_add_test(tcase, budgets_of_strangers);
    tcase_add_test(tcase, budgets_fill_again);
    tcase_add_test(tcase, trust_ends);
    tcase_add_test(tcase, large_calls_of_strangers);
    tcase_add_test(tcase, unrecorded_is_reported);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/limits", suite);
}
