/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of units, firecracker's faults, and its configuration from a request. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "lib/harness.h"
#include "model/requests.h"
#include "vmm/command-line.h"
#include "vmm/disk-users.h"
#include "vmm/executable.h"
#include "vmm/firecracker-config.h"
#include "vmm/jail-host.h"
#include "vmm/unit-record.h"
#include "vmm/vm-file.h"

#define SOCK "/run/banger/x.sock"

/* A literal of NUL-separated arguments; the literal's own NUL ends the last one. */
#define LINE(text) text, sizeof(text)

START_TEST(names)
{
    ck_assert(banger_command_line_names(LINE("fc\0" SOCK), "api-sock", SOCK));
    ck_assert(banger_command_line_names(LINE("fc\0--api-sock=" SOCK), "api-sock", SOCK));
    ck_assert(!banger_command_line_names(LINE(SOCK), "api-sock", SOCK));
    ck_assert(!banger_command_line_names(LINE("fc\0" SOCK "2"), "api-sock", SOCK));
    ck_assert(!banger_command_line_names(LINE("fc\0--id=" SOCK), "api-sock", SOCK));
    ck_assert(!banger_command_line_names(LINE("fc\0x " SOCK), "api-sock", SOCK));
    ck_assert(!banger_command_line_names("", 0, "api-sock", SOCK));
    ck_assert(banger_command_line_has(LINE("fc\0x\0--id\0vm"), "id", "vm"));
    ck_assert(banger_command_line_has(LINE("fc\0--id=vm"), "id", "vm"));
    ck_assert(!banger_command_line_has(LINE("fc\0vm"), "id", "vm"));
    ck_assert(!banger_command_line_has(LINE("fc\0--id"), "id", "vm"));
    ck_assert(!banger_command_line_has(LINE("--id\0vm"), "id", "vm"));
}
END_TEST

START_TEST(api_sock)
{
    static const struct {
        const char *line;
        size_t length;
        bool good;
    } cases[] = {
        {LINE("fc\0--api-sock\0" SOCK), true},
        {LINE("fc\0--id\0vm\0--api-sock=" SOCK), true},
        {LINE("fc\0--no-seccomp\0--api-sock\0" SOCK "\0--level\0Info"), true},
        {LINE("fc\0--api-sock\0/x\0--api-sock\0" SOCK), true},
        {LINE("fc"), false},
        {LINE("fc\0" SOCK), false},
        {LINE("fc\0--api-sock"), false},
        {LINE("fc\0--id\0vm"), false},
        {LINE("bash\0-c\0x\0--api-sock\0" SOCK), false},
        {LINE("bash\0--norc\0script\0--api-sock\0" SOCK), false},
        {LINE("fc\0--no-seccomp\0script\0--api-sock\0" SOCK), false},
        {LINE("fc\0--no-seccomp=1\0--api-sock\0" SOCK), false},
        {LINE("fc\0--api-sock\0" SOCK "\0more"), false},
        {LINE("fc\0--api-sock\0" SOCK "\0"), false},
        {LINE("fc\0--\0--api-sock\0" SOCK), false},
        {LINE("fc --api-sock " SOCK), false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *found = banger_command_line_value(cases[i].line, cases[i].length, "api-sock");

        ck_assert_msg(cases[i].good == (found != NULL), "case %zu", i);
        if (found != NULL)
            ck_assert_str_eq(found, SOCK);
    }
    ck_assert_ptr_null(banger_command_line_value("", 0, "api-sock"));
}
END_TEST

START_TEST(faults)
{
    static const char *const cases[][2] = {
        {"{\"fault_message\":\"no\"}", "no"},
        {" { \"x\" : 1, \"fault_message\" : \"a \\\"b\\\" c\\\\d\" }", "a \"b\" c\\d"},
        {"{\"fault_message\":\"two\\nlines\\u0000\"}", "two lines 0000"},
        {"{\"fault_message\":\"a\u202eb\xc2\x9b"
         "c\"}",
         "abc"},
        {"{\"fault_message\":\"cut", "cut"},
        {"{\"fault_message\":\"cut\\", "cut\\"},
        {"{\"fault_message\":\"\"}", ""},
        {"{\"fault_message\":7}", NULL},
        {"{\"fault_message\":", NULL},
        {"{\"fault_message\"", NULL},
        {"{}", NULL},
        {"", NULL},
    };
    g_autofree char *big = g_strnfill(100000, 'x');
    g_autofree char *big_body = g_strconcat("{\"fault_message\":\"", big, NULL);
    g_autofree char *cut = banger_firecracker_fault_message(big_body, strlen(big_body));
    g_autofree char *odd =
        banger_firecracker_fault_message(LINE("{\"fault_message\":\"\xff\x01\0x"));

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *fault = banger_firecracker_fault_message(cases[i][0], strlen(cases[i][0]));

        ck_assert_msg(g_strcmp0(fault, cases[i][1]) == 0, "case %zu: %s", i, fault);
    }
    ck_assert_uint_eq(strlen(cut), 1024);
    ck_assert(g_utf8_validate(odd, -1, NULL));
}
END_TEST

START_TEST(abstract_listeners)
{
    static const char head[] = "Num       RefCount Protocol Flags    Type St Inode Path\n";
    g_autofree char *one =
        g_strconcat(head,
                    "0000000000000000: 00000002 00000000 00010000 0001 01 13 /run/dbus/socket\n"
                    "0000000000000000: 00000002 00000000 00010000 0001 01 14 @/tmp/.X11-unix/X0\n"
                    "0000000000000000: 00000003 00000000 00000000 0001 03 15 @connected\n"
                    "0000000000000000: 00000003 00000000 00010000 0001 01 16\n"
                    "0000000000000000: 00000002 00000000 00010000 0001 01 17 @/tmp/.X11-unix/X0\n"
                    "0000000000000000: 00000002 00000000 00010000 0005 01 18 @\x1b[2J\n",
                    NULL);
    g_autoptr(GString) many = g_string_new(head);
    g_autofree char *found = banger_jail_abstract_listeners(one);
    g_autofree char *none = banger_jail_abstract_listeners(head);
    g_autofree char *some = NULL;

    ck_assert_ptr_null(none);
    ck_assert(g_str_has_prefix(found, "@/tmp/.X11-unix/X0, @"));
    ck_assert_ptr_null(strchr(found, '\x1b'));
    for (int i = 0; i < 9; i++)
        g_string_append_printf(many, "0: 2 0 00010000 0001 01 %d @n%d\n", i, i);
    some = banger_jail_abstract_listeners(many->str);
    ck_assert_str_eq(some, "@n0, @n1, @n2, @n3, @n4, @n5, @n6, @n7, …");
}
END_TEST

static void
make_device(const char *directory, const char *name, const char *owner, const char *group)
{
    g_autofree char *device = g_build_filename(directory, name, NULL);
    g_autofree char *owner_path = g_build_filename(device, "owner", NULL);
    g_autofree char *group_path = g_build_filename(device, "group", NULL);

    ck_assert_int_eq(g_mkdir(device, 0700), 0);
    if (owner == NULL)
        return;
    ck_assert(g_file_set_contents(owner_path, owner, -1, NULL));
    ck_assert(g_file_set_contents(group_path, group, -1, NULL));
}

static void
remove_devices(const char *directory)
{
    static const char *const devices[] = {"eth0", "tap-fc-a", "tap-group", "tun1", "tap0"};

    for (size_t i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autofree char *device = g_build_filename(directory, devices[i], NULL);
        g_autofree char *owner = g_build_filename(device, "owner", NULL);
        g_autofree char *group = g_build_filename(device, "group", NULL);

        (void)g_unlink(owner);
        (void)g_unlink(group);
        (void)g_rmdir(device);
    }
    (void)g_rmdir(directory);
}

/* A TAP without owner and group is everybody's. */
START_TEST(open_taps)
{
    g_autofree char *directory = g_dir_make_tmp("test-vmm-XXXXXX", NULL);
    g_autofree char *none = NULL;
    g_autofree char *found = NULL;

    make_device(directory, "eth0", NULL, NULL);
    make_device(directory, "tap-fc-a", "61184\n", "985\n");
    make_device(directory, "tap-group", "-1\n", "985\n");
    none = banger_jail_open_taps(directory);
    ck_assert_ptr_null(none);
    make_device(directory, "tun1", "-1\n", "-1\n");
    make_device(directory, "tap0", "-1\n", "-1\n");
    found = banger_jail_open_taps(directory);
    ck_assert_str_eq(found, "tap0, tun1");
    remove_devices(directory);
}
END_TEST

/* A program with the one segment @type, or what is left of it in @length bytes. */
static void
write_program(const char *path, uint32_t type, size_t length)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr segment;
    } program = {
        .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64},
                   .e_phoff = sizeof(Elf64_Ehdr),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 1},
        .segment = {.p_type = type},
    };

    ck_assert(g_file_set_contents(path, (const char *)&program, (gssize)MIN(length, sizeof program),
                                  NULL));
}

/* A static program is known by what is not in it; what cannot be read gets its libraries. */
START_TEST(static_programs)
{
    g_autofree char *directory = g_dir_make_tmp("test-vmm-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(directory, "firecracker", NULL);

    write_program(path, PT_LOAD, SIZE_MAX);
    ck_assert(!banger_executable_is_dynamic(path));
    write_program(path, PT_INTERP, SIZE_MAX);
    ck_assert(banger_executable_is_dynamic(path));
    write_program(path, PT_LOAD, sizeof(Elf64_Ehdr) + 1);
    ck_assert(banger_executable_is_dynamic(path));
    write_program(path, PT_LOAD, 10);
    ck_assert(banger_executable_is_dynamic(path));
    (void)g_unlink(path);
    ck_assert(banger_executable_is_dynamic(path));
    (void)g_rmdir(directory);
}
END_TEST

/* No file of a VM's has to end where one of them is already, or where a snapshot would. */
START_TEST(file_sizes)
{
    const uint64_t gib = (uint64_t)1 << 30;
    BangerVmFile files[] = {
        {.st = {.st_mode = S_IFREG, .st_size = (off_t)(2 * gib)}, .writable = true},
        {.st = {.st_mode = S_IFREG, .st_size = 1000}, .writable = true, .is_log = true},
        {.st = {.st_mode = S_IFBLK, .st_size = (off_t)(90 * gib)}, .writable = true},
    };

    ck_assert_uint_eq(banger_vm_files_size_max(files, 1, gib), 4 * gib);
    ck_assert_uint_eq(banger_vm_files_size_max(files, 3, gib), 4 * gib + 1000);
    ck_assert_uint_eq(banger_vm_files_size_max(files, 3, 64 * gib), 64 * gib);
    files[0].st.st_size = (off_t)(20 * gib);
    ck_assert_uint_eq(banger_vm_files_size_max(files, 3, gib), 20 * gib);
}
END_TEST

/* As decoded where no optional key was given. */
static BangerMachineOptions
no_options(void)
{
    return (BangerMachineOptions){
        .eth0 = {.guest_mac = (char *)""},
        .network_interfaces = g_array_new(FALSE, FALSE, sizeof(BangerInterface)),
        .drive_options = g_array_new(FALSE, FALSE, sizeof(BangerDriveOptions)),
        .huge_pages = (char *)"",
        .cpu_template = (char *)"",
        .cpu_config = (char *)"",
        .start = true,
    };
}

START_TEST(configuration)
{
    BangerLaunchFirecrackerRequest launch = {
        .vm_id = (char *)"vm",
        .log_path = (char *)"/l",
        .metrics_path = (char *)"/m",
        .kernel_image_path = (char *)"/k",
        .initrd_path = (char *)"",
        .kernel_args = (char *)"",
        .tap_device = (char *)"tap-fc-\"x",
        .vsock_path = (char *)"",
        .vcpu_count = 1,
        .memory_mib = 4294967295u,
        .drives = g_array_new(FALSE, FALSE, sizeof(BangerDrive)),
        .options = no_options(),
    };
    g_autoptr(GPtrArray) requests = banger_firecracker_configuration(&launch);
    static const char *const expected[][2] = {
        {"/logger", "{\"log_path\":\"/l\",\"level\":\"Warning\",\"show_level\":true,"
                    "\"show_log_origin\":false}"},
        {"/metrics", "{\"metrics_path\":\"/m\"}"},
        {"/machine-config", "{\"vcpu_count\":1,\"mem_size_mib\":4294967295,\"smt\":false}"},
        {"/boot-source", "{\"kernel_image_path\":\"/k\"}"},
        {"/network-interfaces/eth0", "{\"iface_id\":\"eth0\",\"host_dev_name\":\"tap-fc-\\\"x\","
                                     "\"guest_mac\":\"06:fe:e3:45:c0:bd\"}"},
    };

    ck_assert_uint_eq(requests->len, G_N_ELEMENTS(expected));
    for (guint i = 0; i < requests->len; i++) {
        const BangerFirecrackerRequest *request = g_ptr_array_index(requests, i);

        ck_assert_str_eq(request->path, expected[i][0]);
        ck_assert_str_eq(request->body, expected[i][1]);
    }
    g_array_unref(launch.drives);
    g_array_unref(launch.options.network_interfaces);
    g_array_unref(launch.options.drive_options);
}
END_TEST

/* The level at which bodies are logged comes when no body is secret any more. */
START_TEST(start)
{
    BangerLaunchFirecrackerRequest launch = {.log_path = (char *)"/l", .options.start = true};
    g_autoptr(GPtrArray) requests = banger_firecracker_start(&launch);
    const BangerFirecrackerRequest *logger = g_ptr_array_index(requests, 0);
    const BangerFirecrackerRequest *action = g_ptr_array_index(requests, 1);

    ck_assert_uint_eq(requests->len, 2);
    ck_assert_str_eq(logger->path, "/logger");
    ck_assert_str_eq(logger->body, "{\"log_path\":\"/l\",\"level\":\"Info\","
                                   "\"show_level\":true,\"show_log_origin\":false}");
    ck_assert_str_eq(action->path, "/actions");
    ck_assert_str_eq(action->body, "{\"action_type\":\"InstanceStart\"}");
}
END_TEST

/* What a guest that was never started is known by. */
START_TEST(unstarted)
{
    static const char not_started[] = "{\"id\":\"a\",\"state\":\"Not started\"}";
    static const char running[] = "{\"id\":\"Not started\",\"state\":\"Running\"}";

    ck_assert(banger_firecracker_is_unstarted(not_started, strlen(not_started)));
    ck_assert(!banger_firecracker_is_unstarted(running, strlen(running)));
    ck_assert(!banger_firecracker_is_unstarted("", 0));
}
END_TEST

/* What systemd keeps of a unit, in its own quoting. */
START_TEST(record)
{
    BangerMachineInfo *machine = banger_machine_info_new("vm");

    banger_unit_record_parse(
        "[Unit]\nDescription=BANGER_TAP=no Environment=\"BANGER_TAP=no\"\n\n"
        "[Service]\nEnvironment=\"A=b\" \"BANGER_OP_ID=op-1\" "
        "\"BANGER_UID=1000\" \"BANGER_ROOT=/dev/mapper/fc-rootfs-a\"\n"
        "Environment=\"BANGER_API=/run/a \\\"b\\\"%%\\\\c\" \"BANGER_VSOCK=\"\n"
        "Environment=\"BANGER_TAP=tap-fc-1",
        machine);
    ck_assert_str_eq(machine->op_id, "op-1");
    ck_assert_uint_eq(machine->creator, 1000);
    ck_assert_str_eq(machine->snapshot, "fc-rootfs-a");
    ck_assert_str_eq(machine->api_socket, "/run/a \"b\"%\\c");
    ck_assert_str_eq(machine->vsock_path, "");
    ck_assert_str_eq(machine->tap, "");
    banger_unit_record_parse("Environment=\"BANGER_UID=-1\" \"BANGER_ROOT=/var/lib/banger/x\" "
                             "\"BANGER_TAP\" \"BANGER_BRIDGE=br-fc\"x\"BANGER_TAP=t\"\n",
                             machine);
    ck_assert_uint_eq(machine->creator, 1000);
    ck_assert_str_eq(machine->snapshot, "fc-rootfs-a");
    ck_assert_str_eq(machine->bridge, "br-fc");
    ck_assert_str_eq(machine->tap, "");
    ck_assert(!machine->owner_starts);
    banger_unit_record_parse("Environment=\"BANGER_START=no\"\n", machine);
    ck_assert(machine->owner_starts);
    banger_machine_info_free(machine);
}
END_TEST

/*
 * Where the descriptors run out is the list of processes, then one's pidfd, its directory, a file
 * in it: of none of these follows that no VMM has the disk.
 */
START_TEST(disk_users_out_of_descriptors)
{
    const BangerSettings settings = {.owner_uid = getuid(), .runtime_directory = (char *)"/run"};
    g_autofree char *who = NULL;
    struct rlimit before, few;
    BangerDiskUse use;
    struct stat st;
    int next = (int)syscall(SYS_pidfd_open, getpid(), 0);

    if (next < 0 && errno == ENOSYS) {
        harness_skip("no pidfd_open(2), as under valgrind");
        return;
    }
    ck_assert_int_ge(next, 0);
    ck_assert_int_eq(fstat(next, &st), 0);
    st.st_mode = S_IFREG;
    (void)close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){(rlim_t)(next + _i), before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    use = banger_disk_find_machine(&settings, &st, BANGER_DISK_WRITE, &who);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(use, BANGER_DISK_UNKNOWN);
    ck_assert_msg(strstr(who, "Too many open files") != NULL, "%s", who);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("vmm");
    TCase *tcase = tcase_create("vmm");

    tcase_add_test(tcase, names);
    tcase_add_test(tcase, api_sock);
    tcase_add_test(tcase, faults);
    tcase_add_test(tcase, abstract_listeners);
    tcase_add_test(tcase, open_taps);
    tcase_add_test(tcase, static_programs);
    tcase_add_test(tcase, file_sizes);
    tcase_add_test(tcase, configuration);
    tcase_add_test(tcase, start);
    tcase_add_test(tcase, unstarted);
    tcase_add_test(tcase, record);
    tcase_add_loop_test(tcase, disk_users_out_of_descriptors, 0, 4);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/vmm", suite);
}
