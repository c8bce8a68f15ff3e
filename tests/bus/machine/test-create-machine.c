/* SPDX-License-Identifier: GPL-2.0-or-later */

/* CreateMachine: all of a machine's host side, what is refused, and the dry run. */

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
}

static void
tear_down(void)
{
    machine_free(machine);
}

/* The content of the guest's file @path, by ReadExt4File. */
static char *
read_file(const char *path)
{
    sd_bus_message *reply =
        rig_call(composite_bus, "ReadExt4File", NULL, "sss", COMPOSITE_IMAGE, path, "");
    const void *data;
    size_t size;
    char *text;

    ck_assert_int_ge(sd_bus_message_read_array(reply, 'y', &data, &size), 0);
    text = g_strndup(data, size);
    sd_bus_message_unref(reply);
    return text;
}

START_TEST(whole)
{
    g_autofree char *hostname = NULL;
    g_autoptr(GHashTable) record = NULL;
    const char *object;
    uint32_t pid;
    sd_bus_message *reply;

    machine->more = composite_append_all;
    reply = rig_call_message(
        composite_bus, machine_call_message(composite_bus, "CreateMachine", machine, "op-whole"),
        NULL);
    ck_assert_int_ge(sd_bus_message_read(reply, "ou", &object, &pid), 0);
    ck_assert_str_eq(object, BANGER_OBJECT_PATH "/machines/whole");
    ck_assert_uint_eq(machine_find(composite_bus, MACHINE_RUN "whole.sock"), pid);
    sd_bus_message_unref(reply);
    network_assert_contains(network_run("ip -d link show " COMPOSITE_TAP), "master br-fc");
    network_assert_contains(network_run("cat /sys/class/net/" COMPOSITE_TAP "/ifalias"),
                            "vm=whole");
    network_assert_contains(network_run("nft list set inet banger guests4"), COMPOSITE_GUEST);
    network_assert_contains(network_run("nft list map inet banger forwards4"), "8080");
    network_assert_contains(network_run("cat /run/banger-helper/net/" COMPOSITE_TAP),
                            "egress " COMPOSITE_GUEST " 10.0.0.0/8 192.0.2.1/32:443/tcp");
    hostname = read_file("/etc/hostname");
    ck_assert_str_eq(hostname, "whole\n");
    record = rig_journal_wait("op-whole");
    ck_assert_str_eq(g_hash_table_lookup(record, "METHOD"), "CreateMachine");
    ck_assert_str_eq(g_hash_table_lookup(record, "VM_ID"), "whole");
    /* It is there, and stays as it is. */
    composite_fails("CreateMachine", machine, "AlreadyExists", "runs already");
    composite_destroy(machine);
    ck_assert(!network_link_exists(COMPOSITE_TAP));
    ck_assert(network_link_exists("br-fc"));
    network_assert_lacks(network_run("nft list ruleset"), COMPOSITE_GUEST);
    ck_assert(!network_true("test -e /run/banger-helper/net/" COMPOSITE_TAP));
    ck_assert(!network_true("ls " MACHINE_RUN "whole.*"));
    ck_assert(machine_has_ended((pid_t)pid));
}
END_TEST

/* One that is there is put to use, and the same dictionary makes it again. */
START_TEST(again)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;

    machine->more = composite_append_all;
    (void)composite_create(machine);
    composite_destroy(machine);
    composite_destroy(machine);
    before = composite_state();
    (void)composite_create(machine);
    composite_destroy(machine);
    after = composite_state();
    composite_assert_same(after, before);
}
END_TEST

static int
append_address(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "guest_ip", "s", COMPOSITE_GUEST);
}

/* Without nat the address is registered, and leaves the bridge no more than it did before. */
START_TEST(address_alone)
{
    machine->more = append_address;
    (void)composite_create(machine);
    network_assert_contains(network_run("nft list set bridge banger source4"), COMPOSITE_GUEST);
    network_assert_lacks(network_run("nft list set inet banger guests4"), COMPOSITE_GUEST);
    network_assert_contains(network_run("cat /sys/class/net/" COMPOSITE_TAP "/ifalias"),
                            " " COMPOSITE_GUEST "!");
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
    composite_destroy(machine);
    /* And one that could leave it cannot any more. */
    network_bridge_and_tap(composite_bus, COMPOSITE_TAP);
    rig_call_ok(composite_bus, "EnsureNAT", "ssbs", COMPOSITE_GUEST, COMPOSITE_TAP, 1, "");
    network_assert_contains(network_run("nft list set inet banger guests4"), COMPOSITE_GUEST);
    (void)composite_create(machine);
    network_assert_lacks(network_run("nft list set inet banger guests4"), COMPOSITE_GUEST);
}
END_TEST

/* A machine on a TAP that is there, with nothing besides. */
START_TEST(least)
{
    machine_remove(machine, "network");
    composite_fails("CreateMachine", machine, "NotFound", "there is no TAP " COMPOSITE_TAP);
    network_bridge_and_tap(composite_bus, COMPOSITE_TAP);
    (void)composite_create(machine);
}
END_TEST

typedef struct {
    const char *key;
    const char *words;
    const char *type;
    const char *text; /* of type s; NULL: of another */
} Refusal;

static const Refusal refusals[] = {
    {"nat", "nat: given without guest_ip", "b", NULL},
    {"port_forwards", "port_forwards: given without guest_ip", "a(sqq)", NULL},
    {"egress", "egress: given without guest_ip", "as", NULL},
    {"guest_ip", "127.0.0.1 is a loopback address", "s", "127.0.0.1"},
    {"guest_ip", "does not lie in a network of br-fc", "s", "10.9.9.9"},
    {"guest_ip", "is the address of br-fc itself", "s", "172.16.0.1"},
    {"guest_ip", "guest_ip", "s", "no address"},
    {"rootfs_path", "go together", "s", MACHINE_STATE "rootfs"},
    {"cow_path", "go together", "s", MACHINE_STATE "whole.cow"},
    {"dm_name", "go together", "s", "fc-rootfs-whole"},
    {"dm_name", "dm_name", "s", "sda"},
    {"cow_path", "is not below", "s", "/etc/passwd"},
    {"cow_size", "cow_size: given without rootfs_path", "t", NULL},
    {"resolver", "resolver", "s", "no server"},
    {"nothing", "unknown key \"nothing\"", "s", "x"},
    {"guest_ip", "is of type \"u\", not \"s\"", "u", NULL},
    {"stop_timeout_s", "is not from 0 to 600", "u", NULL},
};

static const Refusal *refusal;

static int
append_refused(sd_bus_message *message)
{
    if (refusal->text != NULL)
        return sd_bus_message_append(message, "{sv}", refusal->key, "s", refusal->text);
    if (g_str_equal(refusal->type, "a(sqq)"))
        return sd_bus_message_append(message, "{sv}", refusal->key, "a(sqq)", 1, "tcp", 8080, 80);
    if (g_str_equal(refusal->type, "as"))
        return sd_bus_message_append(message, "{sv}", refusal->key, "as", 1, "none");
    if (g_str_equal(refusal->type, "t"))
        return sd_bus_message_append(message, "{sv}", refusal->key, "t", (uint64_t)1 << 20);
    return sd_bus_message_append(message, "{sv}", refusal->key, refusal->type, 1000u);
}

START_TEST(refused)
{
    refusal = &refusals[_i];
    machine->more = append_refused;
    composite_fails("CreateMachine", machine, "BadParams", refusal->words);
}
END_TEST

static int
append_double_port(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}{sv}", "guest_ip", "s", COMPOSITE_GUEST,
                                 "port_forwards", "a(sqq)", 2, "tcp", 8080, 80, "TCP", 8080, 81);
}

static int
append_wrong_protocol(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}{sv}", "guest_ip", "s", COMPOSITE_GUEST,
                                 "port_forwards", "a(sqq)", 1, "sctp", 8080, 80);
}

static int
append_no_network(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}{sv}", "guest_ip", "s", COMPOSITE_GUEST, "egress",
                                 "as", 0);
}

static int
append_two_networks(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}{sv}", "guest_ip", "s", COMPOSITE_GUEST, "egress",
                                 "as", 2, "none", "10.0.0.0/8");
}

static int
append_fsck(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "fsck", "b", 1);
}

static int
append_snapshot(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}{sv}{sv}{sv}", "rootfs_path", "s",
                                 MACHINE_STATE "rootfs", "cow_path", "s", MACHINE_STATE "whole.cow",
                                 "dm_name", "s", "fc-rootfs-whole", "cow_size", "t",
                                 (uint64_t)1 << 20);
}

static int
append_log_as_cow(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}{sv}{sv}", "rootfs_path", "s",
                                 MACHINE_STATE "rootfs", "cow_path", "s", MACHINE_STATE "whole.log",
                                 "dm_name", "s", "fc-rootfs-whole");
}

static int
append_small_cow(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}{sv}{sv}{sv}", "rootfs_path", "s",
                                 MACHINE_STATE "rootfs", "cow_path", "s", MACHINE_STATE "whole.cow",
                                 "dm_name", "s", "fc-rootfs-whole", "cow_size", "t",
                                 (uint64_t)65535);
}

static int
append_resolver(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "resolver", "s", "172.16.0.1");
}

static void
refused_with(int (*more)(sd_bus_message *message), const char *words)
{
    machine->more = more;
    composite_fails("CreateMachine", machine, "BadParams", words);
}

START_TEST(refused_together)
{
    refused_with(append_double_port, "port_forwards: the host's tcp port 8080 occurs twice");
    refused_with(append_wrong_protocol, "neither \"tcp\" nor \"udp\"");
    refused_with(append_no_network, "egress: 0 elements");
    refused_with(append_two_networks, "egress: networks: \"none\" does not stand alone");
    refused_with(append_snapshot, "drives: \"rootfs\" is a root drive");
    g_array_set_size(machine->drives, 0);
    refused_with(append_fsck, "fsck: the machine has no root drive that may be written");
    refused_with(append_log_as_cow, "cow_path: \"" MACHINE_STATE "whole.log\" is the log_path too");
    refused_with(append_small_cow, "cow_size: 65535 is not from 65536");
    machine_add_drive(machine, "rootfs", MACHINE_STATE "data", true, false);
    refused_with(append_snapshot, "the id \"rootfs\" occurs twice");
    machine_remove(machine, "network");
    refused_with(append_resolver, "resolver: given without network");
}
END_TEST

static int
append_dry(sd_bus_message *message)
{
    int r = composite_append_all(message);

    return r < 0 ? r : sd_bus_message_append(message, "{sv}", "dry_run", "b", 1);
}

/* Nothing is made, and there is nothing to say against it. */
static void
check_dry_run(void)
{
    g_autofree char *before = composite_state();
    g_autofree char *after = NULL;
    const char *object;
    uint32_t pid;
    sd_bus_message *reply;

    machine->more = append_dry;
    reply = rig_call_message(
        composite_bus, machine_call_message(composite_bus, "CreateMachine", machine, ""), NULL);
    ck_assert_int_ge(sd_bus_message_read(reply, "ou", &object, &pid), 0);
    ck_assert_str_eq(object, "/");
    ck_assert_uint_eq(pid, 0);
    sd_bus_message_unref(reply);
    after = composite_state();
    composite_assert_same(after, before);
}

START_TEST(dry_run)
{
    check_dry_run();
    network_bridge_and_tap(composite_bus, COMPOSITE_TAP);
    check_dry_run();
}
END_TEST

/* A host that lacks one thing, or has one too many: a command, and one to take it back. */
static const struct {
    const char *spoil, *mend, *error, *words;
} lacks[] = {
    {"mv " MACHINE_BINARY " /usr/local/bin/away", "mv /usr/local/bin/away " MACHINE_BINARY,
     "NotFound", MACHINE_BINARY},
    {"mv " MACHINE_STATE "kernel " MACHINE_STATE "away",
     "mv " MACHINE_STATE "away " MACHINE_STATE "kernel", "NotFound", "kernel"},
    {"mv " COMPOSITE_IMAGE " " MACHINE_STATE "away", "mv " MACHINE_STATE "away " COMPOSITE_IMAGE,
     "NotFound", "drive rootfs"},
    {"mkdir " MACHINE_STATE "whole.log", "rmdir " MACHINE_STATE "whole.log", "BadParams",
     "whole.log"},
    {"mkdir " MACHINE_RUN "whole.sock", "rmdir " MACHINE_RUN "whole.sock", "BadParams",
     "whole.sock"},
    {"ip tuntap add br-fc mode tap", "ip link del br-fc", "NotManaged", "br-fc"},
    {"ip link add br-fc type bridge", "ip link del br-fc", "NotManaged", "br-fc"},
    {"ip link add " COMPOSITE_TAP " type bridge", "ip link del " COMPOSITE_TAP, "AlreadyExists",
     COMPOSITE_TAP},
    {"ip link add other type bridge && ip addr add 172.16.0.9/24 dev other && ip link set other up",
     "ip link del other", "AlreadyExists", "other"},
    {"nft add table inet banger", "nft delete table inet banger", "NotManaged", "banger"},
};

START_TEST(dry_run_names_what_is_lacking)
{
    g_autofree char *image = g_strdup(network_run("md5sum " COMPOSITE_IMAGE));

    machine->more = append_dry;
    network_do("%s", lacks[_i].spoil);
    composite_fails("CreateMachine", machine, lacks[_i].error, lacks[_i].words);
    /* It says what the call itself says. */
    machine->more = composite_append_all;
    composite_fails("CreateMachine", machine, lacks[_i].error, lacks[_i].words);
    network_do("%s", lacks[_i].mend);
    check_dry_run();
    ck_assert_str_eq(network_run("md5sum " COMPOSITE_IMAGE), image);
}
END_TEST

static int
append_files_dry(sd_bus_message *message, const char *path)
{
    int r = composite_append_guest(message);

    return r < 0 ? r
                 : sd_bus_message_append(message, "{sv}{sv}", "files", "a(sayu)", 1, path, 1, 'x',
                                         0u, "dry_run", "b", 1);
}

static int
append_file_dry(sd_bus_message *message)
{
    return append_files_dry(message, "/etc/hostname");
}

static int
append_directory_dry(sd_bus_message *message)
{
    return append_files_dry(message, "/lost+found");
}

/* What cannot be written into the root drive is said before anything is made. */
START_TEST(dry_run_of_files)
{
    g_autofree char *image = g_strdup(network_run("md5sum " COMPOSITE_IMAGE));

    machine->more = append_directory_dry;
    composite_fails("CreateMachine", machine, "BadParams", "/lost+found");
    machine->more = append_file_dry;
    sd_bus_message_unref(rig_call_message(
        composite_bus, machine_call_message(composite_bus, "CreateMachine", machine, ""), NULL));
    ck_assert_str_eq(network_run("md5sum " COMPOSITE_IMAGE), image);
    network_do("head -c 65536 /dev/urandom > " COMPOSITE_IMAGE);
    composite_fails("CreateMachine", machine, "OperationFailed", COMPOSITE_IMAGE);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/create-machine", argv, NULL);
    suite = suite_create("create-machine");
    tcase = composite_add_tcase(suite, "made");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, whole);
    tcase_add_test(tcase, again);
    tcase_add_test(tcase, address_alone);
    tcase_add_test(tcase, least);
    tcase = composite_add_tcase(suite, "refused");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, refused, 0, (int)G_N_ELEMENTS(refusals));
    tcase_add_test(tcase, refused_together);
    tcase = composite_add_tcase(suite, "dry");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, dry_run);
    tcase_add_test(tcase, dry_run_of_files);
    tcase_add_loop_test(tcase, dry_run_names_what_is_lacking, 0, (int)G_N_ELEMENTS(lacks));
    return harness_run("bus/create-machine", suite);
}
