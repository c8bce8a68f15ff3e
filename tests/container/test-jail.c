/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The jail of a VMM under a real systemd: what a guest that has taken its VMM over reaches
 * (tests/fake/escape.c tries it), and what the owner keeps.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "container/jail-fixture.h"
#include "util/fd.h"
#include "util/settings.h"

/* A socket of the host's in the abstract name space, which has no directory to be kept out of. */
static int
listen_abstract(void)
{
    static const char name[] = "@banger-test-abstract";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, name, sizeof name - 1);
    address.sun_path[0] = '\0';
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof name - 1)),
                     0);
    ck_assert_int_eq(listen(fd, 8), 0);
    return fd;
}

#define OPEN_TAP "tap-nobodys" /* of the host's, without an owner */

static bool
has_escaped(void *data)
{
    g_autofree char *log = NULL;

    return g_file_get_contents(data, &log, NULL, NULL) && strstr(log, "escape: end") != NULL;
}

/* What the escaped VMM did reach, a line each, and how much it tried. */
static char *
reached(const char *log_path, unsigned int *ret_tried)
{
    g_autofree char *log = NULL;
    g_auto(GStrv) lines = NULL;
    GString *result = g_string_new(NULL);

    ck_assert(g_file_get_contents(log_path, &log, NULL, NULL));
    lines = g_strsplit(log, "\n", -1);
    *ret_tried = 0;
    for (char **line = lines; *line != NULL; line++) {
        *ret_tried += g_str_has_prefix(*line, "escape: ") ? 1 : 0;
        if (g_str_has_prefix(*line, "escape: REACHED "))
            g_string_append_printf(result, "%s\n", *line + strlen("escape: REACHED "));
    }
    return g_string_free(result, FALSE);
}

START_TEST(escaped_vmm_reaches_nothing)
{
    pid_t victim = jail_launch("victim");
    pid_t third = jail_launch("third");
    banger_autofd int abstract = listen_abstract();
    g_autofree char *orders = g_strdup_printf("escape /actions victim %d", victim);
    g_autofree char *got = NULL;
    unsigned int tried;
    pid_t evil;

    jail_run("ip tuntap add dev " OPEN_TAP " mode tap");
    machine_order("evil", orders);
    evil = jail_launch("evil");
    rig_wait_for(has_escaped, (void *)(uintptr_t)MACHINE_STATE "evil.log", "the attempts");
    got = reached(MACHINE_STATE "evil.log", &tried);
    ck_assert_uint_gt(tried, 130);
    /* What the network name space brings with it, which the TAP needs: docs/trust-model.md. */
    ck_assert_str_eq(got, "open /proc/self/net/unix\n"
                          "connect @banger-test-abstract\n"
                          "attach " OPEN_TAP "\n");
    jail_run("ip link delete " OPEN_TAP);
    ck_assert(machine_is_running(machine_bus, (uint32_t)victim, MACHINE_RUN "victim.sock"));
    ck_assert(machine_is_running(machine_bus, (uint32_t)third, MACHINE_RUN "third.sock"));
    machine_order("evil", NULL);
    jail_end("evil", evil);
    jail_end("victim", victim);
    jail_end("third", third);
}
END_TEST

/* Every VM has a uid that is neither the owner's nor another VM's, and no capability. */
START_TEST(users_differ)
{
    pid_t pids[] = {jail_launch("victim"), jail_launch("third")};
    g_autofree char *first = machine_proc_status(pids[0], "Uid");
    g_autofree char *second = machine_proc_status(pids[1], "Uid");
    g_autofree char *groups = machine_proc_status(pids[0], "Groups");
    g_autofree char *owner = g_strdup_printf("%d", RIG_UID_OWNER);

    ck_assert_str_ne(first, second);
    ck_assert_ptr_null(strstr(first, owner));
    ck_assert_ptr_null(strstr(groups, owner));
    jail_end("victim", pids[0]);
    jail_end("third", pids[1]);
}
END_TEST

/* Nothing of a VM's is left in its directory, and nothing of it keeps a later one from starting. */
START_TEST(leaves_no_directory)
{
    pid_t pid = jail_launch("victim");

    ck_assert_int_eq(mkdir(MACHINE_RUN ".vm/victim/deep", 0700), 0);
    ck_assert_int_eq(mkdir(MACHINE_RUN ".vm/victim/deep/deeper", 0), 0);
    ck_assert(g_file_set_contents(MACHINE_RUN ".vm/victim/deep/deeper/file", "x", -1, NULL));
    jail_end("victim", pid);
    ck_assert_int_ne(access(MACHINE_RUN ".vm/victim", F_OK), 0);
    pid = jail_launch("victim");
    jail_end("victim", pid);
}
END_TEST

/* What a VM that ended by itself left goes with the launch of another, once it is old enough. */
START_TEST(sweeps_directories)
{
    static const char *const left[] = {MACHINE_RUN ".vm/victim", MACHINE_STATE ".vm/victim"};
    const struct timespec old[] = {{1, 0}, {1, 0}};
    pid_t pid = jail_launch("victim");
    pid_t third;

    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    jail_clean_up("victim");
    third = jail_launch("third");
    ck_assert_int_eq(access(left[0], F_OK), 0);
    jail_end("third", third);
    /* A VM that runs keeps its own, however old. */
    pid = jail_launch("evil");
    ck_assert_int_eq(utimensat(AT_FDCWD, MACHINE_RUN ".vm/evil", old, 0), 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, left[0], old, 0), 0);
    third = jail_launch("third");
    ck_assert_int_ne(access(left[0], F_OK), 0);
    ck_assert_int_ne(access(left[1], F_OK), 0);
    ck_assert_int_eq(access(MACHINE_RUN ".vm/evil", F_OK), 0);
    jail_end("third", third);
    jail_end("evil", pid);
}
END_TEST

static int
append_no_start(sd_bus_message *message)
{
    return sd_bus_message_append(message, "{sv}", "start", "b", 0);
}

/*
 * Before its guest starts a VMM can fill its socket directory: with it no more than its file
 * system.
 */
START_TEST(sockets_have_a_bound)
{
    struct statvfs own, run;
    struct stat st;
    Machine *machine = machine_new("victim");
    pid_t pid;

    ck_assert_int_eq(statvfs(MACHINE_RUN, &own), 0);
    ck_assert_int_eq(statvfs("/run", &run), 0);
    ck_assert_uint_ne(own.f_fsid, run.f_fsid);
    ck_assert_uint_le(own.f_blocks * own.f_frsize, 16 << 20);
    ck_assert_uint_le(own.f_files, 65536);
    machine->more = append_no_start;
    pid = machine_launch(machine_bus, machine);
    ck_assert_int_eq(stat(MACHINE_RUN ".vm/victim", &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0770);
    jail_end("victim", pid);
    machine->more = NULL;
    pid = machine_launch(machine_bus, machine);
    ck_assert_int_eq(stat(MACHINE_RUN ".vm/victim", &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0710);
    jail_end("victim", pid);
    machine_free(machine);
}
END_TEST

/* The runtime directory may have sockets in a directory for each VM too. */
START_TEST(sockets_in_a_directory)
{
    Machine *machine = machine_new("victim");
    struct stat st;
    pid_t pid;

    ck_assert_int_eq(mkdir(MACHINE_RUN "own", 0750), 0);
    ck_assert_int_eq(chown(MACHINE_RUN "own", RIG_UID_OWNER, RIG_UID_OWNER), 0);
    machine_set(machine, "socket_path", MACHINE_RUN "own/fc.sock");
    machine_set(machine, "vsock_path", MACHINE_RUN "own/fc.vsock");
    pid = machine_launch(machine_bus, machine);
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "own/fc.sock"), (uint32_t)pid);
    ck_assert_int_eq(stat(MACHINE_RUN "own/fc.vsock", &st), 0);
    ck_assert_uint_eq(st.st_uid, RIG_UID_OWNER);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    jail_end("victim", pid);
    (void)unlink(MACHINE_RUN "own/fc.sock");
    (void)unlink(MACHINE_RUN "own/fc.vsock");
    ck_assert_int_eq(rmdir(MACHINE_RUN "own"), 0);
    machine_set(machine, "socket_path", MACHINE_RUN ".vm/fc.sock");
    machine_remove(machine, "vsock_path");
    machine_remove(machine, "vsock_cid");
    (void)mkdir(MACHINE_RUN ".vm", 0711);
    machine_launch_fails(machine_bus, machine, "BadParams",
                         "where virtual machines bind their sockets");
    machine_free(machine);
}
END_TEST

/* Listens at @path as the owner would. */
static int
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    (void)unlink(path);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(chown(path, RIG_UID_OWNER, RIG_UID_OWNER), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
    return fd;
}

/* Whether the VMM @pid can connect to @path: from its root directory, as its user. */
static bool
vmm_connects(pid_t pid, const char *path)
{
    g_autofree char *uids = machine_proc_status(pid, "Uid");
    g_autofree char *root = g_strdup_printf("/proc/%d/root", pid);
    uid_t uid = (uid_t)strtoul(uids, NULL, 10);
    gid_t group = getgrnam("banger-vmm")->gr_gid;
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)g_strlcpy(address.sun_path, path, sizeof address.sun_path);
        _exit(chroot(root) == 0 && setgroups(1, &group) == 0 && setresgid(uid, uid, uid) == 0 &&
                      setresuid(uid, uid, uid) == 0
                  ? connect(fd, (const struct sockaddr *)&address, sizeof address) < 0
                  : 2);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) != 2);
    return WEXITSTATUS(status) == 0;
}

/* <vsock_path>_<port> of the owner's is there for its VM and for no other, whenever it was made. */
START_TEST(listeners)
{
    static const char early[] = MACHINE_RUN "victim.vsock_5000";
    static const char late[] = MACHINE_RUN "victim.vsock_5001";
    int early_fd = listen_at(early);
    pid_t victim = jail_launch("victim");
    pid_t third = jail_launch("third");
    int late_fd = listen_at(late);
    struct stat st;

    ck_assert(vmm_connects(victim, early));
    ck_assert(!vmm_connects(third, early));
    ck_assert(!vmm_connects(victim, late));
    rig_call_ok(machine_bus, "EnsureSocketAccess", "sss", late, "", "");
    ck_assert(vmm_connects(victim, late));
    ck_assert(!vmm_connects(third, late));
    rig_call_ok(machine_bus, "EnsureSocketAccess", "sss", late, "", "");
    ck_assert(vmm_connects(victim, late));
    /* The owner's program was started again. */
    (void)close(late_fd);
    late_fd = listen_at(late);
    ck_assert(!vmm_connects(victim, late));
    rig_call_ok(machine_bus, "EnsureSocketAccess", "sss", late, "", "");
    ck_assert(vmm_connects(victim, late));
    ck_assert_int_eq(stat(late, &st), 0);
    ck_assert_uint_eq(st.st_uid, RIG_UID_OWNER);
    ck_assert_uint_eq(st.st_mode & 07777, 0660);
    jail_end("third", third);
    jail_end("victim", victim);
    ck_assert_int_eq(stat(late, &st), 0);
    ck_assert_uint_eq(st.st_nlink, 1);
    /* Without its VM it is a socket like any other. */
    rig_call_ok(machine_bus, "EnsureSocketAccess", "sss", late, "", "");
    ck_assert_int_eq(stat(late, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    (void)close(early_fd);
    (void)close(late_fd);
    (void)unlink(early);
    (void)unlink(late);
}
END_TEST

/*
 * A launch whose VMM is killed, whenever that is, leaves nothing; or it had succeeded before. In
 * the first round the VMM does not answer, so that it had not.
 */
START_TEST(killed_at_any_time)
{
    Machine *machine = machine_new("victim");
    g_autofree char *before = machine_host_state();

    for (int i = 0; i < 25; i++) {
        g_autofree char *after = NULL;
        RigPending *pending;
        sd_bus *other = rig_bus_open(RIG_UID_OWNER);
        uint32_t pid = 0;

        machine_order("victim", i == 0 ? "hang /boot-source" : NULL);
        pending = rig_call_start(machine_bus, machine_message(machine_bus, machine, ""));
        while (pid == 0 && !pending->done) {
            sd_bus_message *reply = rig_call(other, "FindFirecrackerPID", &(sd_bus_error){0}, "ss",
                                             MACHINE_RUN "victim.sock", "");

            if (reply != NULL)
                ck_assert_int_ge(sd_bus_message_read(reply, "u", &pid), 0);
            sd_bus_message_unref(reply);
            rig_bus_handle(machine_bus);
        }
        g_usleep((gulong)i * 500);
        sd_bus_message_unref(rig_call(other, "KillProcess", &(sd_bus_error){0}, "us", pid, ""));
        rig_pending_wait(machine_bus, pending);
        ck_assert(i > 0 || pending->error_name != NULL);
        jail_clean_up("victim");
        after = machine_host_state();
        ck_assert_str_eq(after, before);
        rig_pending_free(pending);
        sd_bus_flush_close_unref(other);
    }
    machine_free(machine);
}
END_TEST

/* What Warnings says. Free with g_free(). */
static char *
get_warnings(void)
{
    g_auto(GStrv) all = NULL;

    ck_assert_int_ge(sd_bus_get_property_strv(machine_bus, BANGER_BUS_NAME, BANGER_OBJECT_PATH,
                                              BANGER_INTERFACE, "Warnings", NULL, &all),
                     0);
    return all != NULL ? g_strjoinv("\n", all) : g_strdup("");
}

/* What a VMM is not kept from is said. */
START_TEST(warnings)
{
    g_autofree char *quiet = get_warnings();
    banger_autofd int abstract = listen_abstract();
    g_autofree char *open = NULL;
    g_autofree char *unjailed = NULL;

    jail_run("ip tuntap add dev " OPEN_TAP " mode tap");
    open = get_warnings();
    jail_run("ip link delete " OPEN_TAP);

    ck_assert_ptr_null(strstr(quiet, "@banger-test-abstract"));
    ck_assert_ptr_null(strstr(quiet, OPEN_TAP));
    ck_assert_ptr_null(strstr(quiet, "Jail=no"));
    ck_assert_ptr_null(strstr(quiet, "file system"));
    ck_assert_ptr_nonnull(strstr(open, "@banger-test-abstract"));
    ck_assert_ptr_nonnull(strstr(open, OPEN_TAP));
    ck_assert(g_file_set_contents("/etc/banger/helper.conf", "[VMM]\nJail=no\n", -1, NULL));
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    unjailed = get_warnings();
    ck_assert_ptr_nonnull(strstr(unjailed, "Jail=no"));
    ck_assert_int_eq(unlink("/etc/banger/helper.conf"), 0);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
}
END_TEST

/* Jail=no: what was a jailed VM's, its TAP too, is the owner's; and back again. */
START_TEST(turned_off_and_on)
{
    pid_t pid = jail_launch("victim");
    g_autofree char *owner = g_strdup_printf("%d\t", RIG_UID_OWNER);
    g_autofree char *uids = NULL;
    g_autofree char *bounds = NULL;

    jail_end("victim", pid);
    ck_assert(g_file_set_contents("/etc/banger/helper.conf", "[VMM]\nJail=no\n", -1, NULL));
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    pid = jail_launch("victim");
    uids = machine_proc_status(pid, "Uid");
    bounds = machine_proc_status(pid, "Seccomp");
    ck_assert_msg(g_str_has_prefix(uids, owner), "%s", uids);
    ck_assert_str_eq(bounds, "2");
    jail_end("victim", pid);
    ck_assert_int_eq(unlink("/etc/banger/helper.conf"), 0);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    pid = jail_launch("victim");
    g_free(uids);
    uids = machine_proc_status(pid, "Uid");
    ck_assert_msg(!g_str_has_prefix(uids, owner), "%s", uids);
    jail_end("victim", pid);
}
END_TEST

/* Lets systemd refuse root what would stop a unit, or allows it again. */
static void
forbid_stops(bool forbidden)
{
    static const char path[] = "/etc/dbus-1/system.d/no-stops.conf";
    static const char policy[] =
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN\"\n"
        " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig>"
        "<policy context=\"mandatory\">"
        "<deny send_interface=\"org.freedesktop.systemd1.Manager\" send_member=\"KillUnit\"/>"
        "<deny send_interface=\"org.freedesktop.systemd1.Manager\" send_member=\"StopUnit\"/>"
        "</policy></busconfig>\n";
    sd_bus *root = rig_bus_open(0);

    if (forbidden)
        ck_assert(g_file_set_contents_full(path, policy, -1, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
    else
        ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_ge(sd_bus_call_method(root, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "ReloadConfig", NULL, NULL, ""),
                     0);
    sd_bus_flush_close_unref(root);
}

/* A VMM that a failed launch could not stop is named in its error. */
START_TEST(cannot_be_stopped)
{
    Machine *machine = machine_new("victim");
    sd_bus_error error = SD_BUS_ERROR_NULL;

    machine_order("victim", "refuse /actions no");
    forbid_stops(true);
    ck_assert_ptr_null(rig_call_message(
        machine_bus, machine_message(machine_bus, machine, "op-unstoppable"), &error));
    forbid_stops(false);
    ck_assert_msg(strstr(error.message, "PUT /actions was refused") != NULL &&
                      strstr(error.message, "cannot stop banger-vm-victim.service") != NULL,
                  "%s", error.message);
    sd_bus_error_free(&error);
    machine_order("victim", NULL);
    machine_free(machine);
    jail_run("systemctl stop banger-vm-victim.service");
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const names[] = {"victim", "third", "evil", "spare", NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("container/jail", argv, NULL);
    suite = suite_create("jail");
    tcase = machine_add_tcase(suite, "jail", names, NULL, NULL);
    tcase_add_test(tcase, escaped_vmm_reaches_nothing);
    tcase_add_test(tcase, users_differ);
    tcase_add_test(tcase, leaves_no_directory);
    tcase_add_test(tcase, sweeps_directories);
    tcase_add_test(tcase, sockets_have_a_bound);
    tcase_add_test(tcase, sockets_in_a_directory);
    tcase_add_test(tcase, listeners);
    tcase_add_test(tcase, killed_at_any_time);
    tcase_add_test(tcase, warnings);
    tcase_add_test(tcase, turned_off_and_on);
    tcase_add_test(tcase, cannot_be_stopped);
    return harness_run("container/jail", suite);
}
