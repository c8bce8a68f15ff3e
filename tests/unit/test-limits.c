/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "bus/limits.h"
#include "lib/harness.h"
#include "model/limits.h"
#include "util/error.h"

#define OWNER 1000u
#define STRANGER 2000u
#define MIB ((size_t)1 << 20)

static const BangerSettings settings = {.owner_uid = OWNER};

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
    BangerLimits *limits = banger_limits_new(&settings);
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

/* What strangers make wait keeps out other strangers, and neither root nor the owner. */
START_TEST(calls_of_strangers)
{
    BangerLimits *limits = banger_limits_new(&settings);
    BangerAdmission admissions[BANGER_OPERATIONS_MAX] = {0};
    BangerAdmission trusted[2] = {0};

    for (unsigned int i = 0; i < BANGER_OPERATIONS_MAX; i += BANGER_OPERATIONS_PER_UID_MAX)
        admit(limits, STRANGER + i, 0, admissions + i, BANGER_OPERATIONS_PER_UID_MAX);
    check_refused(limits, STRANGER - 1, 0);
    admit(limits, 0, 32 * MIB, &trusted[0], 1);
    admit(limits, OWNER, 32 * MIB, &trusted[1], 1);
    ck_assert(banger_limits_start(limits, &trusted[0], NULL));
    ck_assert(banger_limits_start(limits, &trusted[1], NULL));
    release(limits, trusted, 2);
    release(limits, admissions, G_N_ELEMENTS(admissions));
    banger_limits_free(limits);
}
END_TEST

START_TEST(operations_of_all)
{
    BangerLimits *limits = banger_limits_new(&settings);
    BangerAdmission admissions[BANGER_OPERATIONS_MAX] = {0};
    BangerAdmission late = {0};
    g_autoptr(GError) error = NULL;

    for (unsigned int i = 0; i < BANGER_OPERATIONS_MAX; i++) {
        admit(limits, STRANGER + i / BANGER_OPERATIONS_PER_UID_MAX, 0, &admissions[i], 1);
        ck_assert(banger_limits_start(limits, &admissions[i], NULL));
    }
    admit(limits, 0, 0, &late, 1);
    ck_assert(!banger_limits_start(limits, &late, &error));
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_LIMITS_EXCEEDED));
    banger_limits_release(limits, &admissions[0]);
    ck_assert(banger_limits_start(limits, &late, NULL));
    release(limits, &late, 1);
    release(limits, admissions, G_N_ELEMENTS(admissions));
    banger_limits_free(limits);
}
END_TEST

START_TEST(bytes)
{
    BangerLimits *limits = banger_limits_new(&settings);
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
    suite_add_tcase(suite, tcase);
    return harness_run("unit/limits", suite);
}
