/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Reconcile: what goes, what stays, and what is put back. */

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bus/machine/composite-fixture.h"
#include "util/settings.h"

#define OLD_TAP "tap-fc-old"
#define POOL_TAP "tap-pool-1"
#define MARK "org.banger.Helper1"
#define WRITTEN MACHINE_STATE ".vm"

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
    machine_free(machine);
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Calls Reconcile, with one name each or NULL; the reply's lines, in the order of the alphabet. */
static char *
reconcile(const char *keep, const char *remove, bool dry_run)
{
    sd_bus_message *message = rig_message_new(composite_bus, "Reconcile");
    char *keeps[] = {(char *)keep, NULL};
    char *removes[] = {(char *)remove, NULL};
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    const char *kind, *name, *action;
    sd_bus_message *reply;

    ck_assert_int_ge(sd_bus_message_append_strv(message, keeps), 0);
    ck_assert_int_ge(sd_bus_message_append_strv(message, removes), 0);
    ck_assert_int_ge(sd_bus_message_append(message, "bs", (int)dry_run, ""), 0);
    reply = rig_call_message(composite_bus, message, NULL);
    ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(sss)"), 0);
    while (sd_bus_message_read(reply, "(sss)", &kind, &name, &action) > 0)
        g_ptr_array_add(lines, g_strdup_printf("%s %s %s", kind, name, action));
    sd_bus_message_unref(reply);
    g_ptr_array_sort(lines, compare);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

static void
check(const char *keep, const char *remove, bool dry_run, const char *expected)
{
    g_autofree char *said = reconcile(keep, remove, dry_run);

    ck_assert_str_eq(said, expected);
}

/* A link with our mark, made so long ago that it is not known when. */
static void
make_old(const char *tap, const char *label)
{
    network_bridge_and_tap(composite_bus, tap);
    network_do("ip link set %s alias '" MARK "%s'", tap, label);
}

/* A VMM that died leaves what is young, which goes by its name, and at last all. */
START_TEST(after_a_death)
{
    g_autofree char *before = composite_state();
    g_autofree char *left = NULL;
    g_autofree char *after = NULL;
    pid_t pid = composite_create(machine);

    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    rig_wait_pid_gone(pid);
    left = composite_state();
    check(NULL, NULL, false, "");
    check(NULL, "whole", true,
          "socket " MACHINE_RUN "whole.sock would be removed\n"
          "socket " MACHINE_RUN "whole.vsock would be removed\n"
          "tap " COMPOSITE_TAP " would be removed");
    after = composite_state();
    composite_assert_same(after, left);
    check("whole", "*", true, "");
    check(NULL, "whole", false,
          "socket " MACHINE_RUN "whole.sock removed\n"
          "socket " MACHINE_RUN "whole.vsock removed\n"
          "tap " COMPOSITE_TAP " removed");
    check(NULL, "br-*", false, "bridge br-fc removed");
    g_free(after);
    network_do("rm " MACHINE_STATE "whole.log " MACHINE_STATE "whole.metrics");
    network_do("echo 0 > /proc/sys/net/ipv4/ip_forward");
    after = composite_state();
    composite_assert_same(after, before);
}
END_TEST

/* Whatever is named: what a machine has is not touched. */
START_TEST(running_machine)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    (void)composite_create(machine);
    before = composite_state();
    check(NULL, "*", true, "");
    check(NULL, "*", false, "");
    after = composite_state();
    composite_assert_same(after, before);
}
END_TEST

/* A VMM whose guest was never started, as a helper leaves it that is killed in the launch. */
START_TEST(unstarted_machine)
{
    static const char *const argv[] = {MACHINE_BINARY, "--api-sock", MACHINE_RUN "half.sock",
                                       "--id",         "half",       NULL};
    pid_t half = machine_start_program(RIG_UID_OWNER, argv);

    (void)composite_create(machine);
    rig_wait_listening(MACHINE_RUN "half.sock");
    check("half", "half", true, "");
    /* Who started it, and what for, is not on record without systemd. */
    check(NULL, NULL, true, "");
    check(NULL, "half", true, "machine half would be removed");
    ck_assert_int_eq(kill(half, 0), 0);
    check(NULL, "*", false, "machine half removed\nsocket " MACHINE_RUN "half.sock removed");
    machine_end(half);
    ck_assert_uint_gt(machine_find(composite_bus, MACHINE_RUN "whole.sock"), 1);
}
END_TEST

START_TEST(old_and_young)
{
    make_old(OLD_TAP, " vm=gone");
    make_old(POOL_TAP, "");
    network_bridge_and_tap(composite_bus, COMPOSITE_TAP);
    network_do("ip link set br-fc alias " MARK);
    /* By its own name, and by that of its machine. */
    check(OLD_TAP, NULL, true, "");
    check("go?e", NULL, true, "");
    check(NULL, NULL, true, "tap " OLD_TAP " would be removed");
    check(NULL, NULL, false, "tap " OLD_TAP " removed");
    check(NULL, "tap-pool-*", false, "tap " POOL_TAP " removed");
    check(NULL, COMPOSITE_TAP, true,
          "bridge br-fc would be removed\ntap " COMPOSITE_TAP " would be removed");
    check("br-fc", COMPOSITE_TAP, false, "tap " COMPOSITE_TAP " removed");
    check(NULL, NULL, false, "bridge br-fc removed");
    ck_assert_str_eq(network_run("nft list ruleset"), "");
}
END_TEST

/* Links of others' are not looked at. */
START_TEST(of_others)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    network_do("ip tuntap add tap-fc-other mode tap; ip link add br-other type bridge");
    before = composite_state();
    check(NULL, "*", false, "");
    after = composite_state();
    composite_assert_same(after, before);
}
END_TEST

/* A socket at which a process listens, and one that none has. */
START_TEST(sockets)
{
    network_do("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"" MACHINE_RUN
               "dead.sock\")'; chown %u " MACHINE_RUN
               "dead.sock; touch -d '1 hour ago' " MACHINE_RUN "dead.sock",
               RIG_UID_OWNER);
    check("dead", NULL, true, "");
    check(MACHINE_RUN "dead.sock", NULL, true, "");
    check(NULL, NULL, false, "socket " MACHINE_RUN "dead.sock removed");
    ck_assert(!network_true("test -e " MACHINE_RUN "dead.sock"));
    (void)composite_create(machine);
    network_do("touch -d '1 hour ago' " MACHINE_RUN "whole.sock");
    check(NULL, "*", false, "");
}
END_TEST

static void
destroy(const char *vm_id)
{
    sd_bus_message *message = rig_message_new(composite_bus, "DestroyMachine");

    ck_assert_int_ge(sd_bus_message_append(message, "a{sv}s", 1, "vm_id", "s", vm_id, ""), 0);
    sd_bus_message_unref(rig_call_message(composite_bus, message, NULL));
}

/*
 * What a VMM had written of a snapshot when its host went down, or its helper, goes with its
 * machine; that of one that has sockets goes with these.
 */
START_TEST(snapshot_directories)
{
    pid_t pid;

    if (machine_has_systemd()) {
        harness_skip("the directories of a machine in a jail are there while it runs");
        return;
    }
    pid = composite_create(machine);
    network_do("mkdir -p -m 711 " WRITTEN " && cd " WRITTEN " && mkdir old young whole && "
               "echo x > old/memory && echo x > young/memory && touch -d @1 old whole && "
               "mkdir -p -m 711 " MACHINE_RUN ".vm/whole");
    check(NULL, NULL, true, "snapshot-directory old would be removed");
    check("old", "young", true, "snapshot-directory young would be removed");
    check(NULL, NULL, false, "snapshot-directory old removed");
    ck_assert_int_ne(access(WRITTEN "/old", F_OK), 0);
    ck_assert_int_eq(access(WRITTEN "/young/memory", F_OK), 0);
    destroy("young");
    ck_assert_int_ne(access(WRITTEN "/young", F_OK), 0);
    ck_assert_int_eq(access(WRITTEN "/whole", F_OK), 0);
    network_do("rmdir " MACHINE_RUN ".vm/whole " MACHINE_RUN ".vm");
    check(NULL, NULL, false, "");
    ck_assert_int_eq(kill(pid, 0), 0);
    destroy("whole");
    ck_assert_int_ne(access(WRITTEN "/whole", F_OK), 0);
    network_do("rmdir " WRITTEN);
}
END_TEST

/* A TAP that an administrator deletes leaves its registration. */
START_TEST(record_without_tap)
{
    network_bridge_and_tap(composite_bus, COMPOSITE_TAP);
    rig_call_ok(composite_bus, "EnsureNAT", "ssbs", COMPOSITE_GUEST, COMPOSITE_TAP, 1, "");
    rig_call_ok(composite_bus, "SetEgress", "sass", COMPOSITE_GUEST, 1, "10.0.0.0/8", "");
    network_do("ip link del " COMPOSITE_TAP);
    network_assert_contains(network_run("nft list ruleset"), COMPOSITE_GUEST);
    check(NULL, NULL, true, "record " COMPOSITE_TAP " would be removed");
    check(NULL, NULL, false, "record " COMPOSITE_TAP " removed");
    network_assert_lacks(network_run("nft list ruleset"), COMPOSITE_GUEST);
    ck_assert(!network_true("test -e /run/banger-helper/net/" COMPOSITE_TAP));
    check(NULL, NULL, false, "");
    /* One that a killed helper had begun to write. */
    network_do("echo egress > /run/banger-helper/net/." COMPOSITE_TAP);
    check(NULL, NULL, false, "record " COMPOSITE_TAP " removed");
    ck_assert_str_eq(network_run("ls -A /run/banger-helper/net"), "");
    check(NULL, NULL, false, "");
}
END_TEST

START_TEST(tables_that_were_flushed)
{
    (void)composite_create(machine);
    network_do("nft flush ruleset; echo 0 > /proc/sys/net/ipv4/ip_forward");
    check(NULL, NULL, false, "tables banger put back");
    network_assert_contains(network_run("nft list set inet banger guests4"), COMPOSITE_GUEST);
    network_assert_contains(network_run("nft list map inet banger forwards4"), "8080");
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    check(NULL, NULL, false, "");
}
END_TEST

START_TEST(refused)
{
    rig_call_fails(composite_bus, RIG_ERROR("BadParams"), "Reconcile", "asasbs", 1, "a b", 0, 0,
                   "");
    rig_call_fails(composite_bus, RIG_ERROR("BadParams"), "Reconcile", "asasbs", 0, 1, "", 0, "");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/reconcile", argv, NULL);
    suite = suite_create("reconcile");
    tcase = composite_add_tcase(suite, "reconcile");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, after_a_death);
    tcase_add_test(tcase, running_machine);
    tcase_add_test(tcase, unstarted_machine);
    tcase_add_test(tcase, old_and_young);
    tcase_add_test(tcase, of_others);
    tcase_add_test(tcase, sockets);
    tcase_add_test(tcase, snapshot_directories);
    tcase_add_test(tcase, record_without_tap);
    tcase_add_test(tcase, tables_that_were_flushed);
    tcase_add_test(tcase, refused);
    return harness_run("bus/reconcile", suite);
}
