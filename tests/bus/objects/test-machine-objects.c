/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects of machines, which are processes of the helper in the rig and systemd's units in the
 * VM tier: their properties and record, and units that only look like machines.
 */
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "bus/objects/objects-client.h"
#include "bus/vmm/machine-fixture.h"
#include "lib/interface-xml.h"
#include "rig/rig-steps.h"
#include "util/settings.h"

#define MACHINE BANGER_OBJECT_PATH "/machines/seen"
#define TAP BANGER_OBJECT_PATH "/taps/tap_2dfc_2dseen"

static sd_bus *bus;      /* of the owner */
static sd_bus *stranger; /* reading is open to everybody */

static void
set_up(void)
{
    static const char *const names[] = {"seen", "seen-2", NULL};

    machine_set_up(names);
    bus = rig_bus_open(RIG_UID_OWNER);
    stranger = rig_bus_open(RIG_UID_STRANGER);
}

static void
tear_down(void)
{
    sd_bus_flush_close_unref(stranger);
    sd_bus_flush_close_unref(bus);
}

static bool
is_gone(void *data)
{
    g_autofree char *found = objects_list(stranger, data);

    return found == NULL;
}

static void
end(pid_t pid, const char *id)
{
    rig_call_ok(bus, "KillProcess", "us", (uint32_t)pid, "");
    rig_wait_for(is_gone, (void *)(gsize)id, "the machine to be gone from the list");
}

START_TEST(machines_are_objects)
{
    Machine *machine = machine_new("seen");
    Machine *other = machine_new("seen-2");
    pid_t pid = machine_launch(bus, machine);
    pid_t other_pid;
    g_autofree char *expected = g_strdup_printf("running %d " MACHINE, pid);
    g_autofree char *leader = g_strdup_printf("%d", pid);
    g_autofree char *line = objects_list(stranger, "seen");
    g_autofree char *since = NULL;
    GHashTable *table;

    ck_assert_str_eq(line, expected);
    g_array_set_size(other->drives, 0);
    machine_add_drive(other, "rootfs", MACHINE_STATE "data", false, true);
    other_pid = machine_launch(bus, other);
    g_free(line);
    line = objects_list(stranger, "seen-2");
    g_free(expected);
    expected = g_strdup_printf("running %d " BANGER_OBJECT_PATH "/machines/seen_2d2", other_pid);
    ck_assert_str_eq(line, expected);

    table = objects_managed(stranger);
    ck_assert_str_eq(g_hash_table_lookup(table, MACHINE " " OBJECT_MACHINE ".Id"), "seen");
    ck_assert_str_eq(g_hash_table_lookup(table, MACHINE " " OBJECT_MACHINE ".Leader"), leader);
    g_hash_table_unref(table);
    objects_assert(stranger, MACHINE, OBJECT_MACHINE, "Id", "seen");
    objects_assert(stranger, MACHINE, OBJECT_MACHINE, "State", "running");
    objects_assert(stranger, MACHINE, OBJECT_MACHINE, "Leader", leader);
    objects_assert(stranger, MACHINE, OBJECT_MACHINE, "Unit",
                   machine_has_systemd() ? "banger-vm-seen.service" : "");
    since = objects_get(stranger, MACHINE, OBJECT_MACHINE, "Since");
    /* A clock tick is what the kernel counts a process's start in. */
    ck_assert_int_le(g_ascii_strtoll(since, NULL, 10), g_get_real_time() + G_USEC_PER_SEC);
    ck_assert_int_ge(g_ascii_strtoll(since, NULL, 10), g_get_real_time() - 300 * G_USEC_PER_SEC);

    end(pid, "seen");
    objects_assert(stranger, MACHINE, OBJECT_MACHINE, "Id", NULL);
    end(other_pid, "seen-2");
    machine_free(other);
    machine_free(machine);
}
END_TEST

/* What each machine was started with is on record where systemd keeps it. */
START_TEST(record_of_a_machine)
{
    Machine *machine = machine_new("seen");
    pid_t pid = machine_launch(bus, machine);
    bool on_record = machine_has_systemd();

    objects_assert(stranger, MACHINE, OBJECT_MACHINE, "ApiSocket", MACHINE_RUN "seen.sock");
    objects_assert(stranger, MACHINE, OBJECT_MACHINE, "VsockPath",
                   on_record ? MACHINE_RUN "seen.vsock" : "");
    objects_assert(stranger, MACHINE, OBJECT_MACHINE, "Tap", on_record ? "tap-fc-seen" : "");
    objects_assert(stranger, MACHINE, OBJECT_MACHINE, "CreatorUID",
                   on_record ? G_STRINGIFY(RIG_UID_OWNER) : "4294967295");
    end(pid, "seen");
    machine_free(machine);
}
END_TEST

/* Calls @member of the machine's object; the name of the error, or NULL. */
static const char *
call_machine(sd_bus *connection, const char *member, const char *types, ...)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *message = NULL;
    const char *name = NULL;
    va_list arguments;

    ck_assert_int_ge(sd_bus_message_new_method_call(connection, &message, BANGER_BUS_NAME, MACHINE,
                                                    OBJECT_MACHINE, member),
                     0);
    va_start(arguments, types);
    ck_assert_int_ge(sd_bus_message_appendv(message, types, arguments), 0);
    va_end(arguments);
    if (sd_bus_call(connection, message, 0, &error, NULL) < 0) {
        name = g_intern_string(error.name);
        /* What goes through the table has an op_id, which the helper made. */
        ck_assert_msg(!g_str_has_prefix(name, "org.banger") ||
                          strstr(error.message, " (op-") != NULL,
                      "%s", error.message);
    }
    sd_bus_message_unref(message);
    sd_bus_error_free(&error);
    return name;
}

typedef struct {
    const char *method, *field, *value;
} Recorded;

/* Whether the record of the last call is the one. */
static bool
is_recorded(void *data)
{
    const Recorded *recorded = data;
    g_autoptr(GPtrArray) records = rig_journal_find("METHOD", recorded->method);

    return records->len > 0 &&
           g_strcmp0(
               g_hash_table_lookup(g_ptr_array_index(records, records->len - 1), recorded->field),
               recorded->value) == 0;
}

/* Waits for the record of the last call of @method. */
static void
recorded(const char *method, const char *field, const char *value)
{
    Recorded wanted = {method, field, value};

    rig_wait_for(is_recorded, &wanted, field);
}

/* Stop and Kill go the way of StopMachine and SignalProcess: polkit, details, arguments, record. */
START_TEST(methods_of_machines)
{
    Machine *machine = machine_new("seen");
    pid_t pid = machine_launch(bus, machine);
    g_autofree char *text = g_strdup_printf("%d", pid);
    g_autofree char *rules =
        g_strdup_printf("polkit.addRule(function(action, subject) {\n"
                        "    if (action.id == 'org.banger.helper1.signal-process' &&\n"
                        "        subject.user == 'stranger' && action.lookup('pid') == '%d' &&\n"
                        "        action.lookup('signal') == 'CONT')\n"
                        "        return polkit.Result.YES;\n"
                        "});\n",
                        pid);
    const char *denied;

    denied = call_machine(stranger, "Kill", "s", "CONT");
    ck_assert_msg(denied != NULL && g_str_has_prefix(denied, "org.freedesktop.DBus.Error."), "%s",
                  denied);
    denied = call_machine(stranger, "Stop", "u", 0);
    ck_assert_msg(denied != NULL && g_str_has_prefix(denied, "org.freedesktop.DBus.Error."), "%s",
                  denied);
    rig_polkit_set_rules("40-machine.rules", rules);
    ck_assert_ptr_null(call_machine(stranger, "Kill", "s", "18"));
    ck_assert_ptr_nonnull(call_machine(stranger, "Kill", "s", "TERM"));
    rig_polkit_set_rules("40-machine.rules", NULL);
    ck_assert_str_eq(call_machine(bus, "Kill", "s", "no signal"), RIG_ERROR("BadParams"));
    ck_assert_str_eq(call_machine(bus, "Stop", "u", 601), RIG_ERROR("BadParams"));
    ck_assert_str_eq(call_machine(bus, "Stop", "s", "1"), "org.freedesktop.DBus.Error.InvalidArgs");
    objects_assert(stranger, MACHINE, OBJECT_MACHINE, "Leader", text);

    ck_assert_ptr_null(call_machine(bus, "Kill", "s", "CONT"));
    recorded("SignalProcess", "VM_ID", "seen");
    recorded("SignalProcess", "PID", text);
    ck_assert_ptr_null(call_machine(bus, "Stop", "u", 0));
    recorded("StopMachine", "VM_ID", "seen");
    rig_wait_pid_gone(pid);
    rig_wait_for(is_gone, (void *)(gsize) "seen", "the machine to be gone from the list");
    ck_assert_str_eq(call_machine(bus, "Kill", "s", "CONT"),
                     "org.freedesktop.DBus.Error.UnknownObject");
    ck_assert_str_eq(call_machine(bus, "Stop", "u", 0), "org.freedesktop.DBus.Error.UnknownObject");
    machine_free(machine);
}
END_TEST

/* A process that only looks like a machine is none. */
START_TEST(look_alikes_are_none)
{
    static const char *const shell[] = {
        "/bin/sh", "-c",   "sleep 60; :", "--api-sock", MACHINE_RUN "seen.sock",
        "--id",    "seen", NULL};
    pid_t shelled = machine_start_program(RIG_UID_OWNER, shell);
    g_autofree char *found = objects_list(stranger, "seen");

    ck_assert_ptr_null(found);
    machine_end(shelled);
}
END_TEST

START_TEST(introspection_of_a_machine)
{
    Machine *machine = machine_new("seen");
    pid_t pid = machine_launch(bus, machine);
    g_autofree char *xml = objects_introspect(stranger, MACHINE);
    g_autofree char *actual = interface_of_xml(xml, OBJECT_MACHINE);
    g_autofree char *expected = interface_contract(OBJECT_MACHINE);

    ck_assert_str_eq(actual, expected);
    end(pid, "seen");
    machine_free(machine);
}
END_TEST

/* A machine that comes, runs and is killed, as subscribers hear of it from systemd. */
START_TEST(signals_of_a_machine)
{
    ObjectSignals *signals = objects_signals_new(stranger);
    Machine *machine = machine_new("seen");
    gint64 killed_at_usec, took_usec;
    pid_t pid;

    if (!machine_has_systemd()) {
        harness_skip("no systemd: nothing reports machines");
        objects_signals_free(signals);
        machine_free(machine);
        return;
    }
    objects_subscribe(stranger);
    pid = machine_launch(bus, machine);
    objects_signals_wait(signals, "InterfacesAdded " MACHINE " " OBJECT_MACHINE);
    objects_assert(stranger, MACHINE, OBJECT_MACHINE, "State", "running");
    killed_at_usec = g_get_monotonic_time();
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    objects_signals_wait(signals, "MachineExited seen signal 9");
    took_usec = g_get_monotonic_time() - killed_at_usec;
    objects_signals_wait(signals, "PropertiesChanged " MACHINE " State=failed Leader=0");
    objects_signals_wait(signals, "InterfacesRemoved " MACHINE " " OBJECT_MACHINE);
    g_print("MachineExited %d us after the kill\n", (int)took_usec);

    ck_assert_uint_eq(objects_signals_count(signals, "InterfacesAdded"), 1);
    ck_assert_uint_eq(objects_signals_count(signals, "MachineExited"), 1);
    ck_assert_uint_eq(objects_signals_count(signals, "InterfacesRemoved"), 1);
    objects_signals_free(signals);
    machine_free(machine);
}
END_TEST

/* The status of one that ends by itself, and of one that is asked to. */
START_TEST(signals_of_an_end)
{
    ObjectSignals *signals = objects_signals_new(stranger);
    Machine *machine = machine_new("seen");
    sd_bus_error error = SD_BUS_ERROR_NULL;

    if (!machine_has_systemd()) {
        harness_skip("no systemd: nothing reports machines");
        objects_signals_free(signals);
        machine_free(machine);
        return;
    }
    objects_subscribe(stranger);
    machine_order("seen", "exit /logger 3");
    ck_assert_ptr_null(rig_call_message(bus, machine_message(bus, machine, ""), &error));
    ck_assert_str_eq(error.name, "org.banger.Helper1.Error.OperationFailed");
    sd_bus_error_free(&error);
    machine_order("seen", NULL);
    objects_signals_wait(signals, "MachineExited seen exit-code 3");
    rig_call_ok(bus, "SignalProcess", "uss", (uint32_t)machine_launch(bus, machine), "TERM", "");
    objects_signals_wait(signals, "MachineExited seen success 15");
    ck_assert_uint_eq(objects_signals_count(signals, "MachineExited"), 2);
    objects_signals_free(signals);
    machine_free(machine);
}
END_TEST

#ifdef BANGER_TEST_HOOKS
static bool
are_links_listed(void *data)
{
    (void)data;
    return rig_steps_was_done("links-listed");
}

/* Someone who lists all that there is. */
typedef struct {
    sd_bus *bus;
    sd_bus_message *reply; /* NULL: not yet */
} Lister;

static int
keep_reply(sd_bus_message *reply, void *user_data, sd_bus_error *ret_error)
{
    Lister *lister = user_data;

    (void)ret_error;
    lister->reply = sd_bus_message_ref(reply);
    return 0;
}

static bool
has_reply(void *data)
{
    Lister *lister = data;

    rig_bus_handle(lister->bus);
    return lister->reply != NULL;
}

/* The helper waits after it has listed the links. */
static void
call_list(Lister *lister)
{
    rig_steps_order("wait", "links-listed");
    ck_assert_int_ge(sd_bus_call_method_async(lister->bus, NULL, BANGER_BUS_NAME,
                                              BANGER_OBJECT_PATH,
                                              "org.freedesktop.DBus.ObjectManager",
                                              "GetManagedObjects", keep_reply, lister, ""),
                     0);
    ck_assert_int_ge(sd_bus_flush(lister->bus), 0);
    rig_wait_for(are_links_listed, NULL, "the links to be listed");
}

/* A machine whose TAP was made after the links were listed: both are in the one answer. */
START_TEST(made_while_it_is_listed)
{
    Lister lister = {rig_bus_open(RIG_UID_STRANGER), NULL};
    Machine *machine = machine_new("seen");
    GHashTable *table;
    pid_t pid;

    if (!machine_has_systemd()) {
        harness_skip("no systemd: a machine has no TAP on record");
        machine_free(machine);
        sd_bus_flush_close_unref(lister.bus);
        return;
    }
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-seen", "");
    call_list(&lister);
    rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "172.16.0.1", "24", "tap-fc-seen", "");
    pid = machine_launch(bus, machine);
    rig_steps_end();
    rig_wait_for(has_reply, &lister, "the list");
    ck_assert(!sd_bus_message_is_method_error(lister.reply, NULL));
    table = objects_read(lister.reply);
    ck_assert_str_eq(g_hash_table_lookup(table, MACHINE " " OBJECT_MACHINE ".Tap"), "tap-fc-seen");
    ck_assert_str_eq(g_hash_table_lookup(table, TAP " " OBJECT_TAP ".Name"), "tap-fc-seen");
    g_hash_table_unref(table);
    sd_bus_message_unref(lister.reply);
    sd_bus_flush_close_unref(lister.bus);
    end(pid, "seen");
    machine_free(machine);
}
END_TEST
#endif

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/machine-objects", argv, NULL);
    suite = suite_create("machine-objects");
    tcase = tcase_create("machine-objects");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, machines_are_objects);
    tcase_add_test(tcase, methods_of_machines);
    tcase_add_test(tcase, look_alikes_are_none);
    tcase_add_test(tcase, introspection_of_a_machine);
    tcase_add_test(tcase, signals_of_a_machine);
    tcase_add_test(tcase, signals_of_an_end);
    tcase_add_test(tcase, record_of_a_machine);
#ifdef BANGER_TEST_HOOKS
    tcase_add_test(tcase, made_while_it_is_listed);
#endif
    suite_add_tcase(suite, tcase);
    return harness_run("bus/machine-objects", suite);
}
