/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One writer a disk: machines, loops, snapshots and files in images, for one another. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/disk/image-fixture.h"
#include "bus/vmm/machine-fixture.h"
#include "util/fd.h"

#define N_AT_ONCE 64

/* A machine with the one drive @path. */
static Machine *
machine_with(const char *name, const char *path, bool read_only)
{
    Machine *machine = machine_new(name);

    g_array_set_size(machine->drives, 0);
    machine_add_drive(machine, "rootfs", path, read_only, true);
    return machine;
}

static void
launch_fails(const char *path, bool read_only, const char *name, const char *words)
{
    Machine *machine = machine_with("other", path, read_only);

    machine_launch_fails(machine_bus, machine, name, words);
    machine_free(machine);
}

static void
launch_works(const char *path, bool read_only)
{
    Machine *machine = machine_with("other", path, read_only);

    machine_kill(machine_bus, machine_launch(machine_bus, machine));
    machine_free(machine);
}

/* What one machine has written or reads, and what others may do with it meanwhile. */
START_TEST(of_a_machine)
{
    bool read_only = _i == 1;
    g_autofree char *image = image_make("disk", 4 << 20, "");
    g_autofree char *cow = image_path_of("cow"), *message = NULL;
    Machine *machine = machine_with("one", image, read_only);
    pid_t pid = machine_launch(machine_bus, machine);
    ImageFile file = {"/f", "x", 1, 0};

    image_make_file(cow, 1 << 20);
    launch_fails(image, false, "Busy", "the virtual machine one (process");
    if (read_only)
        launch_works(image, true);
    else
        launch_fails(image, true, "Busy", "the virtual machine one (process");
    ck_assert_str_eq(image_write(image, &file, 1, &message), "Busy");
    ck_assert_msg(strstr(message, "the virtual machine one") != NULL, "%s", message);
    ck_assert_str_eq(image_read(image, "/f", NULL, NULL), "NotFound");
    if (image_kernel_has_dm())
        rig_call_fails(machine_bus, "org.banger.Helper1.Error.Busy", "CreateDMSnapshot", "ssss",
                       cow, image, "fc-rootfs-disks", "");
    machine_kill(machine_bus, pid);
    image_write_ok(image, &file, 1);
    launch_works(image, false);
    machine_free(machine);
    (void)unlink(image);
    (void)unlink(cow);
}
END_TEST

/* A loop device of each kind; what else there is on it is the machine's own file. */
START_TEST(under_a_loop)
{
    bool read_only = _i == 1;
    g_autofree char *image = image_make("disk", 4 << 20, "");
    g_autofree char *loop = NULL;
    ImageFile file = {"/f", "x", 1, 0};

    loop = read_only ? image_run_words(NULL, "losetup", "-r", "-f", "--show", image)
                     : image_run_words(NULL, "losetup", "-f", "--show", image);
    (void)g_strchomp(loop);
    launch_fails(image, false, "Busy", loop);
    if (read_only)
        launch_works(image, true);
    else
        launch_fails(image, true, "Busy", loop);
    ck_assert_str_eq(image_write(image, &file, 1, NULL), "Busy");
    g_free(image_run_words(NULL, "losetup", "-d", loop));
    launch_works(image, false);
    (void)unlink(image);
}
END_TEST

/* Logs: another machine's, another machine's disk, a disk under a loop; not one that is read. */
START_TEST(logs)
{
    g_autofree char *image = image_make("disk", 4 << 20, "");
    Machine *machine = machine_with("one", image, false);
    Machine *other = machine_with("other", MACHINE_STATE "data", false);
    pid_t pid = machine_launch(machine_bus, machine);
    g_autofree char *before = NULL, *after = NULL, *loop = NULL;
    banger_autofd int reader = -1;

    before = image_digest(image);
    machine_set(other, "log_path", MACHINE_STATE "one.log");
    machine_launch_fails(machine_bus, other, "Busy", "the virtual machine one");
    machine_set(other, "log_path", image);
    machine_launch_fails(machine_bus, other, "Busy", "the virtual machine one");
    machine_kill(machine_bus, pid);
    loop = g_strchomp(image_run_words(NULL, "losetup", "-f", "--show", image));
    machine_launch_fails(machine_bus, other, "Busy", loop);
    g_free(image_run_words(NULL, "losetup", "-d", loop));
    after = image_digest(image);
    ck_assert_str_eq(before, after);
    machine_set(other, "log_path", MACHINE_STATE "one.log");
    reader = open(MACHINE_STATE "one.log", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(reader, 0);
    machine_kill(machine_bus, machine_launch(machine_bus, other));
    machine_free(machine);
    machine_free(other);
    (void)unlink(image);
}
END_TEST

START_TEST(one_file_twice)
{
    Machine *machine = machine_with("one", MACHINE_STATE "data", false);

    machine_add_drive(machine, "again", MACHINE_STATE "data", false, false);
    machine_launch_fails(machine_bus, machine, "BadParams", "named twice");
    g_array_set_size(machine->drives, 0);
    machine_add_drive(machine, "rootfs", MACHINE_STATE "data", true, true);
    machine_add_drive(machine, "again", MACHINE_STATE "data", true, false);
    machine_kill(machine_bus, machine_launch(machine_bus, machine));
    machine_free(machine);
}
END_TEST

/* A drive of root's: for reading if the owner could, never for writing. */
START_TEST(of_root)
{
    machine_write(MACHINE_STATE "golden", "golden");
    ck_assert_int_eq(chown(MACHINE_STATE "golden", 0, 0), 0);
    ck_assert_int_eq(chmod(MACHINE_STATE "golden", 0644), 0);
    launch_fails(MACHINE_STATE "golden", false, "NotManaged", "belongs to root");
    launch_works(MACHINE_STATE "golden", true);
    ck_assert_int_eq(chmod(MACHINE_STATE "golden", 0640), 0);
    launch_fails(MACHINE_STATE "golden", true, "NotManaged", "may not read it");
    (void)unlink(MACHINE_STATE "golden");
}
END_TEST

typedef struct {
    RigPending *pending[N_AT_ONCE];
    unsigned int n_ok;
    unsigned int n_busy;
} Launches;

/* Launches a machine for each of N_AT_ONCE names, all at once; @one_disk: on one disk. */
static void
launch_at_once(Launches *launches, bool one_disk)
{
    memset(launches, 0, sizeof *launches);
    for (unsigned int i = 0; i < N_AT_ONCE; i++) {
        g_autofree char *name = g_strdup_printf("n%u", i);
        g_autofree char *disk = g_strdup_printf(MACHINE_STATE "n%u.disk", one_disk ? 0 : i);
        Machine *machine = machine_with(name, disk, false);

        launches->pending[i] =
            rig_call_start(machine_bus, machine_message(machine_bus, machine, ""));
        machine_free(machine);
    }
    for (unsigned int i = 0; i < N_AT_ONCE; i++) {
        RigPending *pending = launches->pending[i];

        rig_pending_wait(machine_bus, pending);
        launches->n_ok += pending->error_name == NULL;
        launches->n_busy += g_strcmp0(pending->error_name, "org.banger.Helper1.Error.Busy") == 0 &&
                            strstr(pending->error_message, "n0.disk is in use by") != NULL;
        if (pending->error_name != NULL && launches->n_busy == 0)
            g_printerr("%s: %s\n", pending->error_name, pending->error_message);
        rig_pending_free(pending);
    }
}

static void
kill_all(void)
{
    for (unsigned int i = 0; i < N_AT_ONCE; i++) {
        g_autofree char *socket = g_strdup_printf(MACHINE_RUN "n%u.sock", i);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply =
            rig_call(machine_bus, "FindFirecrackerPID", &error, "ss", socket, "");
        uint32_t pid = 0;

        sd_bus_error_free(&error);
        if (reply == NULL)
            continue;
        ck_assert_int_ge(sd_bus_message_read(reply, "u", &pid), 0);
        sd_bus_message_unref(reply);
        machine_kill(machine_bus, (pid_t)pid);
    }
}

/* On one disk one succeeds; with a disk each and one kernel all do, while a backup reads it all. */
START_TEST(at_once)
{
    Launches launches;
    int readers[N_AT_ONCE + 1];

    for (unsigned int i = 0; i < N_AT_ONCE; i++) {
        g_autofree char *disk = g_strdup_printf(MACHINE_STATE "n%u.disk", i);

        machine_write(disk, "disk");
        readers[i] = open(disk, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(readers[i], 0);
    }
    readers[N_AT_ONCE] = open(MACHINE_STATE "kernel", O_RDONLY | O_CLOEXEC);
    launch_at_once(&launches, true);
    ck_assert_uint_eq(launches.n_ok, 1);
    ck_assert_uint_eq(launches.n_busy, N_AT_ONCE - 1);
    kill_all();
    launch_at_once(&launches, false);
    ck_assert_uint_eq(launches.n_ok, N_AT_ONCE);
    kill_all();
    for (size_t i = 0; i < G_N_ELEMENTS(readers); i++)
        (void)close(readers[i]);
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *names[N_AT_ONCE + 3] = {"one", "other"};
    Suite *suite;
    TCase *tcase;
    int status;

    (void)argc;
    image_enter("bus/machine-disks", argv, NULL);
    for (unsigned int i = 0; i < N_AT_ONCE; i++)
        names[i + 2] = g_strdup_printf("n%u", i);
    suite = suite_create("machine-disks");
    tcase = machine_add_tcase(suite, "machine-disks", names, NULL, NULL);
    tcase_set_timeout(tcase, 180);
    tcase_add_loop_test(tcase, of_a_machine, 0, 2);
    tcase_add_loop_test(tcase, under_a_loop, 0, 2);
    tcase_add_test(tcase, logs);
    tcase_add_test(tcase, one_file_twice);
    tcase_add_test(tcase, of_root);
    tcase_add_test(tcase, at_once);
    status = harness_run("bus/machine-disks", suite);
    for (unsigned int i = 0; i < N_AT_ONCE; i++)
        g_free((char *)names[i + 2]);
    return status;
}
