/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The limits on operations, on the size of messages and arguments, on connections and on records.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bus/calls/call-samples.h"
#include "model/bounds.h"
#include "util/settings.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define LIMITS "org.freedesktop.DBus.Error.LimitsExceeded"

#define USERS (BANGER_OPERATIONS_MAX / BANGER_OPERATIONS_PER_UID_MAX)
#define PER_USER BANGER_OPERATIONS_PER_UID_MAX

/* More records than the socket of the journal and the line for strangers have room for. */
#define N_BEHIND 3000

static RigPending *
start_call(sd_bus *bus, const char *op_id)
{
    return rig_call_start(bus, sample_call(bus, banger_method(BANGER_METHOD_DELETE_TAP), 0, op_id));
}

/* The helper is the same as before, and serves. */
static void
check_alive(pid_t helper)
{
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);

    ck_assert_int_eq(rig_pid_of(BANGER_BUS_NAME), helper);
    rig_call_ok(bus, "ClearResolverRouting", "ss", "", "");
    sd_bus_flush_close_unref(bus);
}

/*
 * Fills the helper with operations that wait for a polkitd that is stopped: 64 each of four users.
 * The next one of the same user is refused at once; another user's waits as they do: what was not
 * authorized does not count against the total.
 */
START_TEST(operations_in_flight)
{
    sd_bus *users[USERS];
    RigPending *pending[USERS][PER_USER];
    sd_bus *late = rig_bus_open(RIG_UID_USERS + USERS);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    RigPending *refused, *other;
    pid_t helper, polkitd;

    sd_bus_message_unref(rig_call_message(
        late, sample_call(late, banger_method(BANGER_METHOD_DELETE_TAP), 0, ""), &error));
    sd_bus_error_free(&error);
    helper = rig_pid_of(BANGER_BUS_NAME);
    polkitd = rig_pid_of(POLKIT);
    ck_assert_int_eq(kill(polkitd, SIGSTOP), 0);
    for (unsigned int u = 0; u < USERS; u++) {
        users[u] = rig_bus_open(RIG_UID_USERS + u);
        for (unsigned int i = 0; i < PER_USER; i++)
            pending[u][i] = start_call(users[u], "");
        refused = start_call(users[u], "one-too-many");
        rig_pending_wait(users[u], refused);
        ck_assert_str_eq(refused->error_name, LIMITS);
        ck_assert(g_str_has_suffix(refused->error_message, " (one-too-many)"));
        rig_pending_free(refused);
    }
    other = start_call(late, "number-257");
    for (unsigned int u = 0; u < USERS; u++) {
        rig_bus_handle(users[u]);
        for (unsigned int i = 0; i < PER_USER; i++)
            ck_assert_msg(!pending[u][i]->done, "%s", pending[u][i]->error_message);
    }
    ck_assert(!other->done);
    ck_assert_int_eq(kill(polkitd, SIGCONT), 0);
    rig_pending_wait(late, other);
    ck_assert_str_ne(other->error_name, LIMITS);
    rig_pending_free(other);
    for (unsigned int u = 0; u < USERS; u++) {
        for (unsigned int i = 0; i < PER_USER; i++) {
            rig_pending_wait(users[u], pending[u][i]);
            ck_assert_str_ne(pending[u][i]->error_name, LIMITS);
            rig_pending_free(pending[u][i]);
        }
        sd_bus_flush_close_unref(users[u]);
    }
    sd_bus_flush_close_unref(late);
    check_alive(helper);
}
END_TEST

/* A WriteExt4Files call of @count files with @size bytes each. */
static sd_bus_message *
large_call(sd_bus *bus, unsigned int count, size_t size, const char *op_id)
{
    sd_bus_message *message = rig_message_new(bus, "WriteExt4Files");
    g_autofree char *data = g_malloc0(size);

    ck_assert_int_ge(sd_bus_message_append(message, "s", BANGER_STATE_DIRECTORY "/no.img"), 0);
    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "(sayu)"), 0);
    for (unsigned int i = 0; i < count; i++) {
        ck_assert_int_ge(sd_bus_message_open_container(message, 'r', "sayu"), 0);
        ck_assert_int_ge(sd_bus_message_append(message, "s", "/large"), 0);
        ck_assert_int_ge(sd_bus_message_append_array(message, 'y', data, size), 0);
        ck_assert_int_ge(sd_bus_message_append(message, "u", 0u), 0);
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    }
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", op_id), 0);
    return message;
}

/* This rig's bus lets messages through that are larger than the helper's own limit. */
START_TEST(large_message)
{
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    pid_t helper;

    rig_call_ok(bus, "ClearResolverRouting", "ss", "", "");
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_ptr_null(rig_call_message(bus, large_call(bus, 3, 11 << 20, "large-1"), &error));
    ck_assert_msg(strcmp(error.name, LIMITS) == 0, "%s: %s", error.name, error.message);
    ck_assert_msg(g_str_has_suffix(error.message, ")"), "%s", error.message);
    sd_bus_error_free(&error);
    /* On the same connection: the next call works. */
    rig_call_ok(bus, "ClearResolverRouting", "ss", "", "");
    sd_bus_flush_close_unref(bus);
    check_alive(helper);
}
END_TEST

/* Too many files, and too large a one, within the size of a message. */
START_TEST(large_arguments)
{
    sd_bus *bus = rig_bus_open(0);
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_ptr_null(
        rig_call_message(bus, large_call(bus, BANGER_GUEST_FILES_MAX + 1, 1, "many-1"), &error));
    ck_assert_str_eq(error.name, "org.banger.Helper1.Error.BadParams");
    sd_bus_error_free(&error);
    ck_assert_ptr_null(
        rig_call_message(bus, large_call(bus, 1, BANGER_GUEST_FILE_MAX + 1, "many-2"), &error));
    ck_assert_str_eq(error.name, "org.banger.Helper1.Error.BadParams");
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
}
END_TEST

#define CONNECTIONS 1000

/*
 * A thousand callers at once: each is answered, with a result or with a refusal that says why. On a
 * machine that has other work, polkit may be late for some of them.
 */
START_TEST(thousand_connections)
{
    static sd_bus *callers[CONNECTIONS];
    static RigPending *pending[CONNECTIONS];
    unsigned int unanswered = 0;
    pid_t helper;

    for (unsigned int i = 0; i < CONNECTIONS; i++) {
        callers[i] = rig_bus_open(RIG_UID_USERS + i % RIG_N_USERS);
        ck_assert_int_ge(sd_bus_call_method(callers[i], BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                            "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, ""),
                         0);
    }
    helper = rig_pid_of(BANGER_BUS_NAME);
    for (unsigned int i = 0; i < CONNECTIONS; i++)
        pending[i] = start_call(callers[i], "");
    for (unsigned int i = 0; i < CONNECTIONS; i++) {
        rig_pending_wait(callers[i], pending[i]);
        ck_assert_ptr_nonnull(pending[i]->error_name); /* polkit says no to these users */
        if (strcmp(pending[i]->error_name, LIMITS) == 0 ||
            strstr(pending[i]->error_message, "polkit did not answer in time") != NULL)
            unanswered++;
        else
            ck_assert_msg(strstr(pending[i]->error_name, "AuthorizationRequired") != NULL, "%s: %s",
                          pending[i]->error_name, pending[i]->error_message);
        rig_pending_free(pending[i]);
    }
    ck_assert_uint_lt(unanswered, CONNECTIONS);
    check_alive(helper);
    for (unsigned int i = 0; i < CONNECTIONS; i++)
        sd_bus_flush_close_unref(callers[i]);
    check_alive(helper);
}
END_TEST

/* How many records there are of calls whose op_id begins so. */
static unsigned int
count_records(const char *op_id_prefix)
{
    g_autoptr(GPtrArray) records = rig_journal_find("METHOD", "ClearResolverRouting");
    unsigned int n = 0;

    for (guint i = 0; i < records->len; i++) {
        const char *op_id = g_hash_table_lookup(g_ptr_array_index(records, i), "OP_ID");

        n += g_str_has_prefix(op_id, op_id_prefix) ? 1 : 0;
    }
    return n;
}

/*
 * The journal reads nothing for a while: no record of an authorized call is lost, whatever
 * strangers do meanwhile, and no one waits for it.
 */
START_TEST(records_while_the_journal_is_behind)
{
    sd_bus *stranger = rig_bus_open(RIG_UID_USERS + 19);
    sd_bus *root = rig_bus_open(0);
    pid_t journal = rig_find_process("rig-journal");

    ck_assert_int_ne(journal, 0);
    rig_call_ok(root, "ClearResolverRouting", "ss", "", "");
    ck_assert_int_eq(kill(journal, SIGSTOP), 0);
    for (int i = 0; i < N_BEHIND; i++) {
        g_autofree char *op_id = g_strdup_printf("behind-%d", i);

        if (i % 10 == 0)
            rig_pending_free(start_call(stranger, "x"));
        rig_call_ok(root, "ClearResolverRouting", "ss", "", op_id);
    }
    ck_assert_int_eq(kill(journal, SIGCONT), 0);
    rig_call_ok(root, "ClearResolverRouting", "ss", "", "after-behind");
    g_hash_table_unref(rig_journal_wait("after-behind"));
    ck_assert_uint_eq(count_records("behind-"), N_BEHIND);
    sd_bus_close_unref(stranger);
    sd_bus_flush_close_unref(root);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/limits", argv,
              (const char *const[]){"--limit", "max_message_size=134217728", NULL});
    suite = suite_create("limits");
    tcase = tcase_create("limits");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, operations_in_flight);
    tcase_add_test(tcase, large_message);
    tcase_add_test(tcase, large_arguments);
    tcase_add_test(tcase, thousand_connections);
    tcase_add_test(tcase, records_while_the_journal_is_behind);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/limits", suite);
}
