/* SPDX-License-Identifier: GPL-2.0-or-later */

/* SnapshotMachine, and LaunchFirecracker with load_snapshot. */

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "util/settings.h"

#define STATE_FILE MACHINE_STATE "snap.state"
#define MEMORY_FILE MACHINE_STATE "snap.memory"
#define DIRECTORY MACHINE_STATE ".vm/snap"

/* What the VMM of @name says of its guest: "Running" or "Paused". */
static bool
is_in_state(const char *name, const char *state)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *path = g_strdup_printf(MACHINE_RUN "%s.sock", name);
    g_autofree char *wanted = g_strdup_printf("\"state\":\"%s\"", state);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer[1024];
    ssize_t length = 0;
    ssize_t n;

    (void)g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(write(fd, request, sizeof request - 1), sizeof request - 1);
    do {
        n = read(fd, answer + length, sizeof answer - 1 - (size_t)length);
        ck_assert_int_gt(n, 0);
        length += n;
        answer[length] = '\0';
    } while (strchr(answer, '}') == NULL);
    (void)close(fd);
    return strstr(answer, wanted) != NULL;
}

/* Starts the machine "snap" whose VMM has @orders; with a second, read-only drive. */
static pid_t
launch(const char *orders)
{
    Machine *machine = machine_new("snap");
    g_autofree char *all = g_strconcat("record " MACHINE_RUN "snap.record\n", orders, NULL);
    pid_t pid;

    (void)unlink(MACHINE_RUN "snap.record");
    machine_add_drive(machine, "data", MACHINE_STATE "data", true, false);
    machine_order("snap", all);
    pid = machine_launch(machine_bus, machine);
    machine_free(machine);
    return pid;
}

/* Ends the machine @name, and leaves no sockets of it: a launch that fails would remove them. */
static void
end(const char *name, pid_t pid)
{
    static const char *const suffixes[] = {".sock", ".vsock"};

    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    rig_wait_for(machine_has_no_unit, (void *)(uintptr_t)name, "systemd to notice the end");
    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *path = g_strconcat(MACHINE_RUN, name, suffixes[i], NULL);

        (void)unlink(path);
    }
    machine_order(name, NULL);
}

static void
remove_files(void)
{
    (void)unlink(STATE_FILE);
    (void)unlink(MEMORY_FILE);
}

static void
take(void)
{
    rig_call_ok(machine_bus, "SnapshotMachine", "sa{sv}s", "snap", 2, "snapshot_path", "s",
                STATE_FILE, "mem_file_path", "s", MEMORY_FILE, "");
}

/* Takes a snapshot, which fails with @name and @words, and leaves no file. */
static void
take_fails(const char *name, const char *words)
{
    g_autofree char *expected = g_strconcat("org.banger.Helper1.Error.", name, NULL);
    sd_bus_error error = SD_BUS_ERROR_NULL;

    ck_assert_ptr_null(rig_call(machine_bus, "SnapshotMachine", &error, "sa{sv}s", "snap", 2,
                                "snapshot_path", "s", STATE_FILE, "mem_file_path", "s", MEMORY_FILE,
                                ""));
    ck_assert_msg(g_str_equal(error.name, expected), "%s: %s", error.name, error.message);
    ck_assert_msg(strstr(error.message, words) != NULL, "%s", error.message);
    sd_bus_error_free(&error);
    ck_assert_int_ne(access(STATE_FILE, F_OK), 0);
    ck_assert_int_ne(access(MEMORY_FILE, F_OK), 0);
}

static void
check_file(const char *path, const char *text)
{
    g_autofree char *content = NULL;
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_uid, RIG_UID_OWNER);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert(g_file_get_contents(path, &content, NULL, NULL));
    ck_assert_msg(strstr(content, text) != NULL, "no %s in %.2000s", text, content);
}

/* The directory that the VMM wrote in: root's and empty, or, without a jail, gone. */
static void
check_directory(void)
{
    struct stat st;

    if (machine_has_systemd()) {
        ck_assert_int_eq(stat(DIRECTORY, &st), 0);
        ck_assert_uint_eq(st.st_uid, 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0700);
        ck_assert_int_eq(rmdir(DIRECTORY), 0);
        ck_assert_int_eq(mkdir(DIRECTORY, 0700), 0);
    } else {
        ck_assert_int_ne(access(DIRECTORY, F_OK), 0);
    }
}

/* Whether @record has each of the @n lines that begin with @wanted, in this order. */
static void
check_order(const char *record, const char *const *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *found = strstr(record, wanted[i]);

        ck_assert_msg(found != NULL, "no %s in %.2000s", wanted[i], record);
        record = found + strlen(wanted[i]);
    }
}

START_TEST(taken)
{
    static const char *const order[] = {
        "PATCH /vm {\"state\":\"Paused\"}",
        "PUT /snapshot/create {\"snapshot_type\":\"Full\",\"snapshot_path\":\"" DIRECTORY "/",
        "PATCH /vm {\"state\":\"Resumed\"}",
    };
    pid_t pid = launch("");
    g_autofree char *record = NULL;

    take();
    ck_assert(is_in_state("snap", "Running"));
    check_file(STATE_FILE, "path_on_host");
    check_file(MEMORY_FILE, "the memory of snap");
    record = machine_record("snap");
    check_order(record, order, G_N_ELEMENTS(order));
    check_directory();
    end("snap", pid);
    ck_assert_int_ne(access(DIRECTORY, F_OK), 0);
    remove_files();
}
END_TEST

/*
 * A guest that is not to go on stands still, and one that stood still before does after a failure.
 */
START_TEST(stands_still)
{
    pid_t pid = launch("");

    rig_call_ok(machine_bus, "SnapshotMachine", "sa{sv}s", "snap", 4, "snapshot_path", "s",
                STATE_FILE, "resume", "b", 0, "mem_file_path", "s", MEMORY_FILE, "type", "s",
                "Diff", "");
    ck_assert(is_in_state("snap", "Paused"));
    remove_files();
    machine_write(STATE_FILE, "in the way");
    rig_call_fails(machine_bus, RIG_ERROR("AlreadyExists"), "SnapshotMachine", "sa{sv}s", "snap", 2,
                   "snapshot_path", "s", STATE_FILE, "mem_file_path", "s", MEMORY_FILE, "");
    ck_assert_int_ne(access(MEMORY_FILE, F_OK), 0);
    ck_assert_int_eq(unlink(STATE_FILE), 0);
    ck_assert(is_in_state("snap", "Paused"));
    end("snap", pid);
}
END_TEST

/* Starts the machine with @orders; then a snapshot fails as said, and the guest goes on. */
static void
check_failure(const char *orders, const char *name, const char *words)
{
    pid_t pid = launch(orders);

    take_fails(name, words);
    ck_assert(is_in_state("snap", "Running"));
    check_directory();
    end("snap", pid);
}

/* What a VMM writes that is not two files of its own, which it has let go of. */
START_TEST(spoiled)
{
    check_failure("spoil /snapshot/create none", "OperationFailed", MEMORY_FILE);
    check_failure("spoil /snapshot/create keep", "Busy", MEMORY_FILE);
    check_failure("spoil /snapshot/create map", "Busy", MEMORY_FILE);
    check_failure("spoil /snapshot/create link", "NotManaged", STATE_FILE);
    check_failure("spoil /snapshot/create twice", "NotManaged", STATE_FILE);
    check_failure("spoil /snapshot/create fifo", "NotManaged", MEMORY_FILE);
}
END_TEST

/* Access that the VMM gives away before it lets go is taken back. */
START_TEST(opened_to_all)
{
    pid_t pid = launch("spoil /snapshot/create open");

    take();
    check_file(MEMORY_FILE, "the memory of snap");
    check_directory();
    end("snap", pid);
    remove_files();
}
END_TEST

START_TEST(failed_in_the_middle)
{
    pid_t pid;

    check_failure("refuse /snapshot/create the disk is full", "OperationFailed",
                  "PUT /snapshot/create was refused with status 400: the disk is full");
    check_failure("lacks /vm Paused", "OperationFailed", "PATCH /vm was refused");
    pid = launch("lacks /vm Resumed");
    take_fails("OperationFailed", "may stand still");
    end("snap", pid);
    pid = launch("crash /snapshot/create");
    take_fails("OperationFailed", "the process has ended");
    (void)pid;
    machine_order("snap", NULL);
}
END_TEST

static void
refused_call(const char *name, const char *vm_id, const char *state, const char *memory,
             const char *type)
{
    g_autofree char *error = g_strconcat("org.banger.Helper1.Error.", name, NULL);

    rig_call_fails(machine_bus, error, "SnapshotMachine", "sa{sv}s", vm_id, 3, "snapshot_path", "s",
                   state, "mem_file_path", "s", memory, "type", "s", type, "");
}

START_TEST(refused)
{
    pid_t pid = launch("");

    ck_assert_int_eq(mkdir(MACHINE_STATE "roots", 0755), 0);
    refused_call("NotFound", "absent", STATE_FILE, MEMORY_FILE, "Full");
    refused_call("BadParams", "snap", STATE_FILE, STATE_FILE, "Full");
    refused_call("BadParams", "snap", STATE_FILE, MEMORY_FILE, "Half");
    refused_call("BadParams", "snap", "/etc/state", MEMORY_FILE, "Full");
    refused_call("NotManaged", "snap", STATE_FILE, MACHINE_STATE "roots/memory", "Full");
    refused_call("NotFound", "snap", MACHINE_STATE "absent/state", MEMORY_FILE, "Full");
    refused_call("AlreadyExists", "snap", MACHINE_STATE "rootfs", MEMORY_FILE, "Full");
    ck_assert_int_eq(rmdir(MACHINE_STATE "roots"), 0);
    ck_assert_int_ne(access(STATE_FILE, F_OK), 0);
    ck_assert_int_ne(access(MEMORY_FILE, F_OK), 0);
    ck_assert(is_in_state("snap", "Running"));
    end("snap", pid);
}
END_TEST

static int
append_load(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "load_snapshot", "a{sv}", 3, "snapshot_path", "s",
                                 STATE_FILE, "mem_file_path", "s", MEMORY_FILE, "network_overrides",
                                 "a(ss)", 1, "eth0", "tap-fc-load");
}

static int
append_load_as_it_was(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "load_snapshot", "a{sv}", 3, "snapshot_path", "s",
                                 STATE_FILE, "mem_file_path", "s", MEMORY_FILE, "resume", "b", 0);
}

static int
append_load_of_others(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "load_snapshot", "a{sv}", 3, "snapshot_path", "s",
                                 STATE_FILE, "mem_file_path", "s", MEMORY_FILE, "network_overrides",
                                 "a(ss)", 1, "eth0", "tap-fc-other");
}

static int
append_load_and_balloon(sd_bus_message *message)
{
    int r = append_load(message);

    return r < 0 ? r
                 : sd_bus_message_append(message, "{sv}", "balloon", "a{sv}", 1, "amount_mib", "u",
                                         1u);
}

/* A request that loads as the machine @name what launch() started and snap() wrote. */
static Machine *
new_load(const char *name, int (*more)(sd_bus_message *message))
{
    Machine *machine = machine_new(name);

    machine_remove(machine, "kernel_image_path");
    machine_remove(machine, "kernel_args");
    machine_add_drive(machine, "data", MACHINE_STATE "data", true, false);
    machine->more = more;
    return machine;
}

/* Leaves the files of a machine that has ended. */
static void
snap(void)
{
    pid_t pid = launch("");

    take();
    end("snap", pid);
}

/* Another machine from the files, with a TAP and sockets of its own. */
START_TEST(loaded)
{
    static const char *const order[] = {
        "PUT /logger {\"log_path\":\"" MACHINE_STATE "load.log\",\"level\":\"Info\"",
        "PUT /metrics",
        "PUT /snapshot/load {\"snapshot_path\":\"" STATE_FILE
        "\",\"mem_backend\":{\"backend_path\":\"" MEMORY_FILE
        "\",\"backend_type\":\"File\"},\"network_overrides\":[{\"iface_id\":\"eth0\","
        "\"host_dev_name\":\"tap-fc-load\"}],\"vsock_override\":{\"uds_path\":\"" MACHINE_RUN
        "load.vsock\"}}",
        "PATCH /vm {\"state\":\"Resumed\"}",
    };
    Machine *machine = new_load("load", append_load);
    Machine *other = machine_new("other");
    g_autofree char *record = NULL;
    struct stat st;
    pid_t pid;

    snap();
    machine_order("load", "record " MACHINE_RUN "load.record\n");
    pid = machine_launch(machine_bus, machine);
    record = machine_record("load");
    check_order(record, order, G_N_ELEMENTS(order));
    ck_assert_ptr_null(strstr(record, "PUT /drives"));
    ck_assert_ptr_null(strstr(record, "PUT /boot-source"));
    ck_assert(is_in_state("load", "Running"));
    ck_assert_int_eq(stat(MACHINE_RUN "load.vsock", &st), 0);
    ck_assert_uint_eq(st.st_uid, RIG_UID_OWNER);
    /* Its memory is a disk of its own, like its drives. */
    g_array_set_size(other->drives, 0);
    machine_add_drive(other, "rootfs", MEMORY_FILE, false, true);
    machine_launch_fails(machine_bus, other, "Busy", "load");
    g_array_set_size(other->drives, 0);
    machine_add_drive(other, "rootfs", MACHINE_STATE "rootfs", false, true);
    machine_launch_fails(machine_bus, other, "Busy", "load");
    end("load", pid);
    remove_files();
    machine_free(other);
    machine_free(machine);
}
END_TEST

/* A firecracker that knows no override of the socket's path binds it where it was. */
START_TEST(loaded_as_it_was)
{
    Machine *machine = new_load("snap", append_load_as_it_was);
    pid_t pid;

    snap();
    machine_order("snap", "lacks /snapshot/load vsock_override\n");
    pid = machine_launch(machine_bus, machine);
    ck_assert(is_in_state("snap", "Paused"));
    ck_assert_int_eq(access(MACHINE_RUN "snap.vsock", F_OK), 0);
    end("snap", pid);
    /* Somewhere else it is not found; with a jail around it nothing is left. */
    machine_set(machine, "vsock_path", MACHINE_RUN "elsewhere.vsock");
    machine_order("snap", "lacks /snapshot/load vsock_override\n");
    if (machine_has_systemd())
        machine_launch_fails(machine_bus, machine, "NotFound", "elsewhere.vsock");
    machine_order("snap", NULL);
    remove_files();
    machine_free(machine);
}
END_TEST

/* Loads as @machine, which fails as said. */
static void
load_fails(Machine *machine, const char *name, const char *words)
{
    machine_launch_fails(machine_bus, machine, name, words);
    machine_free(machine);
}

START_TEST(not_loaded)
{
    Machine *machine = new_load("load", append_load);

    load_fails(new_load("load", append_load), "NotFound", MEMORY_FILE);
    snap();
    machine_set(machine, "kernel_image_path", MACHINE_STATE "kernel");
    load_fails(machine, "BadParams", "kernel_image_path");
    load_fails(new_load("load", append_load_and_balloon), "BadParams", "balloon");
    load_fails(new_load("load", append_load_of_others), "BadParams", "tap-fc-other");
    machine = new_load("load", append_load);
    machine_set(machine, "log_path", MEMORY_FILE);
    load_fails(machine, "BadParams", "log_path");
    /* The drives that its snapshot has and it was not let into. */
    if (machine_has_systemd()) {
        machine = new_load("load", append_load);
        machine_remove(machine, "drives");
        load_fails(machine, "OperationFailed", "PUT /snapshot/load was refused");
    }
    /* One that boots has all three. */
    machine = new_load("load", NULL);
    load_fails(machine, "BadParams", "key \"kernel_image_path\" is missing");
    machine = machine_new("load");
    machine_remove(machine, "drives");
    load_fails(machine, "BadParams", "key \"drives\" is missing");
    remove_files();
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const names[] = {"snap", "load", "other", NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/machine-snapshot", argv, NULL);
    suite = suite_create("machine-snapshot");
    tcase = machine_add_tcase(suite, "machine-snapshot", names, NULL, NULL);
    tcase_add_test(tcase, taken);
    tcase_add_test(tcase, stands_still);
    tcase_add_test(tcase, spoiled);
    tcase_add_test(tcase, opened_to_all);
    tcase_add_test(tcase, failed_in_the_middle);
    tcase_add_test(tcase, refused);
    tcase_add_test(tcase, loaded);
    tcase_add_test(tcase, loaded_as_it_was);
    tcase_add_test(tcase, not_loaded);
    return harness_run("bus/machine-snapshot", suite);
}
