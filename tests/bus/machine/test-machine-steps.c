/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The table of steps: after each step of CreateMachine and DestroyMachine the operation fails, is
 * cancelled, its helper gets SIGTERM or SIGKILL; and nothing is left. In the rig, and under a
 * systemd, where the VMM is a unit in a jail; with a snapshot where the kernel has device-mapper.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/machine/composite-fixture.h"
#include "bus/objects/objects-client.h"
#include "rig/rig-steps.h"
#include "util/settings.h"

#define SNAPSHOT "fc-rootfs-whole"
#define COW MACHINE_STATE "whole.cow"

/* Where a step is done. */
typedef enum {
    EVERYWHERE,
    WITH_SNAPSHOT,
    IN_JAIL,
} Where;

typedef struct {
    const char *name;
    Where where;
} Step;

static const Step creating[] = {
    {"bridge-made", EVERYWHERE},       {"bridge-entered", EVERYWHERE},
    {"tap-made", EVERYWHERE},          {"tap-attached", EVERYWHERE},
    {"tap-entered", EVERYWHERE},       {"links-made", EVERYWHERE},
    {"tap-noted", EVERYWHERE},         {"guest-registered", EVERYWHERE},
    {"egress-written", EVERYWHERE},    {"egress-restricted", EVERYWHERE},
    {"forward-written", EVERYWHERE},   {"ports-forwarded", EVERYWHERE},
    {"names-routed", EVERYWHERE},      {"cow-made", WITH_SNAPSHOT},
    {"loops-attached", WITH_SNAPSHOT}, {"device-made", WITH_SNAPSHOT},
    {"snapshot-made", WITH_SNAPSHOT},  {"root-checked", EVERYWHERE},
    {"files-written", EVERYWHERE},     {"macs-noted", EVERYWHERE},
    {"logs-made", EVERYWHERE},         {"jail-made", EVERYWHERE},
    {"vmm-started", EVERYWHERE},       {"files-granted", IN_JAIL},
    {"access-granted", EVERYWHERE},    {"socket-given", EVERYWHERE},
    {"vmm-configured", EVERYWHERE},    {"vsock-given", EVERYWHERE},
    {"guest-started", EVERYWHERE},
};

static const Step destroying[] = {
    {"vmm-stopped", EVERYWHERE},      {"sockets-removed", EVERYWHERE}, {"tap-removed", EVERYWHERE},
    {"snapshot-removed", EVERYWHERE}, {"cow-removed", EVERYWHERE},
};

static Machine *machine;
static char *before; /* composite_state() of the host without the machine */

static bool
has_snapshots(void)
{
    return access("/dev/mapper/control", F_OK) == 0;
}

static int
append_snapshot(sd_bus_message *message)
{
    int r = composite_append_all(message);

    return r < 0 ? r
                 : sd_bus_message_append(message, "{sv}{sv}{sv}{sv}{sv}", "rootfs_path", "s",
                                         COMPOSITE_IMAGE, "cow_path", "s", COW, "dm_name", "s",
                                         SNAPSHOT, "cow_size", "t", (uint64_t)4 << 20, "remove_cow",
                                         "b", 1);
}

/* As composite_state(), and the snapshots; log and metrics are kept on purpose. */
static char *
take_state(void)
{
    g_autofree char *state = NULL;
    const char *devices = "";

    (void)unlink(MACHINE_STATE "whole.log");
    (void)unlink(MACHINE_STATE "whole.metrics");
    state = composite_state();
    if (has_snapshots())
        devices = network_run("ls /dev/mapper | grep ^fc-rootfs- || :");
    return g_strconcat(state, "\n", devices, NULL);
}

static void
check_nothing_left(void)
{
    g_autofree char *after = take_state();

    composite_assert_same(after, before);
}

static void
set_up(void)
{
    machine = composite_new();
    machine->more = composite_append_all;
    if (has_snapshots()) {
        g_array_set_size(machine->drives, 0);
        machine->more = append_snapshot;
    }
    rig_steps_begin();
    before = take_state();
}

static void
tear_down(void)
{
    rig_steps_end();
    machine_free(machine);
    g_clear_pointer(&before, g_free);
}

/* Whether this host does @step; what it does not do is no row of the table here. */
static bool
is_done_here(const Step *step)
{
    if (step->where == WITH_SNAPSHOT)
        return has_snapshots();
    return step->where != IN_JAIL || machine_has_systemd();
}

/* How many different steps were passed: one is passed for each of several ports. */
static size_t
count_steps_done(void)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_auto(GStrv) done = rig_steps_done();

    for (char **step = done; *step != NULL; step++)
        (void)g_hash_table_add(names, *step);
    return g_hash_table_size(names);
}

/* All steps that are passed stand in the tables. */
START_TEST(complete)
{
    size_t passed = 0;

    rig_steps_begin();
    (void)composite_create(machine);
    composite_destroy(machine);
    for (size_t i = 0; i < G_N_ELEMENTS(creating); i++)
        ck_assert_msg(rig_steps_was_done(creating[i].name) == is_done_here(&creating[i]), "%s",
                      creating[i].name);
    for (size_t i = 0; i < G_N_ELEMENTS(destroying); i++)
        ck_assert_msg(rig_steps_was_done(destroying[i].name), "%s", destroying[i].name);
    for (size_t i = 0; i < G_N_ELEMENTS(creating); i++)
        passed += is_done_here(&creating[i]);
    ck_assert_uint_eq(count_steps_done(), passed + G_N_ELEMENTS(destroying));
}
END_TEST

static RigPending *
start_creating(void)
{
    return rig_call_start(
        composite_bus, machine_call_message(composite_bus, "CreateMachine", machine, "op-steps"));
}

/* The call, which must fail with @words; what @what orders after @step happens meanwhile. */
static void
create_fails(const char *what, const char *step, const char *words)
{
    RigPending *pending;

    rig_steps_order(what, step);
    pending = start_creating();
    rig_pending_wait(composite_bus, pending);
    ck_assert_msg(pending->error_name != NULL, "%s %s: it did not fail", what, step);
    ck_assert_msg(strstr(pending->error_message, words) != NULL, "%s %s: no \"%s\" in: %s", what,
                  step, words, pending->error_message);
    ck_assert_msg(rig_steps_was_done(step), "%s was not done", step);
    rig_pending_free(pending);
    rig_steps_no_order();
    check_nothing_left();
}

START_TEST(failed)
{
    if (is_done_here(&creating[_i]))
        create_fails("fail", creating[_i].name, "a test ordered a failure");
}
END_TEST

START_TEST(terminated)
{
    if (is_done_here(&creating[_i]))
        create_fails("term", creating[_i].name, "the helper is stopping");
}
END_TEST

typedef struct {
    const char *step;
    char *path; /* of the call's job */
} Waiting;

static bool
waits(void *data)
{
    g_autoptr(GHashTable) managed = NULL;
    Waiting *waiting = data;
    GHashTableIter iter;
    gpointer key, value;

    if (!rig_steps_was_done(waiting->step))
        return false;
    managed = objects_managed(composite_bus);
    g_hash_table_iter_init(&iter, managed);
    while (waiting->path == NULL && g_hash_table_iter_next(&iter, &key, &value))
        if (g_str_has_suffix(key, " " OBJECT_JOB ".OpId") && strcmp(value, "op-steps") == 0)
            waiting->path = g_strndup(key, strcspn(key, " "));
    return waiting->path != NULL;
}

START_TEST(cancelled)
{
    Waiting waiting = {creating[_i].name, NULL};
    RigPending *pending;
    int r;

    if (!is_done_here(&creating[_i]))
        return;
    rig_steps_order("wait", waiting.step);
    pending = start_creating();
    rig_wait_for(waits, &waiting, waiting.step);
    r = sd_bus_call_method(composite_bus, BANGER_BUS_NAME, waiting.path, OBJECT_JOB, "Cancel", NULL,
                           NULL, "");
    ck_assert_int_ge(r, 0);
    rig_steps_no_order();
    rig_pending_wait(composite_bus, pending);
    ck_assert_str_eq(pending->error_name, RIG_ERROR("OperationFailed"));
    network_assert_contains(pending->error_message, "cancelled it");
    rig_pending_free(pending);
    g_free(waiting.path);
    check_nothing_left();
}
END_TEST

/* @method, after a step of which the helper is killed. */
static void
call_killed(const char *method, const char *step)
{
    RigPending *pending;

    rig_steps_order("kill", step);
    pending = rig_call_start(composite_bus,
                             machine_call_message(composite_bus, method, machine, "op-steps"));
    rig_pending_wait(composite_bus, pending);
    ck_assert_msg(pending->error_name != NULL, "%s: the helper lives", step);
    ck_assert_msg(rig_steps_was_done(step), "%s was not done", step);
    rig_pending_free(pending);
    rig_steps_no_order();
}

/* The bridge is not the machine's alone, and stays for the next one. */
static void
delete_bridge(void)
{
    rig_call_ok(composite_bus, "DeleteBridge", "ss", "br-fc", "");
}

static void
recover_by_destroying(const char *step)
{
    (void)step;
    composite_destroy(machine);
    delete_bridge();
}

/* A VMM that the helper had started is there already; all that the first call had made is used. */
static void
recover_by_creating(const char *step)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;

    sd_bus_message_unref(rig_call_message(
        composite_bus, machine_call_message(composite_bus, "CreateMachine", machine, ""), &error));
    ck_assert_msg(error.name == NULL || g_str_equal(error.name, RIG_ERROR("AlreadyExists")),
                  "%s: %s", error.name, error.message);
    sd_bus_error_free(&error);
    recover_by_destroying(step);
}

/* Until it finds nothing more: a VMM that was being started may come up after the first one. */
static bool
reconciled(void *data)
{
    sd_bus_message *reply = rig_call(composite_bus, "Reconcile", NULL, "asasbs", 0, 3, "whole",
                                     COMPOSITE_TAP, "br-fc", 0, "");
    bool *found = data;

    ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(sss)"), 0);
    *found = sd_bus_message_at_end(reply, false) == 0;
    sd_bus_message_unref(reply);
    return !*found && !network_link_exists("br-fc") && machine_count_running() == 0 &&
           access(MACHINE_RUN "whole.sock", F_OK) != 0;
}

/* COW files and images are never Reconcile's to remove; nor is a machine whose guest runs. */
static void
recover_by_reconciling(const char *step)
{
    bool found;

    if (rig_steps_was_done("guest-started") && !rig_steps_was_done("vmm-stopped")) {
        (void)reconciled(&found);
        ck_assert(!found);
        recover_by_destroying(step);
        return;
    }
    rig_wait_for(reconciled, &found, step);
    (void)unlink(COW);
}

static void (*const recoveries[])(const char *step) = {
    recover_by_destroying,
    recover_by_creating,
    recover_by_reconciling,
};

START_TEST(killed)
{
    const Step *step = &creating[_i / (int)G_N_ELEMENTS(recoveries)];

    if (!is_done_here(step))
        return;
    call_killed("CreateMachine", step->name);
    recoveries[_i % (int)G_N_ELEMENTS(recoveries)](step->name);
    check_nothing_left();
}
END_TEST

/* A machine that is there only in part is destroyed, made again, or reconciled. */
START_TEST(killed_destroying)
{
    const Step *step = &destroying[_i / (int)G_N_ELEMENTS(recoveries)];

    (void)composite_create(machine);
    call_killed("DestroyMachine", step->name);
    recoveries[_i % (int)G_N_ELEMENTS(recoveries)](step->name);
    check_nothing_left();
}
END_TEST

/* It goes on with the others, and the next one finds nothing left to do. */
START_TEST(failed_destroying)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;

    (void)composite_create(machine);
    rig_steps_order("fail", destroying[_i].name);
    ck_assert_ptr_null(rig_call_message(
        composite_bus, machine_call_message(composite_bus, "DestroyMachine", machine, ""), &error));
    network_assert_contains(error.message, "a test ordered a failure");
    sd_bus_error_free(&error);
    rig_steps_no_order();
    recover_by_destroying(destroying[_i].name);
    check_nothing_left();
}
END_TEST

static TCase *
add_tcase(Suite *suite, const char *name)
{
    TCase *tcase = composite_add_tcase(suite, name);

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    return tcase;
}

int
main(int argc, char **argv)
{
    const int n_creating = (int)G_N_ELEMENTS(creating);
    const int n_destroying = (int)G_N_ELEMENTS(destroying);
    const int n_recoveries = (int)G_N_ELEMENTS(recoveries);
    Suite *suite;

    (void)argc;
    rig_enter("bus/machine-steps", argv, NULL);
    suite = suite_create("machine-steps");
    tcase_add_test(add_tcase(suite, "complete"), complete);
    tcase_add_loop_test(add_tcase(suite, "failed"), failed, 0, n_creating);
    tcase_add_loop_test(add_tcase(suite, "cancelled"), cancelled, 0, n_creating);
    tcase_add_loop_test(add_tcase(suite, "terminated"), terminated, 0, n_creating);
    tcase_add_loop_test(add_tcase(suite, "killed"), killed, 0, n_creating * n_recoveries);
    tcase_add_loop_test(add_tcase(suite, "destroying"), failed_destroying, 0, n_destroying);
    tcase_add_loop_test(add_tcase(suite, "destroying, killed"), killed_destroying, 0,
                        n_destroying * n_recoveries);
    return harness_run("bus/machine-steps", suite);
}
