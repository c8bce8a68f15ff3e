/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is closed everywhere waits for the children that may have a copy, and for no others. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <unistd.h>

#include "lib/harness.h"
#include "util/fd.h"
#include "util/spawning.h"

typedef struct {
    int fd;
    int closed; /* atomic */
} Closing;

static gpointer
close_it(gpointer user_data)
{
    Closing *closing = user_data;

    banger_close_everywhere(&closing->fd);
    g_atomic_int_set(&closing->closed, 1);
    return NULL;
}

/* Waits until the last writer of the pipe that @fd reads is gone. */
static void
wait_end_of_file(int fd)
{
    char byte;

    ck_assert_int_eq(read(fd, &byte, 1), 0);
}

START_TEST(waits_for_a_child_begun_before)
{
    uint64_t other = banger_spawning_begin();
    uint64_t ticket = banger_spawning_begin();
    g_autoptr(GThread) thread = NULL;
    Closing closing = {0};
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    banger_spawning_end(other);
    closing.fd = ends[1];
    thread = g_thread_new("close", close_it, &closing);
    wait_end_of_file(ends[0]);
    ck_assert_int_eq(g_atomic_int_get(&closing.closed), 0);
    banger_spawning_end(ticket);
    (void)g_thread_join(g_steal_pointer(&thread));
    ck_assert_int_eq(closing.closed, 1);
    ck_assert_int_eq(closing.fd, -1);
    (void)close(ends[0]);
}
END_TEST

/* With nothing under way, or nothing open, there is nothing to wait for; errno stays. */
START_TEST(closes_at_once)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int number = fd;
    uint64_t ticket;

    ck_assert_int_ge(fd, 0);
    banger_spawning_end(banger_spawning_begin());
    errno = EBUSY;
    banger_close_everywhere(&fd);
    ck_assert_int_eq(errno, EBUSY);
    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(fcntl(number, F_GETFD), -1);
    ticket = banger_spawning_begin();
    banger_close_everywhere(&fd);
    banger_spawning_end(ticket);
}
END_TEST

/* A program that is never executed delays its caller for a bounded time. */
START_TEST(waits_no_longer_than_the_bound)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uint64_t ticket = banger_spawning_begin();

    banger_close_everywhere(&fd);
    ck_assert_int_eq(fd, -1);
    banger_spawning_end(ticket);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("spawning");
    TCase *tcase = tcase_create("spawning");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, waits_for_a_child_begun_before);
    tcase_add_test(tcase, closes_at_once);
    tcase_add_test(tcase, waits_no_longer_than_the_bound);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/spawning", suite);
}
