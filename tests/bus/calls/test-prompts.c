/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Passwords: a question to a person waits, can be cancelled, and keeps no other call waiting. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/calls/call-samples.h"
#include "util/fd.h"
#include "util/settings.h"

/*
 * Calls that wait for a person's password. The person is a polkit agent of the test's that never
 * answers, as a stranger may bring along one.
 */

#define POLKIT "org.freedesktop.PolicyKit1"
#define AGENT_PATH "/org/banger/test/Agent"
#define LIMITS "org.freedesktop.DBus.Error.LimitsExceeded"
#define PROMPTS 4 /* of one user, src/auth/auth.c */

typedef struct {
    pid_t pid;
    int from_fd; /* a byte when the stranger is there, and one after its work: 'y' or what failed */
    int to_fd;   /* a byte sets it to work, closing it ends the stranger */
} Stranger;

static unsigned int dialogs;
static unsigned int cancelled;

static int
on_agent_call(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
    (void)user_data;
    (void)ret_error;
    if (sd_bus_message_is_method_call(message, "org.freedesktop.PolicyKit1.AuthenticationAgent",
                                      "BeginAuthentication") > 0)
        dialogs++;
    else if (sd_bus_message_is_method_call(message,
                                           "org.freedesktop.PolicyKit1.AuthenticationAgent",
                                           "CancelAuthentication") > 0)
        cancelled++;
    return 1; /* and no answer, ever */
}

/* The start time of this process in clock ticks, field 22 of proc(5)'s stat. */
static uint64_t
own_start_time(void)
{
    g_autofree char *stat = NULL;
    g_auto(GStrv) fields = NULL;
    char *end;

    if (!g_file_get_contents("/proc/self/stat", &stat, NULL, NULL))
        return 0;
    end = strrchr(stat, ')');
    fields = g_strsplit(end + 2, " ", -1);
    return g_ascii_strtoull(fields[22 - 3], NULL, 10);
}

static bool
register_agent(sd_bus *bus)
{
    return sd_bus_add_object(bus, NULL, AGENT_PATH, on_agent_call, NULL) >= 0 &&
           sd_bus_call_method(bus, POLKIT, "/org/freedesktop/PolicyKit1/Authority",
                              "org.freedesktop.PolicyKit1.Authority", "RegisterAuthenticationAgent",
                              NULL, NULL, "(sa{sv})ss", "unix-process", 3, "pid", "u",
                              (uint32_t)getpid(), "start-time", "t", own_start_time(), "uid", "i",
                              (int32_t)getuid(), "C", AGENT_PATH) >= 0;
}

static RigPending *
start_interactive(sd_bus *bus, const char *op_id)
{
    sd_bus_message *message = sample_call(bus, banger_method(BANGER_METHOD_DELETE_TAP), 0, op_id);

    (void)sd_bus_message_set_allow_interactive_authorization(message, true);
    return rig_call_start(bus, message);
}

/*
 * Handles what comes in until polkit has opened, or cancelled, as @counter says, @count dialogs.
 */
static bool
wait_for_count(sd_bus *bus, const unsigned int *counter, unsigned int count)
{
    gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (*counter < count && g_get_monotonic_time() < end) {
        int r = sd_bus_process(bus, NULL);

        if (r < 0 || (r == 0 && sd_bus_wait(bus, 100000) < 0))
            return false;
    }
    return *counter >= count;
}

/*
 * Makes this process the stranger's, with an agent; returns 'y', or a letter for what did not come
 * out.
 */
static char
be_stranger(sd_bus **ret_bus)
{
    if (setgroups(0, NULL) != 0 ||
        setresgid(RIG_UID_STRANGER, RIG_UID_STRANGER, RIG_UID_STRANGER) ||
        setresuid(RIG_UID_STRANGER, RIG_UID_STRANGER, RIG_UID_STRANGER) != 0)
        return 'u';
    if (sd_bus_open_system(ret_bus) < 0)
        return 'b';
    return register_agent(*ret_bus) ? 'y' : 'a';
}

/* Opens as many dialogs as may be, and tries one more. */
static char
hold_dialogs(sd_bus *bus)
{
    RigPending *pending[PROMPTS];
    RigPending *refused;

    for (unsigned int i = 0; i < PROMPTS; i++) {
        g_autofree char *op_id = g_strdup_printf("prompt-%u", i);

        pending[i] = start_interactive(bus, op_id);
    }
    if (!wait_for_count(bus, &dialogs, PROMPTS))
        return 'd';
    refused = start_interactive(bus, "one-prompt-too-many");
    rig_pending_wait(bus, refused);
    if (g_strcmp0(refused->error_name, LIMITS) != 0)
        return 'l';
    for (unsigned int i = 0; i < PROMPTS; i++)
        if (pending[i]->done)
            return 'p';
    return 'y';
}

/* Opens as many dialogs as may be and leaves them, again and again, while the agent stays. */
static char
leave_dialogs(sd_bus *agent)
{
    for (unsigned int round = 1; round <= 3; round++) {
        sd_bus *caller = NULL;

        if (sd_bus_open_system(&caller) < 0)
            return 'b';
        for (unsigned int i = 0; i < PROMPTS; i++)
            (void)start_interactive(caller, "");
        if (sd_bus_flush(caller) < 0 || !wait_for_count(agent, &dialogs, round * PROMPTS))
            return 'd';
        sd_bus_close_unref(caller);
        if (!wait_for_count(agent, &cancelled, round * PROMPTS))
            return 'c';
    }
    return 'y';
}

/* Makes one call; when this returns the helper has it. */
static char
make_a_call(sd_bus *bus)
{
    (void)start_interactive(bus, "stopping-1");
    return sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH, "org.freedesktop.DBus.Peer",
                              "Ping", NULL, NULL, "") >= 0
               ? 'y'
               : 'c';
}

/* Forks the stranger, who says that it is there, does @work when it is asked to, and says so. */
static Stranger
start_stranger(char (*work)(sd_bus *bus))
{
    int from[2], to[2];
    Stranger stranger;

    ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
    stranger = (Stranger){.pid = fork(), .from_fd = from[0], .to_fd = to[1]};
    ck_assert_int_ge(stranger.pid, 0);
    if (stranger.pid == 0) {
        sd_bus *bus = NULL;
        char result;
        char word;

        (void)close(to[1]);
        result = be_stranger(&bus);
        (void)!write(from[1], &result, 1);
        if (read(to[0], &word, 1) == 1) {
            result = work(bus);
            (void)!write(from[1], &result, 1);
            (void)!read(to[0], &word, 1); /* until the test ends it */
        }
        _exit(0);
    }
    (void)close(from[1]);
    (void)close(to[0]);
    return stranger;
}

static void
await_stranger(const Stranger *stranger)
{
    char result = 0;

    ck_assert_int_eq(read(stranger->from_fd, &result, 1), 1);
    ck_assert_msg(result == 'y', "the stranger failed at '%c'", result);
}

static void
set_to_work(const Stranger *stranger)
{
    ck_assert_int_eq(write(stranger->to_fd, "w", 1), 1);
    await_stranger(stranger);
}

static void
end_stranger(Stranger *stranger)
{
    banger_close_fd(&stranger->to_fd);
    banger_close_fd(&stranger->from_fd);
    ck_assert_int_eq(waitpid(stranger->pid, NULL, 0), stranger->pid);
}

/*
 * A stranger may keep four dialogs open, not one more; no one else is kept from anything by them;
 * and they end, as denied, when the stranger leaves.
 */
START_TEST(dialogs_are_bounded)
{
    Stranger stranger = start_stranger(hold_dialogs);
    sd_bus *owner = rig_bus_open(RIG_UID_OWNER);
    sd_bus *root = rig_bus_open(0);

    await_stranger(&stranger);
    set_to_work(&stranger);
    for (int i = 0; i < 20; i++) {
        rig_call_ok(owner, "ClearResolverRouting", "ss", "", "");
        rig_call_ok(root, "ClearResolverRouting", "ss", "", "");
    }
    end_stranger(&stranger);
    for (unsigned int i = 0; i < PROMPTS; i++) {
        g_autofree char *op_id = g_strdup_printf("prompt-%u", i);
        g_autoptr(GHashTable) record = rig_journal_wait(op_id);

        ck_assert_str_eq(g_hash_table_lookup(record, "CODE"), "unauthorized");
        ck_assert_msg(strstr(g_hash_table_lookup(record, "ERROR"), "left") != NULL, "%s",
                      (const char *)g_hash_table_lookup(record, "ERROR"));
    }
    sd_bus_flush_close_unref(owner);
    sd_bus_flush_close_unref(root);
}
END_TEST

static void
have_stranger_do(char (*work)(sd_bus *bus))
{
    Stranger stranger = start_stranger(work);

    await_stranger(&stranger);
    set_to_work(&stranger);
    end_stranger(&stranger);
}

/* A dialog ends with its caller, and makes room for another one at once. */
START_TEST(dialogs_end_with_their_caller)
{
    have_stranger_do(leave_dialogs);
}
END_TEST

static bool
has_no_helper(void *data)
{
    (void)data;
    return rig_pid_of(BANGER_BUS_NAME) == 0;
}

/*
 * A helper that was asked to end opens no dialog: it would wait for a person, two minutes long.
 */
START_TEST(no_dialog_after_sigterm)
{
    Stranger stranger = start_stranger(make_a_call);
    sd_bus *owner = rig_bus_open(RIG_UID_OWNER);
    g_autoptr(GHashTable) record = NULL;
    pid_t helper, polkitd;

    await_stranger(&stranger);
    rig_call_ok(owner, "ClearResolverRouting", "ss", "", "");
    helper = rig_pid_of(BANGER_BUS_NAME);
    polkitd = rig_pid_of(POLKIT);
    ck_assert_int_eq(kill(polkitd, SIGSTOP), 0);
    set_to_work(&stranger);
    ck_assert_int_eq(kill(helper, SIGTERM), 0);
    rig_wait_for(has_no_helper, NULL, "the helper to give up its name");
    ck_assert_int_eq(kill(polkitd, SIGCONT), 0);
    rig_wait_pid_gone(helper);
    record = rig_journal_wait("stopping-1");
    ck_assert_str_eq(g_hash_table_lookup(record, "CODE"), "unauthorized");
    ck_assert_ptr_nonnull(strstr(g_hash_table_lookup(record, "ERROR"), "stopping"));
    end_stranger(&stranger);
    sd_bus_flush_close_unref(owner);
}
END_TEST

static unsigned int
count_descriptors(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", pid);
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    unsigned int n = 0;

    while (directory != NULL && g_dir_read_name(directory) != NULL)
        n++;
    return n;
}

/* A descriptor that a method does not take: the call is refused, and nothing of it stays open. */
START_TEST(descriptors_are_refused)
{
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);
    unsigned int before;

    rig_call_ok(bus, "ClearResolverRouting", "ss", "", "");
    before = count_descriptors(rig_pid_of(BANGER_BUS_NAME));
    for (int i = 0; i < 20; i++) {
        sd_bus_message *message = rig_message_new(bus, "ClearResolverRouting");
        sd_bus_error error = SD_BUS_ERROR_NULL;

        ck_assert_int_ge(sd_bus_message_append(message, "ssh", "", "op-1", STDERR_FILENO), 0);
        ck_assert_ptr_null(rig_call_message(bus, message, &error));
        ck_assert_msg(strcmp(error.name, "org.banger.Helper1.Error.BadParams") == 0, "%s: %s",
                      error.name, error.message);
        sd_bus_error_free(&error);
    }
    rig_call_ok(bus, "ClearResolverRouting", "ss", "", "");
    ck_assert_uint_lt(count_descriptors(rig_pid_of(BANGER_BUS_NAME)), before + 20);
    sd_bus_flush_close_unref(bus);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/prompts", argv, NULL);
    suite = suite_create("prompts");
    tcase = tcase_create("prompts");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, dialogs_are_bounded);
    tcase_add_test(tcase, dialogs_end_with_their_caller);
    tcase_add_test(tcase, no_dialog_after_sigterm);
    tcase_add_test(tcase, descriptors_are_refused);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/prompts", suite);
}
