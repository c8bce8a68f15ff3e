/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whoever calls without end is the only one who notices. */
#include <signal.h>
#include <string.h>

#include "bus/calls/call-load.h"
#include "bus/calls/call-samples.h"
#include "model/bounds.h"
#include "util/settings.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define FLOOD 3000u /* more than all of a stranger's budgets */
#define KNOWN_MAX 64u
#define N_REFUSED 62 /* more than have a record, and fewer than are dropped */

/*
 * Sends FLOOD calls, of DeleteTap, or of @member of sd-bus's own @interface; not more at a time
 * than the bus lets one connection wait for.
 */
static void
flood(sd_bus *bus, const char *interface, const char *member)
{
    sd_bus *other = rig_bus_open(0);

    for (unsigned int i = 0; i < FLOOD; i++) {
        load_send(bus, interface == NULL
                           ? sample_call(bus, banger_method(BANGER_METHOD_DELETE_TAP), 0, "x")
                           : load_built_in_call(bus, interface, member));
        if (i % 32 != 0)
            continue;
        ck_assert_int_ge(sd_bus_flush(bus), 0);
        ck_assert_msg(load_is_answering(other), "root is not answered");
    }
    ck_assert_int_ge(sd_bus_flush(bus), 0);
    sd_bus_close_unref(other);
}

/* A stranger's flood gets what the budget is for, one refusal that says so, and silence. */
START_TEST(flood_is_dropped)
{
    sd_bus *bus = rig_bus_open(RIG_UID_STRANGER);
    CallAnswers answers = {0};

    load_count_answers(bus, &answers);
    flood(bus, NULL, NULL);
    load_check_served();
    load_handle_answers(bus);
    ck_assert_uint_le(answers.n_replies, 1000);
    ck_assert_msg(answers.n_refusals == 1, "%u refusals in %u replies", answers.n_refusals,
                  answers.n_replies);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* The interfaces that sd-bus answers itself have no way around the budgets. */
START_TEST(flood_of_introspection)
{
    sd_bus *bus = rig_bus_open(RIG_UID_USERS);
    CallAnswers answers = {0};

    load_count_answers(bus, &answers);
    flood(bus, "org.freedesktop.DBus.Introspectable", "Introspect");
    load_check_served();
    load_handle_answers(bus);
    ck_assert_uint_ge(answers.n_bytes, 1);
    ck_assert_uint_le(answers.n_bytes, 4 << 20);
    ck_assert_msg(answers.n_refusals == 1, "%u refusals in %u replies", answers.n_refusals,
                  answers.n_replies);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* A signal to the helper alone is ignored, unless the bus sends it: this one is not the bus's. */
START_TEST(flood_of_signals)
{
    sd_bus *bus = rig_bus_open(RIG_UID_STRANGER);
    sd_bus *other = rig_bus_open(0);

    for (unsigned int i = 0; i < FLOOD; i++) {
        sd_bus_message *signal = NULL;

        ck_assert_int_ge(sd_bus_message_new_signal(bus, &signal, "/org/freedesktop/DBus",
                                                   "org.freedesktop.DBus", "NameLost"),
                         0);
        ck_assert_int_ge(sd_bus_message_append(signal, "s", BANGER_BUS_NAME), 0);
        ck_assert_int_ge(sd_bus_message_set_destination(signal, BANGER_BUS_NAME), 0);
        ck_assert_int_ge(sd_bus_send(bus, signal, NULL), 0);
        sd_bus_message_unref(signal);
        if (i % 32 != 0)
            continue;
        ck_assert_int_ge(sd_bus_flush(bus), 0);
        ck_assert_msg(load_is_answering(other), "root is not answered");
    }
    ck_assert_int_ge(sd_bus_flush(bus), 0);
    load_check_served();
    sd_bus_close_unref(other);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* A new name is looked up before its first call is answered, whatever that is. */
START_TEST(first_call_of_a_connection)
{
    static const struct {
        const char *interface, *member;
    } calls[] = {
        {"org.freedesktop.DBus.Peer", "Ping"},
        {"org.freedesktop.DBus.Introspectable", "Introspect"},
        {"org.freedesktop.DBus.ObjectManager", "GetManagedObjects"},
        {BANGER_INTERFACE, "ListMachines"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
        sd_bus *bus = rig_bus_open(RIG_UID_USERS + 1);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void)sd_bus_call_method(bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH, calls[i].interface,
                                 calls[i].member, &error, NULL, "");
        /* Without systemd and device-mapper there may be nothing to list; but it was asked. */
        ck_assert_msg(error.name == NULL || strncmp(error.name, BANGER_INTERFACE, 18) == 0,
                      "%s: %s: %s", calls[i].member, error.name, error.message);
        sd_bus_error_free(&error);
        sd_bus_flush_close_unref(bus);
    }
}
END_TEST

/* Who was authorized is no stranger: a thousand calls, and each is answered. */
START_TEST(member_has_no_budget)
{
    sd_bus *bus = rig_bus_open(RIG_UID_MEMBER);

    for (int i = 0; i < 1000; i++)
        rig_call_ok(bus, "ClearResolverRouting", "ss", "", "");
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* How many of 512 calls of strangers that wait for polkit were answered when the owner's was. */
static unsigned int
count_answered_before_owner(void)
{
    sd_bus *strangers[8];
    sd_bus *owner = rig_bus_open(RIG_UID_OWNER);
    RigPending *pending;
    pid_t polkitd;
    unsigned int n_before = 0;
    CallAnswers answers[8] = {{0}};

    rig_call_ok(owner, "ClearResolverRouting", "ss", "", "");
    polkitd = rig_pid_of(POLKIT);
    ck_assert_int_eq(kill(polkitd, SIGSTOP), 0);
    for (unsigned int i = 0; i < 8; i++) {
        strangers[i] = rig_bus_open(RIG_UID_USERS + 2 + i);
        load_count_answers(strangers[i], &answers[i]);
        for (unsigned int n = 0; n < KNOWN_MAX; n++)
            load_send(strangers[i],
                      sample_call(strangers[i], banger_method(BANGER_METHOD_DELETE_TAP), 0, ""));
        ck_assert_int_ge(sd_bus_flush(strangers[i]), 0);
    }
    pending =
        rig_call_start(owner, sample_call(owner, banger_method(BANGER_METHOD_DELETE_TAP), 0, ""));
    ck_assert_int_eq(kill(polkitd, SIGCONT), 0);
    rig_pending_wait(owner, pending);
    ck_assert_msg(pending->error_name == NULL, "%s: %s", pending->error_name,
                  pending->error_message);
    rig_pending_free(pending);
    for (unsigned int i = 0; i < 8; i++) {
        rig_bus_handle(strangers[i]);
        n_before += answers[i].n_replies;
    }
    for (unsigned int i = 0; i < 8; i++)
        sd_bus_flush_close_unref(strangers[i]);
    sd_bus_flush_close_unref(owner);
    return n_before;
}

/* The calls of many that wait for polkit do not keep the owner from it for long. */
START_TEST(questions_take_turns)
{
    unsigned int least = 8 * KNOWN_MAX;

    /*
     * What polkit had, and what it came to meanwhile: by far not all of the 512. What comes before
     * this program counts them counts as well, so once is enough; a new helper has new budgets.
     */
    for (int round = 0; round < 5 && least >= 8 * KNOWN_MAX / 2; round++) {
        rig_stop_service(BANGER_BUS_NAME, SIGTERM);
        least = MIN(least, count_answered_before_owner());
    }
    ck_assert_uint_lt(least, 8 * KNOWN_MAX / 2);
}
END_TEST

/* Refused calls have fifty records, and one that counts the others; what is quoted is short. */
START_TEST(records_of_refused_calls)
{
    sd_bus *bus = rig_bus_open(RIG_UID_USERS + 10);
    g_autofree char *uid = g_strdup_printf("%d", RIG_UID_USERS + 10);
    g_autofree char *long_name = g_strnfill(1000, 'A');
    g_autoptr(GPtrArray) records = NULL;
    unsigned int n_recorded = 0, n_counted = 0;
    RigPending *pending[N_REFUSED];

    /* All at once: a record comes back each second. */
    for (int i = 0; i < N_REFUSED; i++) {
        sd_bus_message *message = rig_message_new(bus, "FindFirecrackerPID");

        ck_assert_int_ge(sd_bus_message_append(message, "ss", long_name, ""), 0);
        pending[i] = rig_call_start(bus, message);
    }
    for (int i = 0; i < N_REFUSED; i++) {
        rig_pending_wait(bus, pending[i]);
        ck_assert_str_eq(pending[i]->error_name, RIG_ERROR("BadParams"));
        rig_pending_free(pending[i]);
    }
    /* The end of the service is the latest moment for the count. */
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    for (int i = 0; i < 80; i++) { /* and the start of the next one shows that it was written */
        g_clear_pointer(&records, g_ptr_array_unref);
        load_check_served();
        records = rig_journal_find("CALLER_UID", uid);
        n_recorded = n_counted = 0;
        for (guint n = 0; n < records->len; n++) {
            GHashTable *record = g_ptr_array_index(records, n);
            const char *count = g_hash_table_lookup(record, "N_CALLS");
            const char *error = g_hash_table_lookup(record, "ERROR");

            if (count != NULL)
                n_counted += (unsigned int)atoi(count);
            else
                n_recorded++;
            ck_assert(error == NULL || strlen(error) < 400);
        }
        if (n_counted > 0)
            break;
    }
    ck_assert_uint_ge(n_recorded, 50);
    ck_assert_uint_lt(n_recorded, N_REFUSED);
    ck_assert_uint_eq(n_recorded + n_counted, N_REFUSED);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* Before a caller is authorized not more than 64 bytes of what he sent go back to him. */
START_TEST(refusals_quote_little)
{
    const BangerMethod *method = banger_method((BangerMethodId)_i);
    g_autofree char *too_much = g_strnfill(65, 'A');
    g_autofree char *text = g_strnfill(3000, 'A');
    sd_bus *bus = rig_bus_open(RIG_UID_USERS + 11 + (uid_t)_i % 8);
    sd_bus_message *message = rig_message_new(bus, method->dbus_name);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    bool plain = true;

    for (const BangerField *field = method->in; field->name != NULL && plain; field++) {
        plain = field->type == BANGER_TYPE_STRING || field->type == BANGER_TYPE_UINT32 ||
                field->type == BANGER_TYPE_BOOLEAN;
        if (field->type == BANGER_TYPE_STRING)
            ck_assert_int_ge(sd_bus_message_append(message, "s", text), 0);
        else if (plain)
            ck_assert_int_ge(
                sd_bus_message_append(message, field->type == BANGER_TYPE_UINT32 ? "u" : "b", 1),
                0);
    }
    if (plain) {
        ck_assert_int_ge(sd_bus_message_append(message, "s", text), 0);
        ck_assert_ptr_null(rig_call_message(bus, message, &error));
        ck_assert_msg(strstr(error.message, too_much) == NULL, "%s: %s", method->dbus_name,
                      error.message);
        sd_bus_error_free(&error);
    } else {
        sd_bus_message_unref(message);
    }
    sd_bus_flush_close_unref(bus);
}
END_TEST

/*
 * What sd-bus answers itself, with a text of the caller's that is longer than all there is. @text:
 * where it is, p path, o path of an object, i interface, m member, 1 the first argument, 2 the
 * second.
 */
static const struct {
    char where;
    size_t length;
    const char *interface, *member, *types;
} built_in[] = {
    {'p', 3000, "org.freedesktop.DBus.Introspectable", "Introspect", ""},
    {'p', 70, "org.freedesktop.DBus.Properties", "GetAll", "s"},
    {'o', 300, "org.freedesktop.DBus.Properties", "GetAll", "s"},
    {'o', 3000, "org.freedesktop.DBus.Introspectable", "Introspect", ""},
    {'i', 200, "org.freedesktop.DBus.Peer", "Ping", ""},
    {'m', 200, "org.freedesktop.DBus.Properties", "GetAll", "s"},
    {'m', 200, BANGER_INTERFACE, "Nothing", ""},
    {'1', 1 << 20, "org.freedesktop.DBus.Properties", "GetAll", "s"},
    {'1', 65, "org.freedesktop.DBus.Properties", "GetAll", "s"},
    {'2', 3000, "org.freedesktop.DBus.Properties", "Get", "ss"},
    {'2', 3000, "org.freedesktop.DBus.Peer", "Ping", "ss"},
};

START_TEST(built_in_refusals_quote_little)
{
    char where = built_in[_i].where;
    g_autofree char *text = g_strnfill(built_in[_i].length, 'A');
    g_autofree char *too_much = g_strnfill(65, 'A');
    g_autofree char *path =
        where == 'p' || where == 'o'
            ? g_strconcat(where == 'p' ? "/" : BANGER_OBJECT_PATH "/snapshots/", text, NULL)
            : g_strdup(BANGER_OBJECT_PATH);
    g_autofree char *interface =
        where == 'i' ? g_strconcat("org.", text, NULL) : g_strdup(built_in[_i].interface);
    sd_bus *bus = rig_bus_open(RIG_UID_USERS + 11 + (uid_t)_i % 8);
    sd_bus_message *message = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_int_ge(sd_bus_message_new_method_call(bus, &message, BANGER_BUS_NAME, path, interface,
                                                    where == 'm' ? text : built_in[_i].member),
                     0);
    for (const char *type = built_in[_i].types; *type != '\0'; type++)
        ck_assert_int_ge(
            sd_bus_message_append(
                message, "s", where == '1' + (type - built_in[_i].types) ? text : BANGER_INTERFACE),
            0);
    ck_assert_ptr_null(rig_call_message(bus, message, &error));
    ck_assert_msg(strlen(error.message) < 256 && strstr(error.message, too_much) == NULL, "%s: %s",
                  error.name, error.message);
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/flood", argv, NULL);
    suite = suite_create("flood");
    tcase = tcase_create("flood");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, flood_is_dropped);
    tcase_add_test(tcase, flood_of_introspection);
    tcase_add_test(tcase, flood_of_signals);
    tcase_add_test(tcase, first_call_of_a_connection);
    tcase_add_test(tcase, member_has_no_budget);
    tcase_add_test(tcase, questions_take_turns);
    tcase_add_test(tcase, records_of_refused_calls);
    tcase_add_loop_test(tcase, refusals_quote_little, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, built_in_refusals_quote_little, 0, G_N_ELEMENTS(built_in));
    suite_add_tcase(suite, tcase);
    return harness_run("bus/flood", suite);
}
