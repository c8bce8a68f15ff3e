/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of the helper: no call is lost by SIGTERM or by the idle exit, and waiting is not idle.
 */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bus/calls/call-samples.h"
#include "util/settings.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define DENIED "org.freedesktop.DBus.Error.AccessDenied"

static void
ping(sd_bus *bus)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_msg(sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                     "org.freedesktop.DBus.Peer", "Ping", &error, NULL, "") >= 0,
                  "Ping: %s: %s", error.name, error.message);
}

/* A call that needs no kernel and no polkit, but goes all the way through a worker thread. */
static void
call(sd_bus *bus)
{
    rig_call_ok(bus, "ClearResolverRouting", "ss", "", "");
}

/* What a test that failed has stopped. */
static void
wake_polkitd(void)
{
    pid_t polkitd = rig_pid_of(POLKIT);

    if (polkitd > 0)
        (void)kill(polkitd, SIGCONT);
}

static bool
has_given_up_name(void *data)
{
    return rig_pid_of(BANGER_BUS_NAME) != *(pid_t *)data;
}

/* SIGTERM while a call waits for polkit: the call is answered, then the process ends. */
START_TEST(sigterm_finishes_what_is_in_flight)
{
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);
    sd_bus *root = rig_bus_open(0);
    RigPending *pending;
    pid_t helper, polkitd;

    rig_call_ok(bus, "ClearResolverRouting", "ss", "", "");
    polkitd = rig_pid_of(POLKIT);
    ck_assert_int_eq(kill(polkitd, SIGSTOP), 0);
    {
        sd_bus_message *message = rig_message_new(bus, "ClearResolverRouting");

        ck_assert_int_ge(sd_bus_message_append(message, "ss", "", "in-flight-1"), 0);
        pending = rig_call_start(bus, message);
    }
    ping(bus); /* the same connection's messages arrive in order: the call has, too */
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    ck_assert_int_eq(kill(helper, SIGTERM), 0);
    rig_wait_for(has_given_up_name, &helper, "the helper to give up its name");
    /* Others are served meanwhile, by a new helper. */
    call(root);
    ck_assert_int_ne(rig_pid_of(BANGER_BUS_NAME), helper);
    ck_assert(!pending->done);
    ck_assert_int_eq(kill(polkitd, SIGCONT), 0);
    rig_pending_wait(bus, pending);
    ck_assert_msg(pending->error_name == NULL, "%s: %s", pending->error_name,
                  pending->error_message);
    rig_wait_pid_gone(helper);
    g_hash_table_unref(rig_journal_wait("in-flight-1"));
    rig_pending_free(pending);
    sd_bus_flush_close_unref(root);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* The helper is asked to end again and again while calls come in: each of them is answered. */
START_TEST(sigterm_drops_no_call)
{
    const gint64 begun_usec = g_get_monotonic_time();
    sd_bus *callers[8];
    pid_t last = 0;
    int ends = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(callers); i++)
        callers[i] = rig_bus_open(i % 2 == 0 ? 0 : RIG_UID_OWNER);
    for (unsigned int round = 0; rig_race_goes_on(begun_usec, round, 100, 1, ends >= 20); round++) {
        RigPending *pending[G_N_ELEMENTS(callers)];
        pid_t helper = rig_pid_of(BANGER_BUS_NAME);

        for (size_t i = 0; i < G_N_ELEMENTS(callers); i++) {
            sd_bus_message *message = rig_message_new(callers[i], "ClearResolverRouting");

            ck_assert_int_ge(sd_bus_message_append(message, "ss", "", ""), 0);
            pending[i] = rig_call_start(callers[i], message);
            if (i == round % G_N_ELEMENTS(callers) && helper != 0 && helper != last) {
                (void)kill(helper, SIGTERM);
                last = helper;
                ends++;
            }
        }
        for (size_t i = 0; i < G_N_ELEMENTS(callers); i++) {
            rig_pending_wait(callers[i], pending[i]);
            ck_assert_msg(pending[i]->error_name == NULL, "round %u: %s: %s", round,
                          pending[i]->error_name, pending[i]->error_message);
            rig_pending_free(pending[i]);
        }
    }
    ck_assert_int_ge(ends, 20);
    for (size_t i = 0; i < G_N_ELEMENTS(callers); i++)
        sd_bus_flush_close_unref(callers[i]);
}
END_TEST

/* The time limit of this rig's helper.conf is one second. */
START_TEST(idle_exit)
{
    sd_bus *bus = rig_bus_open(0);
    pid_t helper;

    call(bus);
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    rig_wait_pid_gone(helper);
    call(bus);
    ck_assert_int_ne(rig_pid_of(BANGER_BUS_NAME), helper);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* Calls that arrive around the moment of the idle exit are served by the old one or a new one. */
START_TEST(idle_exit_drops_no_call)
{
    sd_bus *bus = rig_bus_open(0);

    for (int i = 0; i < 10; i++) {
        call(bus);
        g_usleep((gulong)(995000 + i * 1000));
    }
    call(bus);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* A call that waits keeps the helper, however long that is. */
START_TEST(waiting_is_not_idle)
{
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);
    RigPending *pending;
    pid_t helper, polkitd;

    call(bus);
    polkitd = rig_pid_of(POLKIT);
    ck_assert_int_eq(kill(polkitd, SIGSTOP), 0);
    pending = rig_call_start(
        bus, sample_call(bus, banger_method(BANGER_METHOD_DELETE_TAP), 0, "waiting-1"));
    ping(bus);
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    rig_pending_wait(bus, pending); /* ten seconds, then the question to polkit counts as denied */
    ck_assert_str_eq(pending->error_name, DENIED);
    ck_assert_int_eq(rig_pid_of(BANGER_BUS_NAME), helper);
    ck_assert_int_eq(kill(polkitd, SIGCONT), 0);
    rig_pending_free(pending);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* The nice value of a thread, and its name (proc_pid_stat(5)); false if it has ended. */
static bool
read_nice(pid_t helper, const char *thread, int *ret_nice, char **ret_name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%s/stat", (int)helper, thread);
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    char *name, *end;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    name = strchr(text, '(') + 1;
    end = strrchr(text, ')');
    *ret_name = g_strndup(name, (gsize)(end - name));
    fields = g_strsplit(end + 2, " ", -1); /* from the third field on */
    ck_assert_uint_gt(g_strv_length(fields), 19 - 3);
    *ret_nice = atoi(fields[19 - 3]);
    return true;
}

/*
 * The thread that reads from the bus comes before those that work, which come before none: they
 * have what the rig itself was started with.
 */
START_TEST(priority_of_threads)
{
    sd_bus *bus = rig_bus_open(0);
    g_autofree char *path = NULL;
    g_autofree char *main_thread = NULL;
    g_autoptr(GDir) threads = NULL;
    const char *thread;
    unsigned int n_pool = 0;
    pid_t helper;

    call(bus);
    helper = rig_pid_of(BANGER_BUS_NAME);
    main_thread = g_strdup_printf("%d", (int)helper);
    path = g_strdup_printf("/proc/%d/task", (int)helper);
    threads = g_dir_open(path, 0, NULL);
    ck_assert_ptr_nonnull(threads);
    while ((thread = g_dir_read_name(threads)) != NULL) {
        g_autofree char *name = NULL;
        int nice;

        if (!read_nice(helper, thread, &nice, &name))
            continue;
        if (strcmp(thread, main_thread) == 0)
            ck_assert_int_eq(nice, -10);
        if (!g_str_has_prefix(name, "pool"))
            continue;
        ck_assert_int_eq(nice, getpriority(PRIO_PROCESS, 0));
        n_pool++;
    }
    ck_assert_uint_gt(n_pool, 0);
    sd_bus_flush_close_unref(bus);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/life", argv,
              (const char *const[]){"--config", SOURCE_DIR "/tests/bus/calls/idle.conf", NULL});
    suite = suite_create("life");
    tcase = tcase_create("life");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, wake_polkitd, NULL);
    tcase_add_test(tcase, sigterm_finishes_what_is_in_flight);
    tcase_add_test(tcase, sigterm_drops_no_call);
    tcase_add_test(tcase, idle_exit);
    tcase_add_test(tcase, idle_exit_drops_no_call);
    tcase_add_test(tcase, waiting_is_not_idle);
    tcase_add_test(tcase, priority_of_threads);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/life", suite);
}
