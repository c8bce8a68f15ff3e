/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is true of every call: op ids, errors, records without secrets, malformed messages, callers
 * that leave.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/calls/call-samples.h"
#include "util/op-id.h"
#include "util/settings.h"

#define BAD_PARAMS "org.banger.Helper1.Error.BadParams"

/* The op_id at the end of an error message, "… (OP_ID)". */
static char *
op_id_of(const char *message)
{
    const char *parenthesis = strrchr(message, '(');

    ck_assert_msg(parenthesis != NULL && g_str_has_suffix(message, ")"), "%s", message);
    return g_strndup(parenthesis + 1, strlen(parenthesis) - 2);
}

/* Calls @method as the stranger, who is refused, and returns the error's message. */
static char *
refusal(const BangerMethod *method, const char *op_id, char **ret_error_name)
{
    sd_bus *bus = rig_bus_open(RIG_UID_STRANGER);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    char *message;

    ck_assert_ptr_null(rig_call_message(bus, sample_call(bus, method, 1, op_id), &error));
    message = g_strdup(error.message);
    *ret_error_name = g_strdup(error.name);
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
    return message;
}

START_TEST(op_id_given)
{
    const BangerMethod *method = banger_method((BangerMethodId)_i);
    g_autofree char *given = g_strdup_printf("Chain.%d_a:b-c", _i);
    g_autofree char *name = NULL;
    g_autofree char *message = refusal(method, given, &name);
    g_autofree char *op_id = op_id_of(message);
    g_autoptr(GHashTable) record = rig_journal_wait(given);

    ck_assert_str_eq(op_id, given);
    ck_assert_str_eq(g_hash_table_lookup(record, "METHOD"), method->dbus_name);
}
END_TEST

START_TEST(op_id_minted)
{
    const BangerMethod *method = banger_method((BangerMethodId)_i);
    g_autofree char *name = NULL;
    g_autofree char *message = NULL;
    g_autofree char *op_id = NULL;
    g_autoptr(GHashTable) record = NULL;

    /*
     * The records of what a stranger is refused have a budget, which the test before has used; a
     * new helper has all of it.
     */
    if (_i == 0)
        rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    message = refusal(method, "", &name);
    op_id = op_id_of(message);
    record = rig_journal_wait(op_id);
    ck_assert_msg(g_regex_match_simple("^op-[0-9a-f]{12}$", op_id, 0, 0), "%s", op_id);
    ck_assert_str_eq(g_hash_table_lookup(record, "METHOD"), method->dbus_name);
}
END_TEST

/* Refused with a minted one, before polkit is asked anything. */
START_TEST(op_id_malformed)
{
    static const char *const malformed[] = {"-op", "op id", "op\nid", "op(1)", "opé", NULL};
    const BangerMethod *method = banger_method((BangerMethodId)_i);
    g_autofree char *too_long = g_strnfill(BANGER_OP_ID_MAX + 1, 'x');

    /* A stranger's calls have a budget of 64 at once: a new helper for each ten methods. */
    if (_i % 10 == 0)
        rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    for (size_t i = 0; i < G_N_ELEMENTS(malformed); i++) {
        g_autofree char *name = NULL;
        g_autofree char *message =
            refusal(method, malformed[i] == NULL ? too_long : malformed[i], &name);
        g_autofree char *op_id = op_id_of(message);

        ck_assert_str_eq(name, BAD_PARAMS);
        ck_assert_ptr_nonnull(strstr(message, "op_id"));
        ck_assert(banger_op_id_is_valid(op_id));
    }
}
END_TEST

/* Requires that @record has the field @name, and that its value matches @pattern. */
static void
check_field(GHashTable *record, const char *name, const char *pattern)
{
    const char *value = g_hash_table_lookup(record, name);

    ck_assert_msg(value != NULL, "the record has no %s", name);
    ck_assert_msg(g_regex_match_simple(pattern, value, G_REGEX_DOTALL, 0), "%s=%s", name, value);
}

/* The fields every record of a call has. */
static void
check_common_fields(GHashTable *record, sd_bus *bus, const char *method, uid_t uid)
{
    g_autofree char *number = g_strdup_printf("^%u$", uid);
    g_autofree char *pid = g_strdup_printf("^%d$", (int)getpid());
    g_autofree char *sender = NULL;
    const char *name;

    ck_assert_int_ge(sd_bus_get_unique_name(bus, &name), 0);
    sender = g_strdup_printf("^%s$", name);
    check_field(record, "MESSAGE_ID", "^[0-9a-f]{32}$");
    ck_assert_str_eq(g_hash_table_lookup(record, "METHOD"), method);
    check_field(record, "DURATION_USEC", "^[0-9]+$");
    check_field(record, "DURATION_MS", "^[0-9]+$");
    ck_assert_int_eq(atoll(g_hash_table_lookup(record, "DURATION_USEC")) / 1000,
                     atoll(g_hash_table_lookup(record, "DURATION_MS")));
    check_field(record, "CALLER_UID", number);
    check_field(record, "CALLER_PID", pid);
    check_field(record, "SENDER", sender);
}

/* The name of an argument as a field: tap_name is TAP_NAME. */
static char *
field_name(const BangerField *field)
{
    return g_ascii_strup(field->name, -1);
}

static void
check_object_fields(GHashTable *record, const BangerField *fields)
{
    for (const BangerField *field = fields; field->name != NULL; field++) {
        g_autofree char *name = field_name(field);
        g_autofree char *text = sample_text(field);

        if (field->members != NULL)
            check_object_fields(record, field->members);
        if (field->type == BANGER_TYPE_STRING && (field->flags & BANGER_FIELD_OBJECT))
            ck_assert_str_eq(g_hash_table_lookup(record, name), text);
        if (field->flags & BANGER_FIELD_SECRET)
            ck_assert_ptr_null(g_hash_table_lookup(record, name));
    }
}

START_TEST(record_of_a_failure)
{
    const BangerMethod *method = banger_method((BangerMethodId)_i);
    uid_t uid =
        RIG_UID_USERS + (uid_t)_i % RIG_N_USERS; /* none has used up the budget for records */
    sd_bus *bus = rig_bus_open(uid);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    g_autofree char *op_id = g_strdup_printf("failure-%d", _i);
    g_autoptr(GHashTable) record = NULL;
    g_autoptr(GPtrArray) all = NULL;
    const char *text;

    ck_assert_ptr_null(rig_call_message(bus, sample_call(bus, method, 1, op_id), &error));
    record = rig_journal_wait(op_id);
    check_common_fields(record, bus, method->dbus_name, uid);
    ck_assert_str_eq(g_hash_table_lookup(record, "MESSAGE"), "helper rpc failed");
    ck_assert_str_eq(g_hash_table_lookup(record, "PRIORITY"), "3");
    ck_assert_str_eq(g_hash_table_lookup(record, "CODE"), "unauthorized");
    ck_assert_str_eq(g_hash_table_lookup(record, "ERROR_NAME"), error.name);
    text = g_hash_table_lookup(record, "ERROR");
    ck_assert_msg(g_str_has_prefix(error.message, text), "%s / %s", error.message, text);
    check_object_fields(record, method->in);
    all = rig_journal_find("OP_ID", op_id);
    ck_assert_uint_eq(all->len, 1);
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* A method that has nothing to do succeeds, whatever the machine: a resolver for no bridge. */
START_TEST(record_of_a_success)
{
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);
    g_autoptr(GHashTable) record = NULL;

    rig_call_ok(bus, "SyncResolverRouting", "sss", "", "", "success-1");
    record = rig_journal_wait("success-1");
    check_common_fields(record, bus, "SyncResolverRouting", RIG_UID_OWNER);
    ck_assert_str_eq(g_hash_table_lookup(record, "MESSAGE"), "helper rpc completed");
    ck_assert_str_eq(g_hash_table_lookup(record, "PRIORITY"), "6");
    ck_assert_ptr_null(g_hash_table_lookup(record, "CODE"));
    ck_assert_ptr_null(g_hash_table_lookup(record, "ERROR"));
    ck_assert_ptr_null(g_hash_table_lookup(record, "ERROR_NAME"));
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* Success and failure have message ids of their own, and the catalog explains both. */
START_TEST(message_ids)
{
    sd_bus *bus = rig_bus_open(0);
    g_autoptr(GHashTable) success = NULL;
    g_autoptr(GHashTable) failure = NULL;
    g_autofree char *catalog = NULL;
    const char *ids[2];

    rig_call_ok(bus, "ClearResolverRouting", "ss", "", "ids-1");
    rig_call_fails(bus, BAD_PARAMS, "DeleteTap", "ss", "eth0", "ids-2");
    success = rig_journal_wait("ids-1");
    failure = rig_journal_wait("ids-2");
    ids[0] = g_hash_table_lookup(success, "MESSAGE_ID");
    ids[1] = g_hash_table_lookup(failure, "MESSAGE_ID");
    ck_assert_str_ne(ids[0], ids[1]);
    ck_assert(
        g_file_get_contents(SOURCE_DIR "/systemd/banger-helper.catalog", &catalog, NULL, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autofree char *entry = g_strdup_printf("-- %s", ids[i]);

        ck_assert_msg(strstr(catalog, entry) != NULL, "%s is not in the catalog", ids[i]);
    }
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* File contents and kernel arguments are a guest's secrets. */
START_TEST(no_secret_in_the_journal)
{
    g_autofree char *path = g_build_filename(g_getenv("BANGER_RIG_DIR"), "journal.jsonl", NULL);
    g_autofree char *text = NULL;
    sd_bus *bus = rig_bus_open(0);
    sd_bus_error error = SD_BUS_ERROR_NULL;

    sd_bus_message_unref(rig_call(bus, "WriteExt4Files", &error, "sa(sayu)s",
                                  BANGER_STATE_DIRECTORY "/no.img", 1, "/etc/key", 3, 'X', 'Y', 'Z',
                                  0600u, "secret-1"));
    sd_bus_error_free(&error);
    g_hash_table_unref(rig_journal_wait("secret-1"));
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    ck_assert_ptr_null(strstr(text, "XYZ"));
    ck_assert_ptr_null(strstr(text, "58595A"));
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* What a caller says cannot make a record that is no record, or a second one. */
START_TEST(hostile_text_in_the_journal)
{
    sd_bus *bus = rig_bus_open(0);
    g_autofree char *long_name = g_strnfill(100000, 'n');
    g_autoptr(GHashTable) record = NULL;

    rig_call_fails(bus, BAD_PARAMS, "DeleteTap", "ss", "a\nOP_ID=forged\nPRIORITY=0", "hostile-1");
    record = rig_journal_wait("hostile-1");
    ck_assert_str_eq(g_hash_table_lookup(record, "PRIORITY"), "3");
    ck_assert_uint_eq(rig_journal_find("OP_ID", "forged")->len, 0);
    rig_call_fails(bus, BAD_PARAMS, "DeleteTap", "ss", long_name, "hostile-2");
    g_hash_table_unref(rig_journal_wait("hostile-2"));
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* A call with other types than the method's gets an error of the helper's, with an op_id. */
START_TEST(wrong_signature)
{
    const BangerMethod *method = banger_method((BangerMethodId)_i);
    sd_bus *bus = rig_bus_open(0);

    rig_call_fails(bus, BAD_PARAMS, method->dbus_name, "ts", (uint64_t)1, "signature-1");
    rig_call_fails(bus, BAD_PARAMS, method->dbus_name, NULL);
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* Who got it wrong reads what would be right. */
START_TEST(wrong_signature_names_the_arguments)
{
    sd_bus *bus = rig_bus_open(0);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = rig_call(bus, "DeleteTap", &error, "ts", (uint64_t)1, "");

    ck_assert_ptr_null(reply);
    ck_assert_msg(strstr(error.message, "DeleteTap(s tap_name, s op_id)") != NULL &&
                      strstr(error.message, "\"ts\"") != NULL,
                  "%s", error.message);
    sd_bus_error_free(&error);
    sd_bus_flush_close_unref(bus);
}
END_TEST

static void
check_wrong_machine(sd_bus *bus, const char *key, const char *type, const char *expected)
{
    sd_bus_message *message = rig_message_new(bus, "LaunchFirecracker");
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "{sv}"), 0);
    if (key != NULL)
        ck_assert_int_ge(type[0] == 's' ? sd_bus_message_append(message, "{sv}", key, type, "text")
                                        : sd_bus_message_append(message, "{sv}", key, type, 7u),
                         0);
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", ""), 0);
    ck_assert_ptr_null(rig_call_message(bus, message, &error));
    ck_assert_str_eq(error.name, BAD_PARAMS);
    ck_assert_msg(strstr(error.message, expected) != NULL, "\"%s\" does not name \"%s\"",
                  error.message, expected);
    sd_bus_error_free(&error);
}

START_TEST(wrong_machine)
{
    sd_bus *bus = rig_bus_open(0);

    check_wrong_machine(bus, NULL, NULL, "binary_path");
    check_wrong_machine(bus, "no_such_key", "s", "no_such_key");
    check_wrong_machine(bus, "vm_id", "u", "vm_id");
    check_wrong_machine(bus, "vcpu_count", "s", "vcpu_count");
    sd_bus_flush_close_unref(bus);
}
END_TEST

typedef struct {
    const char *op_id;
} Sent;

static bool
has_record(void *data)
{
    g_autoptr(GPtrArray) found = rig_journal_find("OP_ID", ((Sent *)data)->op_id);

    return found->len > 0;
}

/* A caller that does not wait for its answer is recorded all the same, and does no harm. */
START_TEST(caller_that_leaves)
{
    /* Names that are gone before the bus was asked share one budget for records, of fifty. */
    for (int i = 0; i < 20; i++) {
        g_autofree char *op_id = g_strdup_printf("leaves-%d-%d", _i, i);
        sd_bus *bus = rig_bus_open(_i == 0 ? 0 : RIG_UID_OWNER);
        Sent sent = {op_id};

        sd_bus_message *message =
            sample_call(bus, banger_method(BANGER_METHOD_DELETE_TAP), 0, op_id);

        ck_assert_int_ge(sd_bus_send(bus, message, NULL), 0);
        sd_bus_message_unref(message);
        sd_bus_flush_close_unref(bus);
        rig_wait_for(has_record, &sent, "the record of a caller that left");
    }
}
END_TEST

/* A message that asks for no reply gets none, and the work is done. */
START_TEST(no_reply_expected)
{
    sd_bus *bus = rig_bus_open(0);
    sd_bus_message *message =
        sample_call(bus, banger_method(BANGER_METHOD_DELETE_TAP), 0, "no-reply-1");

    ck_assert_int_ge(sd_bus_message_set_expect_reply(message, false), 0);
    ck_assert_int_ge(sd_bus_send(bus, message, NULL), 0);
    sd_bus_message_unref(message);
    g_hash_table_unref(rig_journal_wait("no-reply-1"));
    sd_bus_flush_close_unref(bus);
}
END_TEST

/* More than the bus itself lets through: it hangs up, and the helper is none the wiser. */
START_TEST(message_too_large_for_the_bus)
{
    const size_t size = 33 << 20;
    sd_bus *bus = rig_bus_open(RIG_UID_OWNER);
    sd_bus_message *message = rig_message_new(bus, "WriteExt4Files");
    g_autofree char *data = g_malloc0(size);
    pid_t helper;

    rig_call_ok(bus, "ClearResolverRouting", "ss", "", "");
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_ge(sd_bus_message_append(message, "s", BANGER_STATE_DIRECTORY "/no.img"), 0);
    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "(sayu)"), 0);
    ck_assert_int_ge(sd_bus_message_open_container(message, 'r', "sayu"), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", "/large"), 0);
    ck_assert_int_ge(sd_bus_message_append_array(message, 'y', data, size), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "u", 0), 0);
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", ""), 0);
    ck_assert_int_lt(sd_bus_call(bus, message, (uint64_t)rig_timeout_usec(), NULL, NULL), 0);
    sd_bus_message_unref(message);
    sd_bus_close_unref(bus);
    bus = rig_bus_open(RIG_UID_OWNER);
    rig_call_ok(bus, "ClearResolverRouting", "ss", "", "");
    ck_assert_int_eq(rig_pid_of(BANGER_BUS_NAME), helper);
    sd_bus_flush_close_unref(bus);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/call", argv, NULL);
    suite = suite_create("call");
    tcase = tcase_create("call");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, op_id_given, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, op_id_minted, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, op_id_malformed, 0, BANGER_N_METHODS);
    tcase_add_loop_test(tcase, record_of_a_failure, 0, BANGER_N_METHODS);
    tcase_add_test(tcase, record_of_a_success);
    tcase_add_test(tcase, message_ids);
    tcase_add_test(tcase, no_secret_in_the_journal);
    tcase_add_test(tcase, hostile_text_in_the_journal);
    tcase_add_loop_test(tcase, wrong_signature, 0, BANGER_N_METHODS);
    tcase_add_test(tcase, wrong_signature_names_the_arguments);
    tcase_add_test(tcase, wrong_machine);
    tcase_add_loop_test(tcase, caller_that_leaves, 0, 2);
    tcase_add_test(tcase, no_reply_expected);
    tcase_add_test(tcase, message_too_large_for_the_bus);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/call", suite);
}
