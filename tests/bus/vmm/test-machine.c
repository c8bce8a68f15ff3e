/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LaunchFirecracker: what the VMM gets, what it inherits, and that it outlives the helper. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "util/fd.h"
#include "util/settings.h"

static void
assert_socket(const char *path)
{
    struct stat st;

    ck_assert_msg(stat(path, &st) == 0, "%s: %s", path, g_strerror(errno));
    ck_assert(S_ISSOCK(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_uint_eq(st.st_uid, RIG_UID_OWNER);
    ck_assert_uint_eq(st.st_gid, RIG_UID_OWNER);
}

/* A user of its own where there is a jail, else the owner. */
static void
assert_uid(pid_t pid)
{
    g_autofree char *uids = machine_proc_status(pid, "Uid");
    unsigned long uid = strtoul(uids, NULL, 10);
    g_autofree char *expected = g_strdup_printf("%lu\t%lu\t%lu\t%lu", uid, uid, uid, uid);

    ck_assert_str_eq(uids, expected);
    if (machine_has_systemd())
        ck_assert_msg(uid >= 61184 && uid <= 65519 && uid != RIG_UID_OWNER, "%lu", uid);
    else
        ck_assert_uint_eq(uid, RIG_UID_OWNER);
}

START_TEST(everything)
{
    static const char expected[] =
        "PUT /logger {\"log_path\":\"" MACHINE_STATE "all.log\",\"level\":\"Warning\","
        "\"show_level\":true,\"show_log_origin\":false}\n"
        "PUT /metrics {\"metrics_path\":\"" MACHINE_STATE "all.metrics\"}\n"
        "PUT /machine-config {\"vcpu_count\":2,\"mem_size_mib\":256,\"smt\":false}\n"
        "PUT /boot-source {\"kernel_image_path\":\"" MACHINE_STATE "kernel\","
        "\"initrd_path\":\"" MACHINE_STATE "initrd\","
        "\"boot_args\":\"console=ttyS0 quote=\\\"\\\\\\\" token=s3cret\"}\n"
        "PUT /drives/rootfs {\"drive_id\":\"rootfs\",\"path_on_host\":\"" MACHINE_STATE "rootfs\","
        "\"is_root_device\":true,\"is_read_only\":false}\n"
        "PUT /drives/data {\"drive_id\":\"data\",\"path_on_host\":\"" MACHINE_STATE "data\","
        "\"is_root_device\":false,\"is_read_only\":true}\n"
        "PUT /drives/more_1 {\"drive_id\":\"more_1\",\"path_on_host\":\"" MACHINE_STATE "more\","
        "\"is_root_device\":false,\"is_read_only\":false}\n"
        "PUT /network-interfaces/eth0 "
        "{\"iface_id\":\"eth0\",\"host_dev_name\":\"tap-fc-all\",\"guest_mac\":\"06:e3:07:88:ab:"
        "89\"}\n"
        "PUT /vsock {\"guest_cid\":3,\"uds_path\":\"" MACHINE_RUN "all.vsock\"}\n"
        "PUT /logger {\"log_path\":\"" MACHINE_STATE "all.log\",\"level\":\"Info\","
        "\"show_level\":true,\"show_log_origin\":false}\n"
        "PUT /actions {\"action_type\":\"InstanceStart\"}\n";
    Machine *machine = machine_new("all");
    g_autofree char *record = NULL;
    g_autofree char *log = NULL;
    struct stat st;
    pid_t pid;

    machine_set(machine, "initrd_path", MACHINE_STATE "initrd");
    machine_set(machine, "kernel_args", "console=ttyS0 quote=\"\\\" token=s3cret");
    machine_set_type(machine, "network", 'n');
    machine_add_drive(machine, "data", MACHINE_STATE "data", true, false);
    machine_add_drive(machine, "more_1", MACHINE_STATE "more", false, false);
    machine_order("all", "record " MACHINE_RUN "all.record\n");
    pid = machine_launch(machine_bus, machine);

    record = machine_record("all");
    ck_assert_ptr_nonnull(record);
    ck_assert_str_eq(record, expected);
    ck_assert(g_file_get_contents(MACHINE_STATE "all.log", &log, NULL, NULL));
    ck_assert_ptr_nonnull(strstr(log, "{\"action_type\":\"InstanceStart\"}"));
    ck_assert_ptr_null(strstr(log, "s3cret"));
    ck_assert_int_eq(stat(MACHINE_STATE "all.log", &st), 0);
    ck_assert_uint_eq(st.st_uid, RIG_UID_OWNER);
    /* With an access list, the mask of which stands where the group's bits do. */
    ck_assert_uint_eq(st.st_mode & 07777, machine_has_systemd() ? 0660 : 0640);
    ck_assert_int_eq(stat(MACHINE_STATE "all.metrics", &st), 0);
    ck_assert_uint_eq(st.st_uid, RIG_UID_OWNER);
    assert_socket(MACHINE_RUN "all.sock");
    assert_socket(MACHINE_RUN "all.vsock");
    assert_uid(pid);
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "all.sock"), (uint32_t)pid);

    machine_kill(machine_bus, pid);
    machine_order("all", NULL);
    machine_free(machine);
}
END_TEST

static bool
has_note(void *data)
{
    g_autofree char *log = NULL;

    return g_file_get_contents(data, &log, NULL, NULL) && strstr(log, "is not kept") != NULL;
}

/* Where the console goes to the log, there is a bound on it, and nothing else in it is lost. */
START_TEST(console_is_bounded)
{
    Machine *machine = machine_new("flood");
    g_autofree char *line = g_strnfill(1000, 'A');
    g_autofree char *orders =
        g_strdup_printf("print /actions 20000 %s\nsay /actions after all of it", line);
    g_autofree char *log = NULL;
    struct stat st;
    pid_t pid;

    if (machine_has_systemd()) {
        machine_free(machine);
        harness_skip("the console goes to the journal here");
        return;
    }
    machine_order("flood", orders);
    pid = machine_launch(machine_bus, machine);
    rig_wait_for(has_note, (void *)(uintptr_t)MACHINE_STATE "flood.log", "the bound");
    ck_assert(g_file_get_contents(MACHINE_STATE "flood.log", &log, NULL, NULL));
    ck_assert_ptr_nonnull(strstr(log, "after all of it"));
    ck_assert_int_eq(stat(MACHINE_STATE "flood.log", &st), 0);
    ck_assert_int_lt(st.st_size, (16 << 20) + 65536);
    machine_kill(machine_bus, pid);
    machine_order("flood", NULL);
    machine_free(machine);
}
END_TEST

START_TEST(least)
{
    Machine *machine = machine_new("least");
    pid_t pid;

    g_array_set_size(machine->drives, 0);
    machine_set(machine, "kernel_args", "");
    machine_remove(machine, "vsock_path");
    machine_remove(machine, "vsock_cid");
    pid = machine_launch(machine_bus, machine);
    ck_assert_int_ne(access(MACHINE_RUN "least.vsock", F_OK), 0);
    machine_kill(machine_bus, pid);
    machine_free(machine);
}
END_TEST

/* A root drive on device-mapper: in its unit, the one block device that the VMM may open. */
START_TEST(root_on_device_mapper)
{
    static const char dm_dev[] = "/dev/mapper/fc-rootfs-machine";
    Machine *machine = machine_new("mapped");
    g_autofree char *record = NULL;
    banger_autofd int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    pid_t pid;

    if (control < 0) {
        machine_free(machine);
        harness_skip("this kernel has no device-mapper");
        return;
    }
    machine_write(MACHINE_STATE "mapped.base", "");
    machine_write(MACHINE_STATE "mapped.cow", "");
    ck_assert_int_eq(truncate(MACHINE_STATE "mapped.base", 1 << 20), 0);
    ck_assert_int_eq(truncate(MACHINE_STATE "mapped.cow", 1 << 20), 0);
    rig_call_ok(machine_bus, "CreateDMSnapshot", "ssss", MACHINE_STATE "mapped.base",
                MACHINE_STATE "mapped.cow", "fc-rootfs-machine", "");
    g_array_set_size(machine->drives, 0);
    machine_add_drive(machine, "rootfs", dm_dev, false, true);
    machine_add_drive(machine, "data", MACHINE_STATE "data", true, false);
    machine_order("mapped", "record " MACHINE_RUN "mapped.record\n");
    pid = machine_launch(machine_bus, machine);
    record = machine_record("mapped");
    ck_assert_ptr_nonnull(record);
    ck_assert_ptr_nonnull(strstr(record,
                                 "PUT /drives/rootfs {\"drive_id\":\"rootfs\",\"path_on_host\":"
                                 "\"/dev/mapper/fc-rootfs-machine\",\"is_root_device\":true,"
                                 "\"is_read_only\":false}\n"));
    machine_kill(machine_bus, pid);
    rig_call_ok(machine_bus, "RemoveDMSnapshot", "ss", "fc-rootfs-machine", "");
    machine_order("mapped", NULL);
    machine_launch_fails(machine_bus, machine, "NotFound", "fc-rootfs-machine");
    (void)unlink(MACHINE_STATE "mapped.base");
    (void)unlink(MACHINE_STATE "mapped.cow");
    machine_free(machine);
}
END_TEST

/* What a program that outlives its parent must not inherit from it. */
START_TEST(inherits_nothing)
{
    static const char *const expected[][2] = {
        {"Umask", "0077"},
        {"SigBlk", "0000000000000000"},
        {"SigIgn", "0000000000000000"},
        {"NoNewPrivs", "1"},
        {"CapPrm", "0000000000000000"},
        {"CapEff", "0000000000000000"},
        {"CapAmb", "0000000000000000"},
    };
    Machine *machine = machine_new("clean");
    pid_t pid = machine_launch(machine_bus, machine);
    g_autofree char *environ_path = g_strdup_printf("/proc/%d/environ", pid);
    g_autofree char *fds_path = g_strdup_printf("/proc/%d/fd", pid);
    g_autofree char *working = g_strdup_printf("/proc/%d/cwd", pid);
    g_autofree char *directory = g_file_read_link(working, NULL);
    g_autofree char *environment = NULL;
    g_autoptr(GDir) fds = g_dir_open(fds_path, 0, NULL);
    const char *fd;

    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autofree char *value = machine_proc_status(pid, expected[i][0]);

        ck_assert_msg(g_str_equal(value, expected[i][1]), "%s: %s", expected[i][0], value);
    }
    ck_assert_int_eq(getsid(pid), pid);
    ck_assert_str_eq(directory, "/");
    ck_assert(g_file_get_contents(environ_path, &environment, NULL, NULL));
    if (!machine_has_systemd()) /* which sets some variables of its own */
        ck_assert_str_eq(environment, "");
    ck_assert_ptr_nonnull(fds);
    while ((fd = g_dir_read_name(fds)) != NULL) {
        g_autofree char *path = g_build_filename(fds_path, fd, NULL);
        g_autofree char *target = g_file_read_link(path, NULL);

        /*
         * Its sockets are the API's and the vsock's listeners, its one pipe is the console; the
         * API's connection is closed.
         */
        ck_assert_msg(
            target == NULL || (g_str_equal(fd, "1") && g_str_has_prefix(target, "pipe:")) ||
                g_str_has_prefix(target, MACHINE_STATE) || g_str_has_prefix(target, "socket:") ||
                g_str_equal(target, "/dev/null") || g_str_equal(target, "/dev/net/tun"),
            "descriptor %s of the VMM is %s", fd, target);
    }
    machine_kill(machine_bus, pid);
    machine_free(machine);
}
END_TEST

START_TEST(launched_twice)
{
    Machine *machine = machine_new("twice");
    Machine *other = machine_new("twice");
    Machine *same_socket = machine_new("other");
    Machine *same_vsock = machine_new("other");
    pid_t pid = machine_launch(machine_bus, machine);
    pid_t again;

    machine_launch_fails(machine_bus, machine, "AlreadyExists", "runs already");
    /* The same vm_id with other sockets, files and TAP. */
    machine_set(other, "socket_path", MACHINE_RUN "other.sock");
    machine_set(other, "vsock_path", MACHINE_RUN "other.vsock");
    machine_set(other, "log_path", MACHINE_STATE "other.log");
    machine_set(other, "tap_device", "tap-fc-other");
    machine_launch_fails(machine_bus, other, "AlreadyExists", "twice runs already");
    /* Another machine at a socket that is taken. */
    g_array_set_size(same_socket->drives, 0);
    machine_add_drive(same_socket, "rootfs", MACHINE_STATE "data", false, true);
    g_array_set_size(same_vsock->drives, 0);
    machine_add_drive(same_vsock, "rootfs", MACHINE_STATE "data", false, true);
    machine_set(same_socket, "socket_path", MACHINE_RUN "twice.sock");
    machine_launch_fails(machine_bus, same_socket, "AlreadyExists", "twice.sock is in use");
    machine_set(same_vsock, "vsock_path", MACHINE_RUN "twice.vsock");
    machine_launch_fails(machine_bus, same_vsock, "AlreadyExists", "twice.vsock is in use");
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "twice.sock"), (uint32_t)pid);

    /* Its sockets stay when it dies; they belong to no one, and are in no one's way. */
    machine_kill(machine_bus, pid);
    ck_assert_int_eq(access(MACHINE_RUN "twice.sock", F_OK), 0);
    ck_assert_int_eq(access(MACHINE_RUN "twice.vsock", F_OK), 0);
    again = machine_launch(machine_bus, machine);
    ck_assert_int_ne(again, pid);
    machine_kill(machine_bus, again);
    machine_free(machine);
    machine_free(other);
    machine_free(same_socket);
    machine_free(same_vsock);
}
END_TEST

/* The bus learns of a helper's end on its own time, and passes calls on until then. */
static bool
is_off_the_bus(void *data)
{
    return rig_pid_of(BANGER_BUS_NAME) != *(pid_t *)data;
}

START_TEST(outlives_the_helper)
{
    Machine *machine = machine_new("survivor");
    pid_t pid = machine_launch(machine_bus, machine);
    pid_t helper = rig_pid_of(BANGER_BUS_NAME);

    ck_assert_int_gt(helper, 0);
    ck_assert_int_eq(kill(helper, SIGKILL), 0);
    rig_wait_for(is_off_the_bus, &helper, "the bus to forget the helper");
    ck_assert_int_eq(kill(pid, 0), 0);

    /* A helper that never heard of it. */
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "survivor.sock"), (uint32_t)pid);
    ck_assert_int_ne(rig_pid_of(BANGER_BUS_NAME), helper);
    ck_assert(machine_is_running(machine_bus, (uint32_t)pid, MACHINE_RUN "survivor.sock"));
    machine_launch_fails(machine_bus, machine, "AlreadyExists", NULL);
    machine_kill(machine_bus, pid);
    machine_free(machine);
}
END_TEST

static bool
has_got_to_vsock(void *data)
{
    g_autofree char *record = machine_record("half");

    (void)data;
    return record != NULL && strstr(record, "PUT /vsock") != NULL;
}

/*
 * A helper that is killed in the middle of a launch leaves what can be found and removed by name.
 */
START_TEST(helper_killed_half_way)
{
    Machine *machine = machine_new("half");
    sd_bus_message *message = machine_message(machine_bus, machine, "");
    pid_t helper, pid;

    machine_order("half", "record " MACHINE_RUN "half.record\nhang /vsock\n");
    ck_assert_int_ge(sd_bus_call_async(machine_bus, NULL, message, NULL, NULL, 0), 0);
    ck_assert_int_ge(sd_bus_flush(machine_bus), 0);
    sd_bus_message_unref(message);
    rig_wait_for(has_got_to_vsock, NULL, "the launch to get half-way");
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    ck_assert_int_eq(kill(helper, SIGKILL), 0);
    rig_wait_for(is_off_the_bus, &helper, "the bus to forget the helper");

    pid = (pid_t)machine_find(machine_bus, MACHINE_RUN "half.sock");
    machine_launch_fails(machine_bus, machine, "AlreadyExists", NULL);
    machine_kill(machine_bus, pid);
    machine_order("half", NULL);
    pid = machine_launch(machine_bus, machine);
    machine_kill(machine_bus, pid);
    machine_free(machine);
}
END_TEST

/* The program is replaced under a VMM, as a package's upgrade does: it is still one of ours. */
START_TEST(outlives_an_upgrade)
{
    Machine *machine = machine_new("upgrade");
    pid_t pid = machine_launch(machine_bus, machine);

    machine_install_double(MACHINE_BINARY, 0, 0755);
    machine_kill(machine_bus, pid);
    machine_free(machine);
}
END_TEST

START_TEST(record_in_the_journal)
{
    Machine *machine = machine_new("journal");
    g_autoptr(GHashTable) record = NULL;
    sd_bus_message *reply;
    GHashTableIter iter;
    gpointer name, value;
    uint32_t pid;

    if (machine_has_systemd()) {
        machine_free(machine);
        harness_skip("the records go to the real journal here, not to the rig's");
        return;
    }
    reply = rig_call_message(machine_bus,
                             machine_message(machine_bus, machine, "op-launch-journal"), NULL);
    record = rig_journal_wait("op-launch-journal");
    ck_assert_int_ge(sd_bus_message_read(reply, "u", &pid), 0);
    sd_bus_message_unref(reply);
    ck_assert_str_eq(g_hash_table_lookup(record, "MESSAGE"), "helper rpc completed");
    ck_assert_str_eq(g_hash_table_lookup(record, "METHOD"), "LaunchFirecracker");
    ck_assert_str_eq(g_hash_table_lookup(record, "VM_ID"), "journal");
    g_hash_table_iter_init(&iter, record);
    while (g_hash_table_iter_next(&iter, &name, &value))
        ck_assert_msg(strstr(value, "s3cret") == NULL, "%s has the kernel arguments", (char *)name);
    machine_kill(machine_bus, (pid_t)pid);
    machine_free(machine);
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const names[] = {"all",    "least",    "clean",   "twice",
                                        "other",  "survivor", "upgrade", "journal",
                                        "mapped", "half",     "flood",   NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/machine", argv, NULL);
    suite = suite_create("machine");
    tcase = machine_add_tcase(suite, "machine", names, NULL, NULL);
    tcase_add_test(tcase, everything);
    tcase_add_test(tcase, least);
    tcase_add_test(tcase, console_is_bounded);
    tcase_add_test(tcase, root_on_device_mapper);
    tcase_add_test(tcase, inherits_nothing);
    tcase_add_test(tcase, launched_twice);
    tcase_add_test(tcase, outlives_the_helper);
    tcase_add_test(tcase, helper_killed_half_way);
    tcase_add_test(tcase, outlives_an_upgrade);
    tcase_add_test(tcase, record_in_the_journal);
    return harness_run("bus/machine", suite);
}
