/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KillProcess, SignalProcess, EnsureSocketAccess and ResolveFirecrackerBinary: what is no VMM, odd
 * pids, sockets, programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "util/settings.h"

#define NOT_MANAGED "org.banger.Helper1.Error.NotManaged"
#define NOT_FOUND "org.banger.Helper1.Error.NotFound"
#define BAD_PARAMS "org.banger.Helper1.Error.BadParams"

/*
 * Constants of their own, since a literal of two parts in a list of others looks like a lost comma.
 */
static const char x_sock[] = MACHINE_RUN "x.sock";
static const char copy_sock[] = MACHINE_RUN "copy.sock";
static const char elsewhere_sock[] = MACHINE_STATE "elsewhere.sock";
static const char strangers_sock[] = MACHINE_RUN "strangers.sock";
static const char other_name[] = "/usr/local/bin/another-program";
static const char own_copy[] = MACHINE_STATE "firecracker";

/* Both methods refuse @pid with the error @name, and @pid lives on if it did. */
static void
refused(uint32_t pid, const char *name)
{
    rig_call_fails(machine_bus, name, "KillProcess", "us", pid, "op-refused");
    rig_call_fails(machine_bus, name, "SignalProcess", "uss", pid, "", "op-refused");
    rig_call_fails(machine_bus, name, "SignalProcess", "uss", pid, "KILL", "op-refused");
}

static void
start_is_refused(uid_t uid, const char *const *argv)
{
    pid_t pid = machine_start_program(uid, argv);

    refused((uint32_t)pid, NOT_MANAGED);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
    machine_end(pid);
}

START_TEST(not_a_vmm)
{
    static const char *const sleeps[] = {"/bin/sleep", "600", NULL};
    static const char *const script[] = {
        "/bin/bash", "-c", "sleep 600; :", "--api-sock", x_sock, NULL};
    static const char *const options[] = {
        "/bin/bash", "--norc", "-c", "sleep 600; :", "--api-sock", x_sock, NULL};
    static const char *const copy[] = {own_copy, "--api-sock", copy_sock, "--id", "copy", NULL};
    static const char *const other[] = {other_name, "--api-sock", copy_sock, "--id", "copy", NULL};
    static const char *const elsewhere[] = {MACHINE_BINARY, "--api-sock", elsewhere_sock,
                                            "--id",         "elsewhere",  NULL};
    static const char *const strangers[] = {MACHINE_BINARY, "--api-sock", strangers_sock,
                                            "--id",         "strangers",  NULL};

    machine_install_double(MACHINE_STATE "firecracker", RIG_UID_OWNER, 0755);
    ck_assert_int_eq(chmod(BANGER_RUNTIME_DIRECTORY, 0757), 0);
    (void)unlink(elsewhere_sock);
    (void)unlink(copy_sock);
    (void)unlink(strangers_sock);
    start_is_refused(RIG_UID_OWNER, sleeps);
    start_is_refused(0, sleeps);
    start_is_refused(RIG_UID_OWNER, script);
    start_is_refused(0, options);
    start_is_refused(RIG_UID_OWNER, copy);
    (void)unlink(copy_sock);
    machine_install_double(other_name, 0, 0755);
    start_is_refused(RIG_UID_OWNER, other);
    start_is_refused(RIG_UID_OWNER, elsewhere);
    start_is_refused(RIG_UID_STRANGER, strangers);
    ck_assert_int_eq(chmod(BANGER_RUNTIME_DIRECTORY, 0750), 0);
    (void)unlink(elsewhere_sock);
}
END_TEST

/* The name, the title and every byte of the command line are the process's own to choose. */
START_TEST(dressed_up)
{
    static const char *const plain[] = {"/bin/sleep", "600", NULL};
    static const char *const named[] = {"firecracker", "--api-sock", x_sock, "--id", "x", NULL};
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (setsid() >= 0 && setresuid(RIG_UID_OWNER, RIG_UID_OWNER, RIG_UID_OWNER) == 0 &&
            prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) {
            int fd = open(MACHINE_STATE "firecracker", O_PATH | O_CLOEXEC);

            (void)syscall(SYS_execveat, fd, "", named, NULL, AT_EMPTY_PATH);
        }
        _exit(127);
    }
    machine_wait_executed(pid);
    refused((uint32_t)pid, NOT_MANAGED);
    machine_end(pid);
    start_is_refused(RIG_UID_OWNER, plain);
}
END_TEST

START_TEST(odd_pids)
{
    pid_t zombie = fork();
    pid_t dead;

    if (zombie == 0)
        _exit(0);
    dead = fork();
    if (dead == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(dead, NULL, 0), dead);
    ck_assert_int_eq(waitid(P_PID, (id_t)zombie, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    refused(0, NOT_MANAGED);
    refused(1, NOT_MANAGED);
    refused((uint32_t)-1, NOT_MANAGED);
    refused(0x80000001, NOT_MANAGED);
    refused(0x7fffffff, NOT_FOUND);
    refused((uint32_t)rig_pid_of(BANGER_BUS_NAME), NOT_MANAGED);
    refused((uint32_t)dead, NOT_FOUND);
    refused((uint32_t)zombie, NOT_FOUND);
    refused((uint32_t)getpid(), NOT_MANAGED);
    ck_assert_int_eq(waitpid(zombie, NULL, 0), zombie);
}
END_TEST

static void *
sleep_on(void *data)
{
    for (;;)
        (void)pause();
    return data;
}

static bool
is_zombie(void *data)
{
    g_autofree char *state = machine_proc_status(*(pid_t *)data, "State");

    return state[0] == 'Z';
}

/* A process whose first thread ended looks like a zombie, but has not ended. */
START_TEST(first_thread_ended)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        pthread_t thread;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
            pthread_create(&thread, NULL, sleep_on, NULL) == 0)
            (void)syscall(SYS_exit, 0);
        _exit(127);
    }
    rig_wait_for(is_zombie, &pid, "end of the first thread");
    refused((uint32_t)pid, NOT_MANAGED);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
    machine_end(pid);
}
END_TEST

/* A thread of the helper's: it is no process, and must not be taken for one. */
START_TEST(thread_id)
{
    g_autofree char *path = NULL;
    pid_t helper;
    g_autoptr(GDir) tasks = NULL;
    const char *task;
    unsigned int threads = 0;

    rig_call_fails(machine_bus, NOT_MANAGED, "KillProcess", "us", 1u, "");
    helper = rig_pid_of(BANGER_BUS_NAME);
    path = g_strdup_printf("/proc/%d/task", helper);
    tasks = g_dir_open(path, 0, NULL);
    ck_assert_ptr_nonnull(tasks);
    while ((task = g_dir_read_name(tasks)) != NULL) {
        uint32_t tid = (uint32_t)g_ascii_strtoull(task, NULL, 10);

        if (tid == (uint32_t)helper)
            continue;
        refused(tid, NOT_MANAGED);
        ck_assert(!machine_is_running(machine_bus, tid, ""));
        threads++;
    }
    ck_assert_uint_gt(threads, 0);
}
END_TEST

static char
state_of(pid_t pid)
{
    g_autofree char *state = machine_proc_status(pid, "State");

    return state[0];
}

static bool
is_stopped(void *data)
{
    return state_of(*(pid_t *)data) == 'T';
}

static bool
is_not_stopped(void *data)
{
    return state_of(*(pid_t *)data) != 'T';
}

START_TEST(signals)
{
    static const char *const wrong[] = {"FOO", "0", "-9", "65", "SIG", "9 9", "TERM9"};
    static const char *const ending[] = {"", "TERM", "SIGTERM", "sigint", "9", NULL};
    Machine *machine = machine_new("signals");
    pid_t pid = machine_launch(machine_bus, machine);

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
        rig_call_fails(machine_bus, BAD_PARAMS, "SignalProcess", "uss", (uint32_t)pid, wrong[i],
                       "op-w");
    rig_call_ok(machine_bus, "SignalProcess", "uss", (uint32_t)pid, "STOP", "");
    rig_wait_for(is_stopped, &pid, "SIGSTOP");
    rig_call_ok(machine_bus, "SignalProcess", "uss", (uint32_t)pid, "18", "");
    rig_wait_for(is_not_stopped, &pid, "SIGCONT");
    ck_assert_int_eq(kill(pid, 0), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(ending) - 1; i++) {
        rig_call_ok(machine_bus, "SignalProcess", "uss", (uint32_t)pid, ending[i], "");
        rig_wait_pid_gone(pid);
        refused((uint32_t)pid, NOT_FOUND);
        pid = machine_launch(machine_bus, machine);
    }
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    ck_assert_msg(machine_has_ended(pid), "KillProcess returned before the end");
    machine_free(machine);
}
END_TEST

START_TEST(socket_access)
{
    struct stat st;

    ck_assert_int_eq(mknod(MACHINE_RUN "given", S_IFSOCK | 0777, 0), 0);
    /* As long as it is root's it is some service's. */
    rig_call_fails(machine_bus, NOT_MANAGED, "EnsureSocketAccess", "sss", MACHINE_RUN "given", "",
                   "o");
    ck_assert_int_eq(stat(MACHINE_RUN "given", &st), 0);
    ck_assert_uint_eq(st.st_uid, 0);
    ck_assert_int_eq(chown(MACHINE_RUN "given", RIG_UID_OWNER, 0), 0);
    rig_call_ok(machine_bus, "EnsureSocketAccess", "sss", MACHINE_RUN "given", "api socket", "");
    ck_assert_int_eq(stat(MACHINE_RUN "given", &st), 0);
    ck_assert_uint_eq(st.st_uid, RIG_UID_OWNER);
    ck_assert_uint_eq(st.st_gid, RIG_UID_OWNER);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    rig_call_ok(machine_bus, "EnsureSocketAccess", "sss", MACHINE_RUN "given", "", "");

    ck_assert_int_eq(symlink("/run/dbus/system_bus_socket", MACHINE_RUN "led-astray"), 0);
    rig_call_fails(machine_bus, BAD_PARAMS, "EnsureSocketAccess", "sss", MACHINE_RUN "led-astray",
                   "", "o");
    rig_call_fails(machine_bus, BAD_PARAMS, "EnsureSocketAccess", "sss",
                   "/run/dbus/system_bus_socket", "", "o");
    rig_call_fails(machine_bus, NOT_FOUND, "EnsureSocketAccess", "sss", MACHINE_RUN "none", "",
                   "o");
    machine_write(MACHINE_RUN "file", "");
    rig_call_fails(machine_bus, BAD_PARAMS, "EnsureSocketAccess", "sss", MACHINE_RUN "file", "",
                   "o");
    ck_assert_int_eq(mknod(MACHINE_RUN "strangers", S_IFSOCK | 0777, 0), 0);
    ck_assert_int_eq(chown(MACHINE_RUN "strangers", RIG_UID_STRANGER, RIG_UID_STRANGER), 0);
    rig_call_fails(machine_bus, NOT_MANAGED, "EnsureSocketAccess", "sss", MACHINE_RUN "strangers",
                   "", "o");
}
END_TEST

static void
resolves(const char *requested, const char *expected)
{
    sd_bus_message *reply =
        rig_call(machine_bus, "ResolveFirecrackerBinary", NULL, "ss", requested, "");
    const char *path = NULL;

    ck_assert_int_ge(sd_bus_message_read(reply, "s", &path), 0);
    ck_assert_str_eq(path, expected);
    sd_bus_message_unref(reply);
}

START_TEST(resolving)
{
    g_autofree char *sh = realpath("/bin/sh", NULL);

    resolves("", MACHINE_BINARY);
    resolves("  ", MACHINE_BINARY);
    resolves("firecracker", MACHINE_BINARY);
    resolves(MACHINE_BINARY, MACHINE_BINARY);
    resolves("sh", sh);
    rig_call_fails(machine_bus, NOT_FOUND, "ResolveFirecrackerBinary", "ss", "no-such-program",
                   "o");
    rig_call_fails(machine_bus, NOT_FOUND, "ResolveFirecrackerBinary", "ss", "/no/such/program",
                   "o");
    /* Root would see what is there. */
    rig_call_fails(machine_bus, NOT_FOUND, "ResolveFirecrackerBinary", "ss", "/proc/1/exe", "o");
    ck_assert_int_eq(mkdir("/run/closed", 0700), 0);
    machine_install_double("/run/closed/firecracker", 0, 0755);
    rig_call_fails(machine_bus, NOT_FOUND, "ResolveFirecrackerBinary", "ss",
                   "/run/closed/firecracker", "o");
    rig_call_fails(machine_bus, NOT_FOUND, "ResolveFirecrackerBinary", "ss", "/run/closed/absent",
                   "o");
    rig_call_fails(machine_bus, BAD_PARAMS, "ResolveFirecrackerBinary", "ss", "bin/sh", "o");
    rig_call_fails(machine_bus, BAD_PARAMS, "ResolveFirecrackerBinary", "ss", "..", "o");
    rig_call_fails(machine_bus, NOT_MANAGED, "ResolveFirecrackerBinary", "ss", "/etc", "o");
    rig_call_fails(machine_bus, NOT_MANAGED, "ResolveFirecrackerBinary", "ss", "/etc/passwd", "o");
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const names[] = {"signals", NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/process", argv, NULL);
    suite = suite_create("process");
    tcase = machine_add_tcase(suite, "process", names, NULL, NULL);
    tcase_add_test(tcase, not_a_vmm);
    tcase_add_test(tcase, dressed_up);
    tcase_add_test(tcase, odd_pids);
    tcase_add_test(tcase, first_thread_ended);
    tcase_add_test(tcase, thread_id);
    tcase_add_test(tcase, signals);
    tcase_add_test(tcase, socket_access);
    tcase_add_test(tcase, resolving);
    return harness_run("bus/process", suite);
}
