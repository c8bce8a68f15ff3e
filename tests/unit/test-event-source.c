/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sd-event inside of GLib's main loop: served there, left alone for a moment, served again. */
#include <stdbool.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "helperd/event-source.h"
#include "lib/harness.h"

#define DESCRIPTORS_MAX 8

static sd_event *event;
static GMainContext *context;
static GSource *source;
static int event_fd;
static unsigned int n_served;

static int
on_readable(sd_event_source *io, int fd, uint32_t events, void *user_data)
{
    eventfd_t value;

    (void)io;
    (void)events;
    (void)user_data;
    ck_assert_int_eq(eventfd_read(fd, &value), 0);
    n_served++;
    return 0;
}

static void
set_up(void)
{
    n_served = 0;
    event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ck_assert_int_ge(event_fd, 0);
    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_ge(sd_event_add_io(event, NULL, event_fd, EPOLLIN, on_readable, NULL), 0);
    context = g_main_context_new();
    source = banger_event_source_new(event);
    (void)g_source_attach(source, context);
}

static void
tear_down(void)
{
    g_source_destroy(source);
    g_source_unref(source);
    g_main_context_unref(context);
    sd_event_unref(event);
    (void)close(event_fd);
}

/* Runs the main loop until what is readable was served. */
static void
check_served(void)
{
    unsigned int n_before = n_served;

    ck_assert_int_eq(eventfd_write(event_fd, 1), 0);
    while (n_served == n_before)
        (void)g_main_context_iteration(context, TRUE);
}

/* Whether an iteration of the main loop would wait for @event. */
static bool
is_waited_for(void)
{
    GPollFD descriptors[DESCRIPTORS_MAX];
    int priority, timeout_ms, n;
    bool found = false;

    ck_assert(g_main_context_acquire(context));
    (void)g_main_context_prepare(context, &priority);
    n = g_main_context_query(context, priority, &timeout_ms, descriptors, DESCRIPTORS_MAX);
    ck_assert_int_le(n, DESCRIPTORS_MAX);
    for (int i = 0; i < n; i++)
        found = found || (descriptors[i].fd == sd_event_get_fd(event) &&
                          (descriptors[i].events & G_IO_IN) != 0);
    g_main_context_release(context);
    return found;
}

START_TEST(events_are_served)
{
    check_served();
    ck_assert(is_waited_for());
    check_served();
}
END_TEST

START_TEST(rest_ends)
{
    check_served();
    for (int i = 0; i < 3; i++) {
        banger_event_source_rest(source);
        ck_assert(!is_waited_for());
        check_served();
        ck_assert(is_waited_for());
    }
}
END_TEST

/* While it rests, what else the main loop has is seen to. */
static gboolean
on_idle(void *user_data)
{
    bool *ran = user_data;

    *ran = true;
    return G_SOURCE_REMOVE;
}

START_TEST(others_go_on)
{
    g_autoptr(GSource) idle = g_idle_source_new();
    bool ran = false;

    banger_event_source_rest(source);
    g_source_set_callback(idle, on_idle, &ran, NULL);
    (void)g_source_attach(idle, context);
    while (!ran)
        (void)g_main_context_iteration(context, FALSE);
    check_served();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("event-source");
    TCase *tcase = tcase_create("event-source");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, events_are_served);
    tcase_add_test(tcase, rest_ends);
    tcase_add_test(tcase, others_go_on);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/event-source", suite);
}
