/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FindFirecrackerPID and ProcessRunning: one VMM, several, and a crowd of other processes. */
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "util/settings.h"

#define NOT_FOUND "org.banger.Helper1.Error.NotFound"
#define BAD_PARAMS "org.banger.Helper1.Error.BadParams"
#define FAILED "org.banger.Helper1.Error.OperationFailed"

static const char signals_sock[] = MACHINE_RUN "signals.sock";

START_TEST(running)
{
    Machine *machine = machine_new("signals");
    pid_t pid = machine_launch(machine_bus, machine);
    pid_t zombie = fork();

    if (zombie == 0)
        _exit(0);
    ck_assert_int_eq(waitid(P_PID, (id_t)zombie, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    ck_assert(machine_is_running(machine_bus, (uint32_t)pid, ""));
    ck_assert(machine_is_running(machine_bus, (uint32_t)pid, MACHINE_RUN "signals.sock"));
    ck_assert(!machine_is_running(machine_bus, (uint32_t)pid, MACHINE_RUN "signals.soc"));
    ck_assert(!machine_is_running(machine_bus, (uint32_t)pid, MACHINE_RUN "other.sock"));
    ck_assert(machine_is_running(machine_bus, (uint32_t)getpid(), ""));
    ck_assert(!machine_is_running(machine_bus, (uint32_t)getpid(), MACHINE_RUN "signals.sock"));
    ck_assert(!machine_is_running(machine_bus, (uint32_t)zombie, ""));
    ck_assert(!machine_is_running(machine_bus, (uint32_t)zombie, MACHINE_RUN "signals.sock"));
    ck_assert(!machine_is_running(machine_bus, 0, ""));
    ck_assert(!machine_is_running(machine_bus, UINT32_MAX, ""));
    ck_assert(!machine_is_running(machine_bus, 0x7fffffff, MACHINE_RUN "signals.sock"));
    /* One outside the runtime directory is none of ours. */
    ck_assert(!machine_is_running(machine_bus, (uint32_t)pid, "/tmp/x.sock"));
    ck_assert(!machine_is_running(machine_bus, (uint32_t)pid, "x"));
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    ck_assert(!machine_is_running(machine_bus, (uint32_t)pid, ""));
    ck_assert(!machine_is_running(machine_bus, (uint32_t)pid, MACHINE_RUN "signals.sock"));
    ck_assert_int_eq(waitpid(zombie, NULL, 0), zombie);
    machine_free(machine);
}
END_TEST

START_TEST(finding)
{
    Machine *machine = machine_new("signals");
    pid_t pid = machine_launch(machine_bus, machine);

    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "signals.sock"), (uint32_t)pid);
    rig_call_fails(machine_bus, NOT_FOUND, "FindFirecrackerPID", "ss", MACHINE_RUN "none.sock",
                   "op-f");
    rig_call_fails(machine_bus, BAD_PARAMS, "FindFirecrackerPID", "ss", "/tmp/x.sock", "op-f");
    /* The socket is gone, the process is not. */
    ck_assert_int_eq(rename(MACHINE_RUN "signals.sock", MACHINE_RUN "moved.sock"), 0);
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "signals.sock"), (uint32_t)pid);
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "moved.sock"), (uint32_t)pid);
    ck_assert_int_eq(rename(MACHINE_RUN "moved.sock", MACHINE_RUN "signals.sock"), 0);
    /* The process is gone, the socket is not. */
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    ck_assert_int_eq(access(MACHINE_RUN "signals.sock", F_OK), 0);
    rig_call_fails(machine_bus, NOT_FOUND, "FindFirecrackerPID", "ss", MACHINE_RUN "signals.sock",
                   "op-f");
    machine_free(machine);
}
END_TEST

/* Of two that name the socket the younger; ours before any other; and no stranger's. */
START_TEST(finding_among_several)
{
    /* Without a child, which would have the same command line until it executes its program. */
    static const char *const others[] = {"/bin/bash",  "-c", "kill -STOP $$", "x", "--api-sock",
                                         signals_sock, NULL};
    Machine *machine = machine_new("signals");
    pid_t pid = machine_launch(machine_bus, machine);
    pid_t first = machine_start_program(RIG_UID_OWNER, others);
    pid_t second = machine_start_program(RIG_UID_OWNER, others);
    pid_t strangers = machine_start_program(RIG_UID_STRANGER, others);

    ck_assert_int_eq(unlink(MACHINE_RUN "signals.sock"), 0);
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "signals.sock"), (uint32_t)pid);
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    machine_end(second);
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "signals.sock"), (uint32_t)first);
    machine_end(first);
    rig_call_fails(machine_bus, NOT_FOUND, "FindFirecrackerPID", "ss", MACHINE_RUN "signals.sock",
                   "op-f");
    ck_assert(!machine_is_running(machine_bus, (uint32_t)strangers, MACHINE_RUN "signals.sock"));
    ck_assert(machine_is_running(machine_bus, (uint32_t)strangers, ""));
    machine_end(strangers);
    machine_free(machine);
}
END_TEST

#define CROWD 2000

START_TEST(finding_in_a_crowd)
{
    Machine *machine = machine_new("signals");
    pid_t pid = machine_launch(machine_bus, machine);
    g_autofree pid_t *crowd = g_new0(pid_t, CROWD);
    gint64 begin, took;

    for (int i = 0; i < CROWD; i++) {
        crowd[i] = fork();
        ck_assert_int_ge(crowd[i], 0);
        if (crowd[i] == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            (void)pause();
            _exit(0);
        }
    }
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "signals.sock"), (uint32_t)pid);
    ck_assert(machine_is_running(machine_bus, (uint32_t)pid, MACHINE_RUN "signals.sock"));
    ck_assert_int_eq(unlink(MACHINE_RUN "signals.sock"), 0);
    begin = g_get_monotonic_time();
    ck_assert_uint_eq(machine_find(machine_bus, MACHINE_RUN "signals.sock"), (uint32_t)pid);
    took = g_get_monotonic_time() - begin;
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    rig_call_fails(machine_bus, NOT_FOUND, "FindFirecrackerPID", "ss", MACHINE_RUN "signals.sock",
                   "op-f");
    for (int i = 0; i < CROWD; i++)
        machine_end(crowd[i]);
    ck_assert_msg(took < rig_timeout_usec() / 15, "a scan of %d processes took %d ms", CROWD,
                  (int)(took / 1000));
    machine_free(machine);
}
END_TEST

/* The first number that is no descriptor of the process @pid. */
static rlim_t
first_free_descriptor(pid_t pid)
{
    for (rlim_t fd = 0;; fd++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/fd/%ju", pid, (uintmax_t)fd);

        if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK))
            return fd;
    }
}

/* A helper that can open nothing does not know: it must not say that a VMM has ended. */
START_TEST(no_descriptors)
{
    Machine *machine = machine_new("signals");
    pid_t pid = machine_launch(machine_bus, machine);
    pid_t helper = rig_pid_of(BANGER_BUS_NAME);
    struct rlimit before, none;

    ck_assert_int_eq(prlimit(helper, RLIMIT_NOFILE, NULL, &before), 0);
    none = (struct rlimit){first_free_descriptor(helper), before.rlim_max};
    ck_assert_int_eq(prlimit(helper, RLIMIT_NOFILE, &none, NULL), 0);
    rig_call_fails(machine_bus, FAILED, "ProcessRunning", "uss", (uint32_t)pid, "", "op-d");
    rig_call_fails(machine_bus, FAILED, "ProcessRunning", "uss", (uint32_t)pid, signals_sock,
                   "op-d");
    rig_call_fails(machine_bus, FAILED, "FindFirecrackerPID", "ss", signals_sock, "op-d");
    ck_assert_int_eq(prlimit(helper, RLIMIT_NOFILE, &before, NULL), 0);
    ck_assert(machine_is_running(machine_bus, (uint32_t)pid, signals_sock));
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    machine_free(machine);
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const names[] = {"signals", NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/process-find", argv, NULL);
    suite = suite_create("process-find");
    tcase = machine_add_tcase(suite, "process-find", names, NULL, NULL);
    tcase_add_test(tcase, running);
    tcase_add_test(tcase, finding);
    tcase_add_test(tcase, finding_among_several);
    tcase_add_test(tcase, finding_in_a_crowd);
    tcase_add_test(tcase, no_descriptors);
    return harness_run("bus/process-find", suite);
}
