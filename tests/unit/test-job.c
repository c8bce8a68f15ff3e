/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs, their parts, and what e2fsck reports of its progress. */
#include <poll.h>
#include <string.h>

#include "disk/check-progress.h"
#include "lib/harness.h"
#include "util/error.h"
#include "util/job.h"

static void
count(void *user_data)
{
    (*(unsigned int *)user_data)++;
}

static void
is_in(BangerJob *job, const char *step, double progress)
{
    BangerJobState state;

    banger_job_get_state(job, &state);
    ck_assert_str_eq(state.step, step);
    ck_assert_double_eq_tol(state.progress, progress, 0.0001);
    g_free(state.step);
}

static bool
is_readable(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};

    return poll(&pollfd, 1, 0) == 1;
}

/* A step forgets the progress; only changes of a hundredth or more are worth to be shown. */
START_TEST(progress_of_a_job)
{
    unsigned int n = 0;
    g_autoptr(BangerJob) job = banger_job_new("waiting", count, &n);

    is_in(job, "waiting", -1);
    banger_job_set_step(job, "reading");
    is_in(job, "reading", -1);
    ck_assert_uint_eq(n, 1);
    for (int i = 0; i <= 1000; i++)
        banger_job_set_progress(job, i / 1000.0);
    is_in(job, "reading", 1);
    ck_assert_uint_le(n, 103);
    ck_assert_uint_ge(n, 80);
    banger_job_set_progress(job, 7);
    is_in(job, "reading", 1);
    banger_job_set_progress(job, -7);
    is_in(job, "reading", 0);
    banger_job_set_step(job, "writing");
    is_in(job, "writing", -1);
}
END_TEST

START_TEST(cancelled_once_and_too_late)
{
    unsigned int n = 0;
    g_autoptr(BangerJob) job = banger_job_new("waiting", count, &n);
    g_autoptr(BangerJob) other = banger_job_new("waiting", count, &n);
    g_autoptr(GError) error = NULL, late = NULL;

    ck_assert(banger_job_check(job, NULL));
    ck_assert(!is_readable(banger_job_get_cancel_fd(job)));
    ck_assert(banger_job_cancel(job, "one did", NULL));
    ck_assert(banger_job_cancel(job, "two did", NULL));
    ck_assert(is_readable(banger_job_get_cancel_fd(job)));
    ck_assert(!banger_job_check(job, &error));
    ck_assert_str_eq(error->message, "one did");
    ck_assert(!banger_job_commit(job, NULL));

    ck_assert(banger_job_commit(other, NULL));
    ck_assert(!banger_job_cancel(other, "it did", &late));
    ck_assert(g_error_matches(late, BANGER_ERROR, BANGER_ERROR_BUSY));
    ck_assert(banger_job_check(other, NULL));
    ck_assert(!is_readable(banger_job_get_cancel_fd(other)));
}
END_TEST

/* A part has a stretch of the whole's progress; its commit is not the whole's. */
START_TEST(parts)
{
    unsigned int n = 0;
    g_autoptr(BangerJob) job = banger_job_new("waiting", count, &n);
    g_autoptr(BangerJob) part = banger_job_new_part(job, 0.5, 0.9);
    g_autoptr(BangerJob) of_part = banger_job_new_part(part, 0.5, 1);

    banger_job_set_step(part, "copying");
    is_in(job, "copying", 0.5);
    banger_job_set_progress(part, 0.5);
    is_in(job, "copying", 0.7);
    banger_job_set_progress(of_part, 0.5);
    is_in(job, "copying", 0.8);
    ck_assert(banger_job_commit(part, NULL));
    ck_assert(banger_job_cancel(job, "it did", NULL));
    ck_assert(!banger_job_check(of_part, NULL));
    ck_assert(!banger_job_commit(part, NULL));
    ck_assert_int_eq(banger_job_get_cancel_fd(of_part), banger_job_get_cancel_fd(job));
}
END_TEST

START_TEST(no_job)
{
    ck_assert(banger_job_check(NULL, NULL));
    ck_assert(banger_job_commit(NULL, NULL));
    ck_assert_int_eq(banger_job_get_cancel_fd(NULL), -1);
    ck_assert_ptr_null(banger_job_new_part(NULL, 0, 1));
    banger_job_set_step(NULL, "x");
    banger_job_set_progress(NULL, 1);
}
END_TEST

static bool
add(BangerCheckProgress *progress, const char *text)
{
    return banger_check_progress_add(progress, text, strlen(text));
}

/* Lines in pieces, passes in their order, and what is no such line. */
START_TEST(progress_of_e2fsck)
{
    static const char *const nothing[] = {
        "\n",
        "1\n",
        "1 2\n",
        "0 1 2 /image\n",
        "6 1 2 /image\n",
        "1 3 2 /image\n",
        "1 0 0 /image\n",
        "-1 1 2 /image\n",
        "1 18446744073709551616 18446744073709551617 /image\n",
        "one two three\n",
        "1 1 2 a line that is longer than any that e2fsck writes, and then some more of it …\n",
    };
    BangerCheckProgress progress = {0};

    for (size_t i = 0; i + 1 < G_N_ELEMENTS(nothing); i++)
        (void)add(&progress, nothing[i]);
    ck_assert_double_le(progress.done, 0.7);
    progress = (BangerCheckProgress){0};
    ck_assert(!add(&progress, "1 1 2 /im"));
    ck_assert(add(&progress, "age\n"));
    ck_assert_double_eq_tol(progress.done, 0.35, 0.0001);
    ck_assert(add(&progress, "1 2 2 /image\n2 1 2 /image\n"));
    ck_assert_double_eq_tol(progress.done, 0.80, 0.0001);
    ck_assert(!add(&progress, "2 0 2 /image\n")); /* it never goes back */
    ck_assert_double_eq_tol(progress.done, 0.80, 0.0001);
    ck_assert(add(&progress, "5 10 10 /image\n"));
    ck_assert_double_eq_tol(progress.done, 1, 0.0001);
    ck_assert(!add(&progress, nothing[G_N_ELEMENTS(nothing) - 1]));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("job");
    TCase *tcase = tcase_create("job");

    tcase_add_test(tcase, progress_of_a_job);
    tcase_add_test(tcase, cancelled_once_and_too_late);
    tcase_add_test(tcase, parts);
    tcase_add_test(tcase, no_job);
    tcase_add_test(tcase, progress_of_e2fsck);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/job", suite);
}
