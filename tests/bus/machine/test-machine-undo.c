/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A machine of which one step fails, or whose helper is killed: nothing is left, or it can be
 * removed.
 */

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bus/machine/composite-fixture.h"
#include "util/settings.h"

static Machine *machine;

static void
set_up(void)
{
    machine = composite_new();
    machine->more = composite_append_all;
}

static void
tear_down(void)
{
    machine_order("whole", NULL);
    machine_free(machine);
}

static void
fails(const char *name, const char *words)
{
    composite_fails("CreateMachine", machine, name, words);
}

static int
append_outside(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "guest_ip", "s", "10.9.9.9");
}

static int
append_local_port(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}{sv}{sv}", "guest_ip", "s", COMPOSITE_GUEST, "nat",
                                 "b", 1, "port_forwards", "a(sqq)", 2, "tcp", 8080, 80, "tcp", 80,
                                 80);
}

static int
append_bad_file(sd_bus_message *message)
{
    int r = composite_append_guest(message);

    return r < 0 ? r
                 : sd_bus_message_append(message, "{sv}", "files", "a(sayu)", 1, "/lost+found/../x",
                                         1, 'x', 0u);
}

static int
append_directory_as_file(sd_bus_message *message)
{
    int r = composite_append_guest(message);

    return r < 0 ? r
                 : sd_bus_message_append(message, "{sv}", "files", "a(sayu)", 1, "/lost+found", 1,
                                         'x', 0u);
}

/* Each part of it by a cause of its own, on a host with nothing. */
static void
fail_each(void)
{
    machine->more = append_outside;
    fails("BadParams", "does not lie in a network of br-fc");
    machine->more = append_local_port;
    fails("BadParams", "port_forwards: host_port: 80 is below 1024");
    machine->more = append_bad_file;
    fails("BadParams", "..");
    machine->more = append_directory_as_file;
    fails("BadParams", "/lost+found");
    machine->more = composite_append_all;
    machine_order("whole", "refuse /actions I do not want to");
    fails("OperationFailed", "I do not want to");
    machine_order("whole", "exit bind 7");
    fails("OperationFailed", "exited with status 7");
    machine_order("whole", NULL);
    network_do("mv " COMPOSITE_IMAGE " " MACHINE_STATE
               "away && head -c 65536 /dev/urandom > " COMPOSITE_IMAGE
               " && chown %u " COMPOSITE_IMAGE,
               RIG_UID_OWNER);
    fails("OperationFailed", "");
    network_do("mv " MACHINE_STATE "away " COMPOSITE_IMAGE);
}

START_TEST(each_step_fails)
{
    fail_each();
}
END_TEST

/* What is there stays as it is: the bridge; its TAP too; and what is registered for that. */
START_TEST(what_was_there_stays)
{
    /* Forwarding goes with the last bridge, whoever had it switched on. */
    network_do("echo 1 > /proc/sys/net/ipv4/ip_forward");
    network_bridge_and_tap(composite_bus, "tap-fc-2");
    fail_each();
    network_bridge_and_tap(composite_bus, COMPOSITE_TAP);
    fail_each();
    rig_call_ok(composite_bus, "EnsureNAT", "ssbs", COMPOSITE_GUEST, COMPOSITE_TAP, 1, "");
    rig_call_ok(composite_bus, "SetEgress", "sass", COMPOSITE_GUEST, 1, "192.0.2.7", "");
    rig_call_ok(composite_bus, "EnsurePortForward", "sqsqbs", "tcp", 7070, COMPOSITE_GUEST, 70, 1,
                "");
    fail_each();
    /* That of another TAP, from which the guest would be taken. */
    rig_call_ok(composite_bus, "DeleteTap", "ss", COMPOSITE_TAP, "");
    rig_call_ok(composite_bus, "EnsureNAT", "ssbs", COMPOSITE_GUEST, "tap-fc-2", 1, "");
    rig_call_ok(composite_bus, "EnsurePortForward", "sqsqbs", "tcp", 7070, COMPOSITE_GUEST, 70, 1,
                "");
    fail_each();
}
END_TEST

static const struct {
    const char *address;
    const char *prefix;
} former_addresses[] = {{"172.16.5.1", "24"}, {"fd00:5::1", "64"}};

/*
 * The bridge has the address that it had, in the kernel and in the tables, and no other: one of the
 * same family gave way to that of the machine, one of the other did not.
 */
START_TEST(former_address)
{
    const char *address = former_addresses[_i].address;
    const char *prefix = former_addresses[_i].prefix;

    /* Forwarding goes with the last bridge, whoever had it switched on. */
    network_do("echo 1 > /proc/sys/net/ipv4/ip_forward");
    /* What the kernel lets a bridge with ports do stays as it was with the first one. */
    rig_call_ok(composite_bus, "CreateTap", "sssss", "br-fc", address, prefix, "tap-fc-2", "");
    fail_each();
    network_assert_contains(network_run("ip -o addr show dev br-fc"), address);
    /* CreateTap alone, on a name that is taken. */
    network_do("ip tuntap add " COMPOSITE_TAP " mode tap");
    machine->more = composite_append_all;
    fails("AlreadyExists", COMPOSITE_TAP);
    rig_call_fails(composite_bus, RIG_ERROR("AlreadyExists"), "CreateTap", "sssss", "br-fc",
                   "172.16.0.1", "24", COMPOSITE_TAP, "op-1");
    network_assert_contains(network_run("ip -o addr show dev br-fc"), address);
    network_assert_lacks(network_run("ip -o addr show dev br-fc"), "172.16.0.1");
    network_assert_contains(network_run("nft list ruleset"), address);
    network_assert_lacks(network_run("nft list ruleset"), "172.16.0.1");
}
END_TEST

static int
append_snapshot(sd_bus_message *message)
{
    int r = composite_append_guest(message);

    return r < 0 ? r
                 : sd_bus_message_append(message, "{sv}{sv}{sv}{sv}", "rootfs_path", "s",
                                         COMPOSITE_IMAGE, "cow_path", "s",
                                         MACHINE_STATE "whole.cow", "dm_name", "s",
                                         "fc-rootfs-whole", "cow_size", "t", (uint64_t)1 << 20);
}

static int
append_snapshot_dry(sd_bus_message *message)
{
    int r = append_snapshot(message);

    return r < 0 ? r : sd_bus_message_append(message, "{sv}", "dry_run", "b", 1);
}

/* The COW file is made before the snapshot, which this kernel may have none of. */
START_TEST(snapshot_fails)
{
    if (access("/dev/mapper/control", F_OK) == 0) {
        harness_skip("this kernel has device-mapper");
        return;
    }
    g_array_set_size(machine->drives, 0);
    machine->more = append_snapshot;
    fails("NotSupported", "device-mapper");
    machine->more = append_snapshot_dry;
    fails("NotSupported", "device-mapper");
    /* An empty one is what a helper left that was killed while making it: it is no obstacle. */
    machine_write(MACHINE_STATE "whole.cow", "");
    fails("NotSupported", "device-mapper");
    network_do("rm " MACHINE_STATE "whole.cow");
    machine->more = append_snapshot;
    machine_remove(machine, "drives");
    fails("NotSupported", "device-mapper");
    /* If the network fails too, both errors are in the message. */
    network_do("ip link add br-fc type bridge");
    fails("NotManaged", "br-fc");
    fails("NotManaged", "; and this host's kernel has no device-mapper");
    network_do("ip link del br-fc");
}
END_TEST

/* Whether the call is over: the helper has answered, or is gone. */
typedef struct {
    RigPending *pending;
} Done;

static bool
is_done(void *user_data)
{
    const Done *done = user_data;

    rig_bus_handle(composite_bus);
    return done->pending->done;
}

/* Starts the call, kills the helper after @usec, and waits for the answer, of whatever kind. */
static void
kill_helper_after(unsigned int usec)
{
    Done done = {rig_call_start(composite_bus,
                                machine_call_message(composite_bus, "CreateMachine", machine, ""))};
    gint64 end = g_get_monotonic_time() + usec;

    while (g_get_monotonic_time() < end)
        rig_bus_handle(composite_bus);
    rig_stop_service(BANGER_BUS_NAME, SIGKILL);
    rig_wait_for(is_done, &done, "an answer");
    rig_pending_free(done.pending);
}

/* The same call again; a VMM that has come up by itself is there already. */
static void
create_unless_there(void)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;

    sd_bus_message_unref(rig_call_message(
        composite_bus, machine_call_message(composite_bus, "CreateMachine", machine, ""), &error));
    ck_assert_msg(error.name == NULL || g_str_equal(error.name, RIG_ERROR("AlreadyExists")),
                  "%s: %s", error.name, error.message);
    sd_bus_error_free(&error);
}

/*
 * The helper is killed at moments all over the call: DestroyMachine removes what is left, and the
 * call can be made again.
 */
START_TEST(killed)
{
    g_autofree char *before = NULL;

    (void)composite_create(machine);
    composite_destroy(machine);
    before = composite_state();
    for (unsigned int i = 0; i < 24; i++) {
        g_autofree char *after = NULL;

        rig_call_ok(composite_bus, "ResolveFirecrackerBinary", "ss", "", "");
        kill_helper_after(i * 2500);
        if (i % 2 == 0)
            composite_destroy(machine);
        else
            create_unless_there();
        composite_destroy(machine);
        after = composite_state();
        composite_assert_same(after, before);
    }
}
END_TEST

/* SIGTERM: a call that has begun comes to its end, or leaves nothing. */
START_TEST(terminated)
{
    g_autofree char *before = composite_state();
    g_autofree char *after = NULL;
    RigPending *pending = rig_call_start(
        composite_bus, machine_call_message(composite_bus, "CreateMachine", machine, ""));

    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    rig_pending_wait(composite_bus, pending);
    if (pending->error_name == NULL) {
        ck_assert_uint_gt(machine_find(composite_bus, MACHINE_RUN "whole.sock"), 1);
        composite_destroy(machine);
    } else {
        ck_assert_msg(strstr(pending->error_message, "is stopping") != NULL, "%s",
                      pending->error_message);
        after = composite_state();
        composite_assert_same(after, before);
    }
    rig_pending_free(pending);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/machine-undo", argv, NULL);
    suite = suite_create("machine-undo");
    tcase = composite_add_tcase(suite, "undo");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, each_step_fails);
    tcase_add_test(tcase, what_was_there_stays);
    tcase_add_loop_test(tcase, former_address, 0, (int)G_N_ELEMENTS(former_addresses));
    tcase_add_test(tcase, snapshot_fails);
    tcase_add_test(tcase, killed);
    tcase_add_test(tcase, terminated);
    return harness_run("bus/machine-undo", suite);
}
