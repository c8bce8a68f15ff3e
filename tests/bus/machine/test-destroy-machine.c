/* SPDX-License-Identifier: GPL-2.0-or-later */

/* DestroyMachine, and many machines at once. */

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bus/machine/composite-fixture.h"
#include "rig/rig-steps.h"
#include "util/settings.h"

#define MANY 64

static Machine *machine;

static void
set_up(void)
{
    machine = composite_new();
    machine->more = composite_append_guest;
}

static void
tear_down(void)
{
    machine_order("whole", NULL);
    machine_free(machine);
}

/* DestroyMachine of "whole" by its name alone, with one more key or NULL. */
static sd_bus_message *
name_alone(const char *key)
{
    sd_bus_message *message = rig_message_new(composite_bus, "DestroyMachine");

    ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "{sv}"), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "{sv}", "vm_id", "s", "whole"), 0);
    if (key != NULL)
        ck_assert_int_ge(sd_bus_message_append(message, "{sv}", key, "b", 1), 0);
    ck_assert_int_ge(sd_bus_message_close_container(message), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "s", ""), 0);
    return message;
}

/* Its TAP is known by its label, its sockets by its command line. */
START_TEST(by_name_alone)
{
    pid_t pid = composite_create(machine);

    sd_bus_message_unref(rig_call_message(composite_bus, name_alone(NULL), NULL));
    ck_assert(machine_has_ended(pid));
    ck_assert(!network_link_exists(COMPOSITE_TAP));
    ck_assert(!network_true("test -e " MACHINE_RUN "whole.sock"));
    network_assert_lacks(network_run("nft list ruleset"), COMPOSITE_GUEST);
    sd_bus_message_unref(rig_call_message(composite_bus, name_alone(NULL), NULL));
}
END_TEST

START_TEST(looks_only)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    (void)composite_create(machine);
    before = composite_state();
    sd_bus_message_unref(rig_call_message(composite_bus, name_alone("dry_run"), NULL));
    after = composite_state();
    composite_assert_same(after, before);
}
END_TEST

static int
append_cow(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}{sv}", "cow_path", "s", MACHINE_STATE "whole.cow",
                                 "remove_cow", "b", 1);
}

START_TEST(cow_file)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_ptr_null(rig_call_message(composite_bus, name_alone("remove_cow"), &error));
    ck_assert_str_eq(error.name, RIG_ERROR("BadParams"));
    sd_bus_error_free(&error);
    machine_write(MACHINE_STATE "whole.cow", "changes");
    composite_destroy(machine);
    ck_assert(network_true("test -e " MACHINE_STATE "whole.cow"));
    machine->more = append_cow;
    composite_destroy(machine);
    ck_assert(!network_true("test -e " MACHINE_STATE "whole.cow"));
    composite_destroy(machine);
    /* Root's is not the owner's to delete. */
    network_do("touch " MACHINE_STATE "whole.cow");
    composite_fails("DestroyMachine", machine, "NotManaged", "whole.cow");
    network_do("rm " MACHINE_STATE "whole.cow");
}
END_TEST

/* What another machine has is Busy, and that machine goes on. */
START_TEST(of_another_machine)
{
    Machine *other = composite_new();
    pid_t pid = composite_create(machine);

    machine_set(other, "vm_id", "other");
    other->more = composite_append_guest;
    composite_fails("DestroyMachine", other, "Busy", COMPOSITE_TAP);
    machine_set(other, "tap_device", "tap-fc-none");
    composite_fails("DestroyMachine", other, "Busy", "whole.sock");
    ck_assert_int_eq(kill(pid, 0), 0);
    machine_free(other);
}
END_TEST

static int
append_time(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "stop_timeout_s", "u", 1u);
}

/* Fails unless the step @before was done, and then @after; if the helper has test hooks. */
static void
assert_order(const char *before, const char *after)
{
#ifdef BANGER_TEST_HOOKS
    g_auto(GStrv) done = rig_steps_done();
    char **step = done;

    while (*step != NULL && !g_str_equal(*step, before))
        step++;
    ck_assert_msg(*step != NULL && g_strv_contains((const char *const *)step, after),
                  "%s: not before %s", before, after);
#else
    (void)before;
    (void)after;
#endif
}

/* A guest that takes no notice, and a VMM that takes none either: it has its TAP until it ended. */
START_TEST(stubborn)
{
    machine_order("whole", "ignore /actions KEYS\nignore start TERM");
    machine->more = append_time;
    (void)composite_create(machine);
    rig_steps_begin();
    composite_destroy(machine);
    ck_assert(!network_link_exists(COMPOSITE_TAP));
    assert_order("vmm-stopped", "tap-removed");
    rig_steps_end();
}
END_TEST

static int
append_much_time(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "stop_timeout_s", "u", 60u);
}

static bool
is_asked(void *user_data)
{
    g_autofree char *record = machine_record("whole");

    (void)user_data;
    return record != NULL && strstr(record, "SendCtrlAltDel") != NULL;
}

/* A guest that is asked keeps its TAP until it has ended. */
START_TEST(asked)
{
    RigPending *pending;
    pid_t pid;

    machine_order("whole", "record " MACHINE_RUN "whole.record\nignore /actions KEYS");
    machine->more = append_much_time;
    pid = composite_create(machine);
    pending = rig_call_start(composite_bus,
                             machine_call_message(composite_bus, "DestroyMachine", machine, ""));
    rig_wait_for(is_asked, NULL, "the guest is asked");
    ck_assert(network_link_exists(COMPOSITE_TAP));
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    rig_pending_wait(composite_bus, pending);
    ck_assert_ptr_null(pending->error_name);
    rig_pending_free(pending);
    ck_assert(!network_link_exists(COMPOSITE_TAP));
    (void)unlink(MACHINE_RUN "whole.record");
}
END_TEST

/* The example of the documentation makes a machine, and leaves none. */
START_TEST(example_in_python)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    if (!network_true("/usr/bin/python3 -c 'import dasbus'")) {
        harness_skip("no dasbus (python3-dasbus)");
        return;
    }
    before = composite_state();
    network_assert_contains(network_run("setpriv --reuid %u --regid %u --clear-groups "
                                        "/usr/bin/python3 " SOURCE_DIR
                                        "/docs/examples/machine.py demo 1",
                                        RIG_UID_OWNER, RIG_UID_OWNER),
                            "/machines/demo is process");
    rig_call_ok(composite_bus, "DeleteBridge", "ss", "br-fc", "");
    network_do("rm " MACHINE_STATE "demo.log " MACHINE_STATE "demo.metrics; "
               "echo 0 > /proc/sys/net/ipv4/ip_forward");
    after = composite_state();
    composite_assert_same(after, before);
}
END_TEST

/* Starts @method for the machine @name, on the bridge of all. */
static RigPending *
start_call(const char *method, const char *name)
{
    Machine *one = machine_new(name);
    RigPending *pending;

    machine_set_type(one, "network", 'n');
    g_array_set_size(one->drives, 0);
    machine_add_drive(one, "rootfs", COMPOSITE_IMAGE, true, true);
    pending = rig_call_start(composite_bus, machine_call_message(composite_bus, method, one, ""));
    machine_free(one);
    return pending;
}

static void
call_for_all(const char *method)
{
    RigPending *pending[MANY];

    for (unsigned int i = 0; i < MANY - 1; i++) {
        g_autofree char *name = g_strdup_printf("m%u", i);

        pending[i] = start_call(method, name);
    }
    for (unsigned int i = 0; i < MANY - 1; i++) {
        rig_pending_wait(composite_bus, pending[i]);
        ck_assert_msg(pending[i]->error_name == NULL, "%s %u: %s", method, i,
                      pending[i]->error_message);
        rig_pending_free(pending[i]);
    }
}

/* composite_state() without the times of labels (network/label.h): a bridge was made anew. */
static char *
state_but_for_times(void)
{
    g_autofree char *state = composite_state();
    g_autoptr(GRegex) times = g_regex_new(" at=[0-9]+", 0, 0, NULL);

    return g_regex_replace_literal(times, state, -1, 0, "", 0, NULL);
}

/* As many as one user may have in flight, less one, on a bridge that none of them finds. */
START_TEST(many_at_once)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    network_bridge_and_tap(composite_bus, "tap-fc-2");
    rig_call_ok(composite_bus, "DeleteTap", "ss", "tap-fc-2", "");
    before = state_but_for_times();
    rig_call_ok(composite_bus, "DeleteBridge", "ss", "br-fc", "");
    call_for_all("CreateMachine");
    call_for_all("DestroyMachine");
    network_do("rm -f " MACHINE_STATE "m*.log " MACHINE_STATE "m*.metrics");
    after = state_but_for_times();
    composite_assert_same(after, before);
}
END_TEST

/* Two calls for one machine: one makes it, the other finds it. */
START_TEST(two_at_once)
{
    RigPending *first = start_call("CreateMachine", "m0");
    RigPending *second = start_call("CreateMachine", "m0");

    rig_pending_wait(composite_bus, first);
    rig_pending_wait(composite_bus, second);
    ck_assert((first->error_name == NULL) != (second->error_name == NULL));
    ck_assert_str_eq(first->error_name != NULL ? first->error_name : second->error_name,
                     RIG_ERROR("AlreadyExists"));
    rig_pending_free(first);
    rig_pending_free(second);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/destroy-machine", argv, NULL);
    suite = suite_create("destroy-machine");
    tcase = composite_add_tcase(suite, "destroy");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, by_name_alone);
    tcase_add_test(tcase, looks_only);
    tcase_add_test(tcase, cow_file);
    tcase_add_test(tcase, of_another_machine);
    tcase_add_test(tcase, stubborn);
    tcase_add_test(tcase, asked);
    tcase_add_test(tcase, example_in_python);
    tcase_add_test(tcase, many_at_once);
    tcase_add_test(tcase, two_at_once);
    return harness_run("bus/destroy-machine", suite);
}
