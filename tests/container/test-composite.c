/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * CreateMachine, DestroyMachine and Reconcile under a real systemd, where a machine is a unit in a
 * jail with a record of its own.
 */

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bus/machine/composite-fixture.h"
#include "bus/objects/objects-client.h"
#include "util/settings.h"

#define UNIT "banger-vm-whole.service"
#define MACHINE BANGER_OBJECT_PATH "/machines/whole"
#define TAP BANGER_OBJECT_PATH "/taps/tap_2dfc_2dwhole"
#define BRIDGE BANGER_OBJECT_PATH "/bridges/br_2dfc"

static Machine *machine;
static char *before; /* composite_state() of the host without the machine */

static void
set_up(void)
{
    machine = composite_new();
    machine->more = composite_append_all;
    before = composite_state();
}

static void
tear_down(void)
{
    machine_order("whole", NULL);
    machine_free(machine);
    g_clear_pointer(&before, g_free);
}

static void
destroy_by_name(void)
{
    sd_bus_message *message = rig_message_new(composite_bus, "DestroyMachine");

    ck_assert_int_ge(sd_bus_message_append(message, "a{sv}s", 1, "vm_id", "s", "whole", ""), 0);
    sd_bus_message_unref(rig_call_message(composite_bus, message, NULL));
}

/* The machine has ended when the call is answered; systemd may hear of it a moment later. */
static bool
has_unloaded_unit(void *data)
{
    (void)data;
    return !network_true("systemctl list-units --all --plain --no-legend '" UNIT "' | grep .");
}

/* But for the log and the metrics, which are for whoever looks into what has become of it. */
static void
check_nothing_left(void)
{
    g_autofree char *after = NULL;

    network_do("rm -f " MACHINE_STATE "whole.log " MACHINE_STATE "whole.metrics");
    after = composite_state();
    composite_assert_same(after, before);
    rig_wait_for(has_unloaded_unit, NULL, "systemd to forget the unit");
    ck_assert_int_ne(access(MACHINE_RUN ".vm/whole", F_OK), 0);
    ck_assert_int_ne(access(MACHINE_STATE ".vm/whole", F_OK), 0);
}

/* The objects of the machine @pid, its TAP and the bridge. */
static void
check_objects(pid_t pid)
{
    g_autofree char *expected = g_strdup_printf("running %d " MACHINE, pid);
    g_autofree char *line = objects_list(composite_bus, "whole");

    ck_assert_str_eq(line, expected);
    objects_assert(composite_bus, MACHINE, OBJECT_MACHINE, "State", "running");
    objects_assert(composite_bus, MACHINE, OBJECT_MACHINE, "Unit", UNIT);
    objects_assert(composite_bus, MACHINE, OBJECT_MACHINE, "Tap", COMPOSITE_TAP);
    objects_assert(composite_bus, MACHINE, OBJECT_MACHINE, "ApiSocket", MACHINE_RUN "whole.sock");
    objects_assert(composite_bus, MACHINE, OBJECT_MACHINE, "VsockPath", MACHINE_RUN "whole.vsock");
    objects_assert(composite_bus, TAP, OBJECT_TAP, "Bridge", "br-fc");
    objects_assert(composite_bus, TAP, OBJECT_TAP, "Machine", "whole");
    objects_assert(composite_bus, TAP, OBJECT_TAP, "GuestIps", COMPOSITE_GUEST);
    objects_assert(composite_bus, TAP, OBJECT_TAP, "Nat", "true");
    objects_assert(composite_bus, TAP, OBJECT_TAP, "Attached", "true");
    objects_assert(composite_bus, BRIDGE, OBJECT_BRIDGE, "Ports", "1");
    objects_assert(composite_bus, BRIDGE, OBJECT_BRIDGE, "Addresses", "172.16.0.1/24");
}

/*
 * The VMM is a unit in its jail: a user of its own, no capability, sockets in a directory of its
 * own.
 */
static void
check_jail(pid_t pid)
{
    g_autofree char *uids = machine_proc_status(pid, "Uid");
    g_autofree char *capabilities = machine_proc_status(pid, "CapEff");
    g_autofree char *cgroup = NULL;
    g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", pid);

    ck_assert_uint_ge(g_ascii_strtoull(uids, NULL, 10), 61184);
    ck_assert_uint_le(g_ascii_strtoull(uids, NULL, 10), 65519);
    ck_assert_str_eq(capabilities, "0000000000000000");
    ck_assert(g_file_get_contents(path, &cgroup, NULL, NULL));
    network_assert_contains(cgroup, "/banger.slice/" UNIT);
    ck_assert_int_eq(access(MACHINE_RUN ".vm/whole", F_OK), 0);
    ck_assert_str_eq(network_run("stat -c '%%U %%a' " MACHINE_RUN "whole.sock"), "banger 600\n");
}

START_TEST(destroyed_by_name)
{
    pid_t pid = composite_create(machine);

    check_jail(pid);
    check_objects(pid);
    network_assert_contains(network_run("nft list set inet banger guests4"), COMPOSITE_GUEST);
    network_assert_contains(network_run("nft list map inet banger forwards4"), "8080");
    composite_fails("CreateMachine", machine, "AlreadyExists", "runs already");
    destroy_by_name();
    ck_assert(machine_has_ended(pid));
    ck_assert_ptr_null(objects_list(composite_bus, "whole"));
    objects_assert(composite_bus, TAP, OBJECT_TAP, "Name", NULL);
    ck_assert(network_link_exists("br-fc"));
    rig_call_ok(composite_bus, "DeleteBridge", "ss", "br-fc", "");
    check_nothing_left();
    destroy_by_name();
    check_nothing_left();
}
END_TEST

/*
 * A VM whose root drive is a snapshot that the caller made, and names as a drive. What runs in the
 * unit is no matter, nor is device-mapper, which the container lacks.
 */
START_TEST(destroyed_with_a_drive_that_is_a_snapshot)
{
    machine->more = NULL;
    g_array_set_size(machine->drives, 0);
    machine_add_drive(machine, "rootfs", "/dev/mapper/fc-rootfs-whole", false, true);
    network_do("systemd-run --quiet --unit " UNIT " --slice banger.slice "
               "--setenv BANGER_ROOT=/dev/mapper/fc-rootfs-whole sleep infinity");
    objects_assert(composite_bus, MACHINE, OBJECT_MACHINE, "Snapshot", "fc-rootfs-whole");
    composite_destroy(machine);
    rig_wait_for(machine_has_no_unit, (void *)(uintptr_t) "whole", "the unit's end");
    check_nothing_left();
}
END_TEST

/* The kinds of what Reconcile has removed of the machine and its bridge, in order. */
static char *
reconcile(void)
{
    sd_bus_message *reply =
        rig_call(composite_bus, "Reconcile", NULL, "asasbs", 0, 2, "whole", "br-fc", 0, "");
    GString *kinds = g_string_new(NULL);
    const char *kind, *name, *action;

    ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(sss)"), 0);
    while (sd_bus_message_read(reply, "(sss)", &kind, &name, &action) > 0) {
        ck_assert_msg(strcmp(action, "removed") == 0, "%s %s: %s", kind, name, action);
        g_string_append_printf(kinds, "%s ", kind);
    }
    sd_bus_message_unref(reply);
    return g_string_free(kinds, FALSE);
}

/* A VMM that dies leaves its TAP, its sockets and the directory that they were in. */
START_TEST(reconciled)
{
    pid_t pid = composite_create(machine);
    g_autofree char *with = composite_state();
    g_autofree char *still = NULL;
    g_autofree char *kinds = reconcile();

    ck_assert_str_eq(kinds, "");
    still = composite_state();
    composite_assert_same(still, with);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    rig_wait_pid_gone(pid);
    rig_wait_for(machine_has_no_unit, (void *)(uintptr_t) "whole", "the unit's end");
    g_free(kinds);
    kinds = reconcile();
    ck_assert_str_eq(kinds, "tap socket socket socket-directory bridge ");
    check_nothing_left();
}
END_TEST

/* What a VMM that died left is no hindrance, and goes with the next one. */
START_TEST(again_after_a_death)
{
    pid_t pid = composite_create(machine);

    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    rig_wait_pid_gone(pid);
    rig_wait_for(machine_has_no_unit, (void *)(uintptr_t) "whole", "the unit's end");
    pid = composite_create(machine);
    check_objects(pid);
    composite_destroy(machine);
    rig_call_ok(composite_bus, "DeleteBridge", "ss", "br-fc", "");
    check_nothing_left();
}
END_TEST

static int
append_dry(sd_bus_message *message)
{
    int r = composite_append_all(message);

    return r < 0 ? r : sd_bus_message_append(message, "{sv}", "dry_run", "b", 1);
}

/*
 * A host that lacks one thing: a command, and one to take it back. The files of this machine are
 * not touched: the root directory is an overlay.
 */
static const struct {
    const char *spoil, *mend, *words;
} lacks[] = {
    {"mv /dev/kvm /dev/away", "mv /dev/away /dev/kvm", "/dev/kvm"},
    {"mv /dev/net/tun /dev/net/away", "mv /dev/net/away /dev/net/tun", "/dev/net/tun"},
    {"mv " BANGER_E2FSCK " " BANGER_E2FSCK ".away", "mv " BANGER_E2FSCK ".away " BANGER_E2FSCK,
     BANGER_E2FSCK},
    {"mv " BANGER_LIBEXECDIR "/banger-image-worker /usr/away",
     "mv /usr/away " BANGER_LIBEXECDIR "/banger-image-worker", "banger-image-worker"},
    {"mv " BANGER_VM_ROOT " /usr/away", "mv /usr/away " BANGER_VM_ROOT, BANGER_VM_ROOT},
    {"sed -i s/^banger-vmm:/away-vmm:/ /etc/group", "sed -i s/^away-vmm:/banger-vmm:/ /etc/group",
     "banger-vmm"},
};

START_TEST(dry_run_names_what_is_lacking)
{
    sd_bus_message *reply;

    machine->more = append_dry;
    network_do("%s", lacks[_i].spoil);
    composite_fails("CreateMachine", machine, "NotSupported", lacks[_i].words);
    network_do("%s", lacks[_i].mend);
    reply = rig_call_message(
        composite_bus, machine_call_message(composite_bus, "CreateMachine", machine, ""), NULL);
    sd_bus_message_unref(reply);
    check_nothing_left();
}
END_TEST

/* Where the VMM hangs, and what there is by then. */
static const struct {
    const char *orders, *there;
} hangs[] = {
    {"hang bind", "/sys/fs/cgroup/banger.slice/" UNIT},
    {"hang /actions", MACHINE_RUN "whole.vsock"},
};

typedef struct {
    const char *there;
    char *path; /* of the call's job */
} Hung;

static bool
hangs_there(void *data)
{
    g_autoptr(GHashTable) managed = objects_managed(composite_bus);
    Hung *hung = data;
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, managed);
    while (hung->path == NULL && g_hash_table_iter_next(&iter, &key, &value))
        if (g_str_has_suffix(key, " " OBJECT_JOB ".OpId") && strcmp(value, "op-cancelled") == 0)
            hung->path = g_strndup(key, strcspn(key, " "));
    return hung->path != NULL && access(hung->there, F_OK) == 0;
}

/* The VMM never goes on, and the owner does not wait for the end of its time. */
START_TEST(cancelled)
{
    sd_bus *other = rig_bus_open(RIG_UID_OWNER);
    Hung hung = {hangs[_i].there, NULL};
    RigPending *pending;
    int r;

    machine_order("whole", hangs[_i].orders);
    pending = rig_call_start(composite_bus, machine_call_message(composite_bus, "CreateMachine",
                                                                 machine, "op-cancelled"));
    rig_wait_for(hangs_there, &hung, "the VMM");
    r = sd_bus_call_method(other, BANGER_BUS_NAME, hung.path, OBJECT_JOB, "Cancel", NULL, NULL, "");
    ck_assert_int_ge(r, 0);
    rig_pending_wait(composite_bus, pending);
    ck_assert_str_eq(pending->error_name, RIG_ERROR("OperationFailed"));
    network_assert_contains(pending->error_message, "cancelled it");
    rig_pending_free(pending);
    g_free(hung.path);
    sd_bus_flush_close_unref(other);
    check_nothing_left();
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("container/composite", argv, NULL);
    suite = suite_create("composite");
    tcase = composite_add_tcase(suite, "composite");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, destroyed_by_name);
    tcase_add_test(tcase, destroyed_with_a_drive_that_is_a_snapshot);
    tcase_add_test(tcase, reconciled);
    tcase_add_test(tcase, again_after_a_death);
    tcase_add_loop_test(tcase, dry_run_names_what_is_lacking, 0, (int)G_N_ELEMENTS(lacks));
    tcase_add_loop_test(tcase, cancelled, 0, (int)G_N_ELEMENTS(hangs));
    return harness_run("container/composite", suite);
}
