/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection that the bus takes nothing from: another one takes the name, and no call is lost. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus/calls/call-load.h"
#include "bus/calls/call-samples.h"
#include "util/settings.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define BROKER_SOCKET "/run/broker"
#define N_CALLS 20

/* A call that opens no socket, and goes all the way through a worker thread. */
static RigPending *
start_call(sd_bus *bus, const char *op_id)
{
    sd_bus_message *message = rig_message_new(bus, "ClearResolverRouting");

    ck_assert_int_ge(sd_bus_message_append(message, "ss", "", op_id), 0);
    return rig_call_start(bus, message);
}

static char *
owner_of_name(void)
{
    sd_bus *bus = rig_bus_open(0);
    sd_bus_message *reply = NULL;
    const char *name;
    char *owner;

    ck_assert_int_ge(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "GetNameOwner", NULL, &reply, "s",
                                        BANGER_BUS_NAME),
                     0);
    ck_assert_int_ge(sd_bus_message_read(reply, "s", &name), 0);
    owner = g_strdup(name);
    sd_bus_message_unref(reply);
    sd_bus_flush_close_unref(bus);
    return owner;
}

static bool
has_no_owner(void *data)
{
    (void)data;
    return rig_pid_of(BANGER_BUS_NAME) == 0;
}

static bool
has_other_owner(void *data)
{
    g_autofree char *owner = owner_of_name();

    return strcmp(owner, data) != 0;
}

typedef struct {
    sd_bus *bus;
    RigPending *ping;
    const char *owner;
} Ping;

static bool
is_answered_or_replaced(void *data)
{
    Ping *ping = data;

    rig_bus_handle(ping->bus);
    return ping->ping->done || has_other_owner((char *)ping->owner);
}

/* Whether a Ping on @bus is answered before another connection than @owner has the name. */
static bool
is_answering_as(sd_bus *bus, const char *owner)
{
    Ping ping = {bus,
                 rig_call_start(bus, load_built_in_call(bus, "org.freedesktop.DBus.Peer", "Ping")),
                 owner};
    bool answered;

    rig_wait_for(is_answered_or_replaced, &ping, "an answer, or another connection");
    answered = ping.ping->done;
    rig_pending_free(ping.ping);
    return answered;
}

/*
 * Fills the bus's queue, which this rig's bus lets grow to 1 MB, by a @reader who does not read:
 * until another connection than @first has the name (NULL: until the helper has not answered for a
 * second, which on a loaded machine may be before it is stuck).
 */
static void
be_stuck(sd_bus *reader, const char *first)
{
    sd_bus *other = rig_bus_open(0);
    bool stuck = false;

    for (int i = 0; i < 100 && !stuck; i++) {
        for (int n = 0; n < 32; n++)
            load_send(reader, load_built_in_call(reader, "org.freedesktop.DBus.Introspectable",
                                                 "Introspect"));
        ck_assert_int_ge(sd_bus_flush(reader), 0);
        stuck = !(first != NULL ? is_answering_as(other, first) : load_is_answering(other));
    }
    ck_assert_msg(stuck, "the queue was not filled");
    sd_bus_close_unref(other);
}

static sd_bus *
open_reader(void)
{
    sd_bus *reader = rig_bus_open(RIG_UID_MEMBER);

    rig_call_ok(reader, "ClearResolverRouting", "ss", "", ""); /* no stranger from here on */
    return reader;
}

/*
 * The helper's connection is stuck: another one takes the name, of the same process. What the first
 * one has still runs, and its reply comes when the bus takes it.
 */
START_TEST(stuck_connection_is_replaced)
{
    g_autofree char *first = NULL;
    sd_bus *owner = rig_bus_open(RIG_UID_OWNER);
    RigPending *pending;
    sd_bus *reader;
    CallAnswers answers = {0};
    pid_t helper, polkitd;

    rig_call_ok(owner, "ClearResolverRouting", "ss", "", "");
    helper = rig_pid_of(BANGER_BUS_NAME);
    polkitd = rig_pid_of(POLKIT);
    first = owner_of_name();
    ck_assert_int_eq(kill(polkitd, SIGSTOP), 0);
    pending = start_call(owner, "on-the-first-1");
    ck_assert_int_eq(kill(polkitd, SIGCONT), 0);
    reader = open_reader();
    be_stuck(reader, first);
    ck_assert_int_eq(rig_pid_of(BANGER_BUS_NAME), helper);
    load_check_served();
    /* It reads after all. */
    load_count_answers(reader, &answers);
    load_handle_answers(reader);
    ck_assert_uint_gt(answers.n_replies, 0);
    rig_pending_wait(owner, pending);
    ck_assert_ptr_null(pending->error_name);
    rig_pending_free(pending);
    g_hash_table_unref(rig_journal_wait("on-the-first-1"));
    load_check_served();
    sd_bus_flush_close_unref(reader);
    sd_bus_flush_close_unref(owner);
}
END_TEST

/* A stuck helper ends when it is asked to, whether the name was taken over already or not. */
START_TEST(stuck_helper_ends)
{
    g_autofree char *first = NULL;
    sd_bus *reader;
    pid_t helper;

    load_check_served();
    helper = rig_pid_of(BANGER_BUS_NAME);
    first = owner_of_name();
    reader = open_reader();
    be_stuck(reader, _i == 1 ? first : NULL);
    ck_assert_int_eq(kill(helper, SIGTERM), 0);
    rig_wait_pid_gone(helper);
    rig_wait_for(has_no_owner, NULL, "the bus to see that nobody has the name");
    load_check_served();
    sd_bus_close_unref(reader);
}
END_TEST

static unsigned int
count_sockets(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GDir) fds = g_dir_open(path, 0, NULL);
    const char *entry;
    unsigned int n = 0;

    while (fds != NULL && (entry = g_dir_read_name(fds)) != NULL) {
        g_autofree char *fd = g_build_filename(path, entry, NULL);
        g_autofree char *target = g_file_read_link(fd, NULL);

        n += target != NULL && g_str_has_prefix(target, "socket:") ? 1 : 0;
    }
    return n;
}

/*
 * The reader never reads: after 30 s the former connection is closed. The call was made, and has
 * its record. dbus-daemon does not look at the connection while it is stuck: when the reader goes,
 * it finds the reply there, or that the process that had to send it has gone.
 */
START_TEST(former_connection_is_closed)
{
    g_autofree char *first = NULL;
    sd_bus *owner = rig_bus_open(RIG_UID_OWNER);
    sd_bus *reader;
    RigPending *pending;
    pid_t helper, polkitd;
    unsigned int n_sockets;

    rig_stop_service(BANGER_BUS_NAME, SIGTERM); /* one without a former connection */
    reader = open_reader();
    rig_call_ok(owner, "ClearResolverRouting", "ss", "", "");
    helper = rig_pid_of(BANGER_BUS_NAME);
    polkitd = rig_pid_of(POLKIT);
    first = owner_of_name();
    n_sockets = count_sockets(helper);
    ck_assert_int_eq(kill(polkitd, SIGSTOP), 0);
    /* The bus ends the wait, not this side's patience. */
    ck_assert_int_ge(sd_bus_set_method_call_timeout(owner, UINT64_MAX), 0);
    pending = start_call(owner, "never-read-1");
    be_stuck(reader, first);
    ck_assert_uint_gt(count_sockets(helper), n_sockets);
    ck_assert_int_eq(kill(polkitd, SIGCONT), 0);
    g_hash_table_unref(rig_journal_wait("never-read-1"));
    for (int i = 0; i < 900 && count_sockets(helper) > n_sockets; i++)
        g_usleep(G_USEC_PER_SEC / 10);
    ck_assert_msg(count_sockets(helper) <= n_sockets, "the former connection stays");
    /*
     * The caller's own limit may be long: the helper may be idle for long enough until then to
     * exit.
     */
    ck_assert_int_eq(rig_pid_of(BANGER_BUS_NAME), helper);
    load_check_served();
    rig_bus_handle(owner);
    ck_assert(!pending->done);
    sd_bus_close_unref(reader);
    rig_pending_wait(owner, pending);
    ck_assert_msg(pending->error_name == NULL ||
                      strstr(pending->error_message, "disconnected from message bus") != NULL,
                  "%s: %s", pending->error_name, pending->error_message);
    rig_pending_free(pending);
    sd_bus_flush_close_unref(owner);
}
END_TEST

/* Forks and runs @argv; it ends with the test's process group at the latest. */
static void
spawn(char **argv)
{
    GError *error = NULL;

    ck_assert_msg(g_spawn_async(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &error), "%s",
                  error == NULL ? "" : error->message);
}

/* dbus-broker-launch(1) takes its socket as systemd passes it: descriptor 3. */
static void
start_launcher(const char *config, const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pid_t pid;
    int fd;

    g_strlcpy(address.sun_path, socket_path, sizeof address.sun_path);
    (void)unlink(socket_path);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(chmod(socket_path, 0666), 0);
    ck_assert_int_eq(listen(fd, SOMAXCONN), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        g_autofree char *own_pid = g_strdup_printf("%d", (int)getpid());

        (void)dup2(fd, 3);
        (void)g_setenv("LISTEN_FDS", "1", TRUE);
        (void)g_setenv("LISTEN_PID", own_pid, TRUE);
        (void)execlp("dbus-broker-launch", "dbus-broker-launch", "--scope", "system",
                     "--config-file", config, NULL);
        _exit(127);
    }
    (void)close(fd);
}

static bool
is_served(void *data)
{
    sd_bus *bus = rig_bus_try_open(0);
    bool served = bus != NULL && (data == NULL || rig_pid_of(data) != 0);

    sd_bus_flush_close_unref(bus);
    return served;
}

/*
 * A bus of dbus-broker's beside the rig's own, on which from now on all is. It activates nothing
 * without systemd.
 */
static void
move_to_broker(void)
{
    g_autofree char *config = g_build_filename(g_getenv("BANGER_RIG_DIR"), "bus.conf", NULL);

    start_launcher(config, BROKER_SOCKET);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=" BROKER_SOCKET, TRUE);
    rig_wait_for(is_served, NULL, "dbus-broker");
    spawn((char *[]){(char *)"/usr/lib/polkit-1/polkitd", (char *)"--no-debug", NULL});
    rig_wait_for(is_served, (char *)POLKIT, "polkitd");
    spawn((char *[]){(char *)BANGER_LIBEXECDIR "/banger-helperd", NULL});
    rig_wait_for(is_served, (char *)BANGER_BUS_NAME, "the helper");
}

typedef struct {
    pid_t helper;
    unsigned int n_sockets;
} Before;

static bool
has_more_sockets(void *data)
{
    const Before *before = data;

    return count_sockets(before->helper) > before->n_sockets;
}

static int
count_changes(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    unsigned int *n_changes = user_data;
    const char *name, *old_owner, *new_owner;

    (void)ret_error;
    ck_assert_int_ge(sd_bus_message_read(message, "sss", &name, &old_owner, &new_owner), 0);
    if (strcmp(name, BANGER_BUS_NAME) != 0)
        return 0;
    ck_assert_msg(old_owner[0] != '\0' && new_owner[0] != '\0', "a moment without an owner");
    ++*n_changes;
    return 0;
}

/*
 * The bus takes nothing for a while, whichever bus it is (1: dbus-broker): another connection takes
 * the name without a moment in which it has no owner, and no call that the first one has is lost.
 */
START_TEST(no_gap)
{
    const char *bus_process = _i == 0 ? "dbus-daemon" : "dbus-broker";
    g_autofree char *broker = g_find_program_in_path("dbus-broker-launch");
    g_autofree char *first = NULL;
    RigPending *pending[N_CALLS];
    unsigned int n_changes = 0;
    sd_bus *root, *watcher;
    Before before;
    pid_t bus_pid;

    if (_i == 1 && broker == NULL) {
        harness_skip("no dbus-broker here");
        return;
    }
    if (_i == 1)
        move_to_broker();
    load_check_served();
    root = rig_bus_open(0);
    rig_call_ok(root, "ClearResolverRouting", "ss", "", ""); /* who that is is known then */
    watcher = rig_bus_open(0);
    ck_assert_int_ge(sd_bus_match_signal(watcher, NULL, "org.freedesktop.DBus", NULL,
                                         "org.freedesktop.DBus", "NameOwnerChanged", count_changes,
                                         &n_changes),
                     0);
    first = owner_of_name();
    bus_pid = rig_find_process(bus_process);
    ck_assert_int_ne(bus_pid, 0);
    before.helper = rig_pid_of(BANGER_BUS_NAME);
    before.n_sockets = count_sockets(before.helper);
    ck_assert_int_eq(kill(before.helper, SIGSTOP), 0);
    for (int i = 0; i < N_CALLS; i++)
        pending[i] = start_call(root, "");
    load_handle_answers(root); /* the bus has them */
    load_handle_answers(root); /* and has passed them on */
    ck_assert_int_eq(kill(bus_pid, SIGSTOP), 0);
    ck_assert_int_eq(kill(before.helper, SIGCONT), 0);
    rig_wait_for(has_more_sockets, &before, "another connection");
    ck_assert_int_eq(kill(bus_pid, SIGCONT), 0);
    rig_wait_for(has_other_owner, first, "another connection to have the name");
    for (int i = 0; i < N_CALLS; i++) {
        rig_pending_wait(root, pending[i]);
        ck_assert_msg(pending[i]->error_name == NULL, "%s", pending[i]->error_message);
        rig_pending_free(pending[i]);
    }
    load_handle_answers(watcher);
    ck_assert_uint_ge(n_changes, 1);
    ck_assert_int_eq(rig_pid_of(BANGER_BUS_NAME), before.helper);
    load_check_served();
    sd_bus_flush_close_unref(watcher);
    sd_bus_flush_close_unref(root);
}
END_TEST

/* Whoever does not read is the only one who notices with dbus-broker, too. */
START_TEST(reader_with_broker)
{
    g_autofree char *broker = g_find_program_in_path("dbus-broker-launch");
    sd_bus *strangers[4];

    if (broker == NULL) {
        harness_skip("no dbus-broker here");
        return;
    }
    move_to_broker();
    for (unsigned int i = 0; i < G_N_ELEMENTS(strangers); i++) {
        sd_bus *bus = strangers[i] = rig_bus_open(RIG_UID_USERS + i % 2);

        for (int n = 0; n < 2000; n++)
            load_send(bus, n % 2 == 0
                               ? sample_call(bus, banger_method(BANGER_METHOD_DELETE_TAP), 0, "")
                               : load_built_in_call(bus, "org.freedesktop.DBus.Introspectable",
                                                    "Introspect"));
        (void)sd_bus_flush(bus); /* the bus may have had enough of it */
    }
    load_check_served();
    for (unsigned int i = 0; i < G_N_ELEMENTS(strangers); i++)
        sd_bus_close_unref(strangers[i]);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/takeover", argv,
              (const char *const[]){"--limit", "max_incoming_bytes=1000000", NULL});
    suite = suite_create("takeover");
    tcase = tcase_create("takeover");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, stuck_connection_is_replaced);
    tcase_add_test(tcase, former_connection_is_closed);
    tcase_add_loop_test(tcase, stuck_helper_ends, 0, 2);
    tcase_add_loop_test(tcase, no_gap, 0, 2);
    tcase_add_test(tcase, reader_with_broker);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/takeover", suite);
}
