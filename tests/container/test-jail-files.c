/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What a VMM in a jail is given under a real systemd: libraries, root's files, and its own ones on
 * each kind of file system.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "container/jail-fixture.h"
#include "lib/harness.h"
#include "util/settings.h"

#define ACL_USER_TAG 0x02

/* Root's file is not opened to VMs: it is readable to them already, or it is refused. */
START_TEST(roots_files)
{
    Machine *machine = machine_new("victim");
    struct stat st;
    pid_t pid;

    machine_write(MACHINE_STATE "roots", "a kernel");
    ck_assert_int_eq(chown(MACHINE_STATE "roots", 0, 0), 0);
    ck_assert_int_eq(chmod(MACHINE_STATE "roots", 0644), 0);
    machine_set(machine, "kernel_image_path", MACHINE_STATE "roots");
    pid = machine_launch(machine_bus, machine);
    ck_assert_int_eq(stat(MACHINE_STATE "roots", &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0644);
    jail_end("victim", pid);
    /* The owner's group may read it, but not the VMs'. */
    ck_assert_int_eq(chown(MACHINE_STATE "roots", 0, RIG_UID_OWNER), 0);
    ck_assert_int_eq(chmod(MACHINE_STATE "roots", 0640), 0);
    machine_launch_fails(machine_bus, machine, "BadParams", "banger-vmm");
    (void)unlink(MACHINE_STATE "roots");
    machine_free(machine);
}
END_TEST

/* How many mounts of the process @pid are at paths that begin with @place. */
static unsigned int
count_mounts(pid_t pid, const char *place)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/mountinfo", pid);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned int n = 0;

    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; **line != '\0'; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, " ", 6);

        n += g_str_has_prefix(fields[4], place) ? 1 : 0;
    }
    return n;
}

/*
 * A program with libraries sees them, and not the root directory once more that lies among them; a
 * static one sees none.
 */
START_TEST(libraries)
{
    static const char built[] = "/run/payload/programs/firecracker-static";
    g_autofree char *normal = g_strdup(g_getenv("BANGER_FAKE_FIRECRACKER"));
    pid_t pid = jail_launch("victim");

    ck_assert_uint_ge(count_mounts(pid, "/usr/lib"), 1);
    ck_assert_uint_eq(count_mounts(pid, "/usr/lib/banger-helper/"), 0);
    jail_end("victim", pid);
    if (access(built, X_OK) < 0) {
        harness_skip("no static libraries to link the double with");
        return;
    }
    ck_assert(g_setenv("BANGER_FAKE_FIRECRACKER", built, TRUE));
    machine_install_double(MACHINE_BINARY, 0, 0755);
    pid = jail_launch("victim");
    ck_assert_uint_eq(count_mounts(pid, "/usr/lib"), 0);
    ck_assert_uint_eq(count_mounts(pid, "/lib"), 0);
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "victim.sock"), (uint32_t)pid);
    jail_end("victim", pid);
    ck_assert(g_setenv("BANGER_FAKE_FIRECRACKER", normal, TRUE));
    machine_install_double(MACHINE_BINARY, 0, 0755);
}
END_TEST

static const char *const ends[] = {"KillProcess", "StopMachine", "StopMachine by the guest"};

/* Whatever the owner ends a machine by, the directory it had goes with it. */
START_TEST(directory_goes_with_it)
{
    static const char directory[] = MACHINE_RUN ".vm/victim";
    pid_t pid = jail_launch("victim");

    ck_assert_int_eq(access(directory, F_OK), 0);
    if (g_str_has_prefix(ends[_i], "StopMachine"))
        rig_call_ok(machine_bus, "StopMachine", "sus", "victim",
                    g_str_has_suffix(ends[_i], "guest") ? 30U : 0U, "");
    else
        rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    ck_assert_int_ne(access(directory, F_OK), 0);
    ck_assert_int_eq(errno, ENOENT);
    jail_clean_up("victim");
}
END_TEST

/* What systemd says of the unit that runs: docs/trust-model.md has the bound. */
START_TEST(exposure)
{
    static const char command[] =
        "systemd-analyze security --no-pager --threshold=10 banger-vm-victim.service";
    static const char label[] = "Overall exposure level for banger-vm-victim.service: ";
    g_autofree char *said = NULL;
    const char *level;
    pid_t pid = jail_launch("victim");

    ck_assert(g_spawn_command_line_sync(command, &said, NULL, NULL, NULL));
    level = strstr(said, label);
    ck_assert_msg(level != NULL, "%s", said);
    level += strlen(label);
    ck_assert(g_ascii_isdigit(*level));
    ck_assert_double_le(g_ascii_strtod(level, NULL), 1.0);
    jail_end("victim", pid);
}
END_TEST

/* How many users' entries the access control list of @path has (acl(5)). */
static unsigned int
count_users(const char *path)
{
    struct {
        uint32_t version;
        struct {
            uint16_t tag;
            uint16_t permissions;
            uint32_t id;
        } entries[64];
    } list;
    ssize_t length = getxattr(path, "system.posix_acl_access", &list, sizeof list);
    unsigned int n = 0;

    for (size_t i = 0; length > 4 && i < ((size_t)length - 4) / sizeof list.entries[0]; i++)
        n += list.entries[i].tag == ACL_USER_TAG ? 1 : 0;
    return n;
}

/* What the example of logrotate(8) makes of a log: it is empty, and still the VM's to write to. */
START_TEST(rotated)
{
    static const char log[] = MACHINE_STATE "victim.log";
    static const char copy[] = MACHINE_STATE "victim.log.1.gz";
    g_autofree char *program = g_find_program_in_path("logrotate");
    struct stat before, after;
    pid_t pid;

    if (program == NULL) {
        harness_skip("no logrotate");
        return;
    }
    pid = jail_launch("victim");
    ck_assert_int_eq(stat(log, &before), 0);
    ck_assert_int_gt(before.st_size, 0);
    ck_assert_uint_eq(count_users(log), 1);
    jail_run("logrotate --force --state /run/logrotate.state /run/payload/logrotate.conf");
    ck_assert_int_eq(stat(log, &after), 0);
    ck_assert_uint_eq(after.st_ino, before.st_ino);
    ck_assert_int_eq(after.st_size, 0);
    ck_assert_uint_eq(count_users(log), 1);
    ck_assert_int_eq(access(copy, F_OK), 0);
    jail_end("victim", pid);
    (void)unlink(copy);
}
END_TEST

static const struct {
    const char *name;
    const char *program; /* that makes one */
    const char *options;
} file_systems[] = {
    {"ext4", "mke2fs", "-q -F -t ext4"},
    {"xfs", "mkfs.xfs", "-q -f"},
    {"btrfs", "mkfs.btrfs", "-q -f"},
};

/* Puts a new file system of the kind @i in place of the state directory's. */
static void
mount_state(int i)
{
    static const char image[] = "/run/out/state.img";
    g_autofree char *make =
        g_strdup_printf("%s %s %s", file_systems[i].program, file_systems[i].options, image);
    int fd = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_eq(ftruncate(fd, (off_t)320 << 20), 0);
    (void)close(fd);
    jail_run(make);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    jail_run("mount -o loop /run/out/state.img /var/lib/banger");
    ck_assert_int_eq(unlink(image), 0);
    ck_assert_int_eq(chown("/var/lib/banger", RIG_UID_OWNER, RIG_UID_OWNER), 0);
    ck_assert_int_eq(chmod("/var/lib/banger", 0750), 0);
}

/*
 * On each file system that has access control lists: the VM writes to its drive, and no other one's
 * user does. (The other cases are on a tmpfs.)
 */
START_TEST(on_file_systems)
{
    static const char *const names[] = {"victim", NULL};
    static const char data[] = MACHINE_STATE "victim.data";
    struct stat st;
    pid_t pid;
    g_autofree char *program = g_find_program_in_path(file_systems[_i].program);

    if (program == NULL) {
        harness_skip("nothing to make the file system with");
        return;
    }
    mount_state(_i);
    machine_set_up(names);
    pid = jail_launch("victim");
    ck_assert_int_eq(stat(data, &st), 0);
    ck_assert_uint_eq(st.st_uid, RIG_UID_OWNER);
    ck_assert_uint_eq(st.st_mode & 0070, 0060); /* the mask of its list */
    ck_assert_uint_eq(count_users(data), 1);
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    rig_wait_for(machine_has_no_unit, (void *)(uintptr_t) "victim", "systemd to notice the end");
    /* The former user's entry goes. */
    pid = jail_launch("victim");
    ck_assert_uint_eq(count_users(data), 1);
    jail_end("victim", pid);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    jail_run("umount /var/lib/banger");
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const names[] = {"victim", NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("container/jail-files", argv, NULL);
    suite = suite_create("jail-files");
    tcase = machine_add_tcase(suite, "jail-files", names, NULL, NULL);
    tcase_add_test(tcase, roots_files);
    tcase_add_test(tcase, libraries);
    tcase_add_loop_test(tcase, directory_goes_with_it, 0, (int)G_N_ELEMENTS(ends));
    tcase_add_test(tcase, exposure);
    tcase_add_test(tcase, rotated);
    tcase_add_loop_test(tcase, on_file_systems, 0, (int)G_N_ELEMENTS(file_systems));
    return harness_run("container/jail-files", suite);
}
