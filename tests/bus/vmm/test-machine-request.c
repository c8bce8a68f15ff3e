/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests for LaunchFirecracker that are malformed, or name what they may not, are refused. */
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "util/settings.h"

#define OUTSIDE "/usr/lib/os-release"

static Machine *machine;

static void
set_up(void)
{
    machine = machine_new("request");
}

static void
tear_down(void)
{
    machine_free(machine);
}

static const char *const required[] = {
    "binary_path", "vm_id",  "socket_path", "log_path",   "metrics_path", "kernel_image_path",
    "kernel_args", "drives", "tap_device",  "vcpu_count", "memory_mib",
};

START_TEST(missing)
{
    for (size_t i = 0; i < G_N_ELEMENTS(required); i++) {
        Machine *lacking = machine_new("request");

        machine_remove(lacking, required[i]);
        machine_launch_fails(machine_bus, lacking, "BadParams", required[i]);
        machine_free(lacking);
    }
    machine_remove(machine, "vsock_cid");
    machine_launch_fails(machine_bus, machine, "BadParams", "vsock_cid");
    machine_set_number(machine, "vsock_cid", 3);
    machine_remove(machine, "vsock_path");
    machine_launch_fails(machine_bus, machine, "BadParams", "vsock_cid");
}
END_TEST

START_TEST(wrong_type)
{
    static const char *const optional[] = {"initrd_path", "vsock_path", "vsock_cid", "network"};

    for (size_t i = 0; i < G_N_ELEMENTS(required) + G_N_ELEMENTS(optional); i++) {
        const char *key =
            i < G_N_ELEMENTS(required) ? required[i] : optional[i - G_N_ELEMENTS(required)];
        Machine *wrong = machine_new("request");

        machine_set_type(wrong, key, 'b');
        machine_launch_fails(machine_bus, wrong, "BadParams", key);
        machine_free(wrong);
    }
    machine_set(machine, "jailer_path", "/usr/bin/jailer");
    machine_launch_fails(machine_bus, machine, "BadParams", "jailer_path");
}
END_TEST

START_TEST(out_of_range)
{
    static const struct {
        const char *key;
        uint32_t numbers[5];
        size_t n;
    } cases[] = {
        {"vcpu_count", {0, 33, UINT32_MAX}, 3},
        {"memory_mib", {0, UINT32_MAX}, 2},
        {"vsock_cid", {0, 1, 2, UINT32_MAX}, 4},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        for (size_t j = 0; j < cases[i].n; j++) {
            Machine *odd = machine_new("request");

            machine_set_number(odd, cases[i].key, cases[i].numbers[j]);
            machine_launch_fails(machine_bus, odd, "BadParams", cases[i].key);
            machine_free(odd);
        }
}
END_TEST

START_TEST(odd_names)
{
    static const char *const cases[][2] = {
        {"vm_id", ""},
        {"vm_id", "under_score"},
        {"vm_id", "../up"},
        {"vm_id", "a.service"},
        {"tap_device", "eth0"},
        {"tap_device", "tap-fc-"},
        {"tap_device", "tap-fc-far-too-long"},
        {"binary_path", "firecracker"},
        {"kernel_args", "with\nnewline"},
        {"socket_path", MACHINE_RUN},
        {"socket_path", "relative.sock"},
        {"socket_path", MACHINE_RUN "../banger/x.sock"},
        {"socket_path", MACHINE_STATE "x.sock"},
        {"vsock_path", MACHINE_RUN "request.sock"},
        {"metrics_path", MACHINE_STATE "request.log"},
        {"metrics_path", MACHINE_STATE "kernel"},
        {"log_path", MACHINE_STATE "rootfs"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Machine *odd = machine_new("request");

        machine_set(odd, cases[i][0], cases[i][1]);
        machine_launch_fails(machine_bus, odd, "BadParams", cases[i][0]);
        machine_free(odd);
    }
    machine_set(machine, "tap_device", "tap-fc-absent");
    machine_launch_fails(machine_bus, machine, "NotFound", "tap-fc-absent");
}
END_TEST

START_TEST(drives)
{
    Machine *many = machine_new("request");
    Machine *roots = machine_new("request");
    Machine *same = machine_new("request");
    Machine *data_dm = machine_new("request");
    Machine *other_dm = machine_new("request");
    Machine *no_dm = machine_new("request");

    for (int i = 0; i < 9999; i++) {
        g_autofree char *id = g_strdup_printf("d%d", i);

        machine_add_drive(many, id, MACHINE_STATE "data", true, false);
    }
    machine_launch_fails(machine_bus, many, "BadParams", "drives");
    machine_add_drive(roots, "root2", MACHINE_STATE "data", true, true);
    machine_launch_fails(machine_bus, roots, "BadParams", "root");
    machine_add_drive(same, "rootfs", MACHINE_STATE "data", true, false);
    machine_launch_fails(machine_bus, same, "BadParams", "rootfs");
    machine_add_drive(data_dm, "data", "/dev/mapper/fc-rootfs-x", true, false);
    machine_launch_fails(machine_bus, data_dm, "BadParams", "data");
    g_array_set_size(other_dm->drives, 0);
    machine_add_drive(other_dm, "rootfs", "/dev/mapper/control", false, true);
    machine_launch_fails(machine_bus, other_dm, "BadParams", "\"control\"");
    g_array_set_size(no_dm->drives, 0);
    machine_add_drive(no_dm, "rootfs", "/dev/mapper/fc-rootfs-absent", false, true);
    machine_launch_fails(machine_bus, no_dm, "NotFound", "fc-rootfs-absent");
    machine_free(many);
    machine_free(roots);
    machine_free(same);
    machine_free(data_dm);
    machine_free(other_dm);
    machine_free(no_dm);
}
END_TEST

/* Launches with the path of @key, or of the drive if it is "drives", being @path. */
static void
path_fails(const char *key, const char *path, const char *name)
{
    Machine *odd = machine_new("request");

    if (g_str_equal(key, "drives")) {
        g_array_set_size(odd->drives, 0);
        machine_add_drive(odd, "rootfs", path, false, true);
    } else {
        machine_set(odd, key, path);
    }
    machine_launch_fails(machine_bus, odd, name, NULL);
    machine_free(odd);
}

static const char *const state_paths[] = {
    "kernel_image_path", "initrd_path", "drives", "log_path", "metrics_path",
};

START_TEST(paths_outside)
{
    for (size_t i = 0; i < G_N_ELEMENTS(state_paths); i++) {
        path_fails(state_paths[i], OUTSIDE, "BadParams");
        path_fails(state_paths[i], MACHINE_STATE "../../../" OUTSIDE, "BadParams");
        path_fails(state_paths[i], MACHINE_RUN "x", "BadParams");
        path_fails(state_paths[i], MACHINE_STATE "absent/file", "NotFound");
    }
    path_fails("socket_path", "/tmp/x.sock", "BadParams");
    path_fails("vsock_path", "/tmp/x.sock", "BadParams");
    path_fails("socket_path", MACHINE_RUN "absent/x.sock", "NotFound");
}
END_TEST

START_TEST(paths_that_lead_astray)
{
    static const char *const odd[] = {"link",   "folder-link/file", "dangling", "fifo",
                                      "folder", "socket",           "two-names"};
    static const char *const runtime[] = {"socket_path", "vsock_path"};

    ck_assert_int_eq(symlink(OUTSIDE, MACHINE_STATE "link"), 0);
    ck_assert_int_eq(symlink("/usr/lib", MACHINE_STATE "folder-link"), 0);
    ck_assert_int_eq(symlink("/etc/made-by-the-vmm", MACHINE_STATE "dangling"), 0);
    ck_assert_int_eq(mkfifo(MACHINE_STATE "fifo", 0666), 0);
    ck_assert_int_eq(mkdir(MACHINE_STATE "folder", 0755), 0);
    ck_assert_int_eq(mknod(MACHINE_STATE "socket", S_IFSOCK | 0666, 0), 0);
    machine_write(MACHINE_STATE "one-name", "");
    ck_assert_int_eq(link(MACHINE_STATE "one-name", MACHINE_STATE "two-names"), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(state_paths); i++)
        for (size_t j = 0; j < G_N_ELEMENTS(odd); j++) {
            g_autofree char *path = g_strconcat(MACHINE_STATE, odd[j], NULL);

            path_fails(state_paths[i], path, "BadParams");
        }
    ck_assert_int_ne(access("/etc/made-by-the-vmm", F_OK), 0);
    ck_assert_int_eq(chown(MACHINE_STATE "one-name", RIG_UID_STRANGER, RIG_UID_STRANGER), 0);
    ck_assert_int_eq(unlink(MACHINE_STATE "two-names"), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(state_paths); i++)
        path_fails(state_paths[i], MACHINE_STATE "one-name", "NotManaged");
    ck_assert_int_eq(chown(MACHINE_STATE "one-name", 0, 0), 0);
    path_fails("log_path", MACHINE_STATE "one-name", "NotManaged");
    path_fails("metrics_path", MACHINE_STATE "one-name", "NotManaged");
    ck_assert_int_eq(symlink("/run/dbus", MACHINE_RUN "folder-link"), 0);
    ck_assert_int_eq(symlink("/run/dbus/x", MACHINE_RUN "link"), 0);
    ck_assert_int_eq(mkfifo(MACHINE_RUN "fifo", 0666), 0);
    machine_write(MACHINE_RUN "file", "");
    for (size_t i = 0; i < G_N_ELEMENTS(runtime); i++) {
        path_fails(runtime[i], MACHINE_RUN "folder-link/x", "BadParams");
        path_fails(runtime[i], MACHINE_RUN "link", "BadParams");
        path_fails(runtime[i], MACHINE_RUN "file", "BadParams");
        path_fails(runtime[i], MACHINE_RUN "fifo", "BadParams");
    }
}
END_TEST

START_TEST(binaries)
{
    static const char good[] = MACHINE_BINARY;
    static const char own[] = MACHINE_STATE "firecracker";
    static const char *const writable[] = {
        MACHINE_BINARY "-group",  MACHINE_BINARY "-others",     MACHINE_BINARY "-owners",
        MACHINE_BINARY "-noexec", "/run/fc-folder/firecracker", "/usr/local/bin/fc-link",
        "/usr/local/bin",         MACHINE_BINARY "-fifo",       own};
    pid_t pid;

    machine_install_double(MACHINE_BINARY "-group", 0, 0775);
    machine_install_double(MACHINE_BINARY "-others", 0, 0757);
    machine_install_double(MACHINE_BINARY "-owners", RIG_UID_OWNER, 0755);
    machine_install_double(MACHINE_BINARY "-noexec", 0, 0644);
    machine_install_double(MACHINE_STATE "firecracker", 0, 0755);
    ck_assert_int_eq(mkdir("/run/fc-folder", 0755), 0);
    ck_assert_int_eq(chmod("/run/fc-folder", 01777), 0);
    machine_install_double("/run/fc-folder/firecracker", 0, 0755);
    ck_assert_int_eq(symlink("/run/fc-folder/firecracker", "/usr/local/bin/fc-link"), 0);
    ck_assert_int_eq(mkfifo(MACHINE_BINARY "-fifo", 0755), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(writable); i++) {
        machine_set(machine, "binary_path", writable[i]);
        machine_launch_fails(machine_bus, machine, "NotManaged", NULL);
        rig_call_fails(machine_bus, "org.banger.Helper1.Error.NotManaged",
                       "ResolveFirecrackerBinary", "ss", writable[i], "");
    }
    machine_set(machine, "binary_path", "/usr/local/bin/fc-absent");
    machine_launch_fails(machine_bus, machine, "NotFound", "fc-absent");
    /* It could be launched, and could not be found and killed afterwards. */
    machine_install_double("/usr/local/bin/vmm", 0, 0755);
    machine_set(machine, "binary_path", "/usr/local/bin/vmm");
    machine_launch_fails(machine_bus, machine, "NotManaged",
                         "/usr/local/bin/vmm is not named firecracker");
    /* A link by which only root could lead elsewhere is the program it leads to. */
    ck_assert_int_eq(symlink(good, "/usr/local/bin/fc-good"), 0);
    machine_set(machine, "binary_path", "/usr/local/bin/fc-good");
    pid = machine_launch(machine_bus, machine);
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const names[] = {"request", NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/machine-request", argv, NULL);
    suite = suite_create("machine-request");
    tcase = machine_add_tcase(suite, "machine-request", names, set_up, tear_down);
    tcase_add_test(tcase, missing);
    tcase_add_test(tcase, wrong_type);
    tcase_add_test(tcase, out_of_range);
    tcase_add_test(tcase, odd_names);
    tcase_add_test(tcase, drives);
    tcase_add_test(tcase, paths_outside);
    tcase_add_test(tcase, paths_that_lead_astray);
    tcase_add_test(tcase, binaries);
    return harness_run("bus/machine-request", suite);
}
