/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What a guest writes to its console, and where the kernel's arguments are not: the real journal.
 */

#include <string.h>
#include <unistd.h>

#include <systemd/sd-journal.h>

#include "bus/vmm/machine-fixture.h"
#include "util/settings.h"

#define PANIC "<0>kernel panic \033[2J \033]0;title\007 done"
#define FLOOD_LINES 100000 /* of 1000 bytes: 100 MB */
#define LIMIT_LINES 1000   /* of the unit, in 30 s; journald multiplies it where there is room */
#define LIMIT_FACTOR_MAX 6

static sd_journal *
open_journal(const char *match)
{
    sd_journal *journal = NULL;

    ck_assert_int_ge(sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY), 0);
    if (match != NULL)
        ck_assert_int_ge(sd_journal_add_match(journal, match, 0), 0);
    return journal;
}

/* The value of the field @name of the present record, or NULL. */
static char *
get_field(sd_journal *journal, const char *name)
{
    const void *data;
    size_t length;

    if (sd_journal_get_data(journal, name, &data, &length) < 0)
        return NULL;
    return g_strndup((const char *)data + strlen(name) + 1, length - strlen(name) - 1);
}

/* How many records match @match, and have @text in their message. */
static unsigned int
count(const char *match, const char *text)
{
    sd_journal *journal = open_journal(match);
    unsigned int n = 0;

    SD_JOURNAL_FOREACH(journal)
    {
        g_autofree char *message = get_field(journal, "MESSAGE");

        n += message != NULL && strstr(message, text) != NULL ? 1 : 0;
    }
    sd_journal_close(journal);
    return n;
}

static bool
has_said_done(void *data)
{
    return count(data, "the console is done") > 0;
}

static bool
has_a_record(void *data)
{
    return count(data, "helper rpc completed") > 0;
}

static pid_t
launch(const char *name, const char *op_id)
{
    Machine *machine = machine_new(name);
    sd_bus_message *reply =
        rig_call_message(machine_bus, machine_message(machine_bus, machine, op_id), NULL);
    uint32_t pid = 0;

    ck_assert_int_ge(sd_bus_message_read(reply, "u", &pid), 0);
    sd_bus_message_unref(reply);
    machine_free(machine);
    return (pid_t)pid;
}

/* Text that pretends to a level, controls a terminal and quotes the helper stays a guest's. */
START_TEST(has_no_level)
{
    sd_journal *journal;
    unsigned int n = 0;
    pid_t pid;

    machine_order("spoken", "print /actions 1 " PANIC "\nprint /actions 1 helper rpc completed\n"
                            "print /actions 1 the console is done");
    pid = launch("spoken", "op-spoken");
    rig_wait_for(has_said_done, (void *)(uintptr_t) "VM_ID=spoken", "the console's text");
    journal = open_journal("VM_ID=spoken");
    SD_JOURNAL_FOREACH(journal)
    {
        g_autofree char *identifier = get_field(journal, "SYSLOG_IDENTIFIER");
        g_autofree char *op_id = get_field(journal, "OP_ID");
        g_autofree char *priority = get_field(journal, "PRIORITY");
        g_autofree char *message = get_field(journal, "MESSAGE");

        if (g_strcmp0(identifier, "banger-console") != 0)
            continue; /* the helper's own record of the launch */
        n++;
        ck_assert_ptr_null(op_id);
        ck_assert_str_eq(priority, "6");
        if (strstr(message, "kernel panic") != NULL)
            ck_assert(g_str_has_prefix(message, "<0>kernel panic"));
    }
    ck_assert_uint_ge(n, 3);
    sd_journal_close(journal);
    /* Under the operation's id there is nothing but the helper's record. */
    rig_wait_for(has_a_record, (void *)(uintptr_t) "OP_ID=op-spoken", "the helper's record");
    ck_assert_uint_eq(count("OP_ID=op-spoken", "panic"), 0);
    ck_assert_uint_eq(count("OP_ID=op-spoken", "helper rpc completed"), 1);
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    machine_order("spoken", NULL);
}
END_TEST

/* 100 MB within seconds: what journald keeps of it is bounded. */
START_TEST(flood_is_bounded)
{
    g_autofree char *line = g_strnfill(1000, 'A');
    g_autofree char *orders = g_strdup_printf("print /actions %d %s", FLOOD_LINES, line);
    pid_t pid;

    machine_order("flood", orders);
    pid = launch("flood", "op-flood");
    /* The double goes on to answer when it has written all of it. */
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "flood.sock"), (uint32_t)pid);
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    ck_assert_uint_gt(count("VM_ID=flood", "AAAA"), 0);
    ck_assert_uint_le(count("VM_ID=flood", "AAAA"), LIMIT_LINES * LIMIT_FACTOR_MAX);
    machine_order("flood", NULL);
}
END_TEST

static bool
has_secret(const char *path)
{
    g_autofree char *text = NULL;
    gsize length;

    return g_file_get_contents(path, &text, &length, NULL) &&
           memmem(text, length, "s3cret", strlen("s3cret")) != NULL;
}

static bool
has_both_records(void *data)
{
    (void)data;
    return count("VM_ID=secret", "helper rpc failed") == 1 &&
           count("VM_ID=secret", "helper rpc completed") == 1;
}

/* No file of the two directories and no field of any record has the kernel's arguments. */
START_TEST(arguments_are_nowhere)
{
    static const char *const directories[] = {MACHINE_STATE, MACHINE_RUN};
    Machine *machine = machine_new("secret");
    sd_journal *journal;
    pid_t pid;

    machine_order("secret", "refuse /actions token=s3cret is what I was told");
    machine_launch_fails(machine_bus, machine, "OperationFailed", "PUT /actions");
    machine_order("secret", NULL);
    pid = machine_launch(machine_bus, machine);
    rig_wait_for(has_both_records, NULL, "the records of both launches");
    for (size_t i = 0; i < G_N_ELEMENTS(directories); i++) {
        g_autoptr(GDir) dir = g_dir_open(directories[i], 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(dir)) != NULL) {
            g_autofree char *path = g_strconcat(directories[i], name, NULL);

            ck_assert_msg(!has_secret(path), "%s has the kernel's arguments", path);
        }
    }
    journal = open_journal(NULL);
    SD_JOURNAL_FOREACH(journal)
    {
        const void *data;
        size_t length;

        SD_JOURNAL_FOREACH_DATA(journal, data, length)
        ck_assert_msg(memmem(data, length, "s3cret", strlen("s3cret")) == NULL, "%.*s",
                      (int)MIN(length, 200), (const char *)data);
    }
    sd_journal_close(journal);
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    machine_free(machine);
}
END_TEST

/* ConsoleToJournal=no: the console's text is nowhere, the VMM's own errors are. */
START_TEST(console_is_dropped)
{
    int status;
    pid_t pid;

    ck_assert(
        g_file_set_contents("/etc/banger/helper.conf", "[VMM]\nConsoleToJournal=no\n", -1, NULL));
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    machine_order("quiet",
                  "print /actions 1 text of the console\nsay /actions the console is done");
    pid = launch("quiet", "op-quiet");
    rig_wait_for(has_said_done, (void *)(uintptr_t) "VM_ID=quiet", "standard error's text");
    /* The other stream is read as far as it was written, too. */
    ck_assert(g_spawn_command_line_sync("journalctl --sync", NULL, NULL, &status, NULL));
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(count("VM_ID=quiet", "text of the console"), 0);
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    machine_order("quiet", NULL);
    ck_assert_int_eq(unlink("/etc/banger/helper.conf"), 0);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const names[] = {"spoken", "flood", "secret", "quiet", NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("container/console", argv, NULL);
    suite = suite_create("console");
    tcase = machine_add_tcase(suite, "console", names, NULL, NULL);
    tcase_add_test(tcase, has_no_level);
    tcase_add_test(tcase, flood_is_bounded);
    tcase_add_test(tcase, arguments_are_nowhere);
    tcase_add_test(tcase, console_is_dropped);
    return harness_run("container/console", suite);
}
