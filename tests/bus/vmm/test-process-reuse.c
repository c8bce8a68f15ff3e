/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pid that is another process's by now is never signaled. */
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "util/error.h"
#include "util/settings.h"
#include "vmm/control.h"
#include "vmm/process.h"
#include "vmm/stop.h"

/*
 * A pid that is given to another process while the helper decides about it. Not over the bus: the
 * operations run here, with the seam of vmm/process.h, where the VMM is ended and its very pid
 * given to a bystander (clone3(2) with set_tid). In the rig, for its process namespace.
 */

static const BangerSettings settings = {
    .owner_user = (char *)"banger",
    .owner_uid = RIG_UID_OWNER,
    .owner_gid = RIG_UID_OWNER,
    .state_directory = (char *)BANGER_STATE_DIRECTORY,
    .runtime_directory = (char *)BANGER_RUNTIME_DIRECTORY,
};

static const char *step_to_reuse_at;
static unsigned int passes; /* of that step, before it is reused at */
static unsigned int reused;

/* A process with the pid @pid, which sleeps. */
static void
start_bystander(pid_t pid)
{
    struct clone_args args = {
        .exit_signal = SIGCHLD,
        .set_tid = (uintptr_t)&pid,
        .set_tid_size = 1,
    };
    long made = syscall(SYS_clone3, &args, sizeof args);

    if (made == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)pause();
    }
    ck_assert_msg(made == pid, "clone3: %s", g_strerror(errno));
}

static void
give_pid_away(const char *step, pid_t pid)
{
    if (!g_str_equal(step, step_to_reuse_at) || passes-- > 0)
        return;
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    start_bystander(pid);
    reused++;
}

static pid_t
start_vmm(void)
{
    static char socket_path[] = MACHINE_RUN "reuse.sock";
    char *const argv[] = {(char *)MACHINE_BINARY, (char *)"--api-sock", socket_path,
                          (char *)"--id",         (char *)"reuse",      NULL};
    pid_t pid;

    (void)unlink(socket_path);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (setresuid(RIG_UID_OWNER, RIG_UID_OWNER, RIG_UID_OWNER) == 0 &&
            prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
            (void)execv(argv[0], argv);
        _exit(127);
    }
    rig_wait_listening(socket_path);
    return pid;
}

static void
run(const char *step, BangerOperation *operation, int code)
{
    BangerRequest request = {0};
    BangerReply reply = {0};
    g_autoptr(GError) error = NULL;
    pid_t pid = start_vmm();
    bool done;

    step_to_reuse_at = step;
    passes = 0;
    reused = 0;
    banger_process_test_hook = give_pid_away;
    request.signal_process.pid = (uint32_t)pid; /* where kill_process has its pid too */
    if (operation == banger_op_signal_process)
        request.signal_process.signal = SIGKILL;
    done = operation(&settings, &request, &reply, &error);
    banger_process_test_hook = NULL;
    ck_assert_uint_eq(reused, code < 0 ? 0 : 1);
    if (code < 0) {
        ck_assert_msg(done, "%s", error != NULL ? error->message : "");
    } else {
        ck_assert(!done);
        ck_assert_msg(g_error_matches(error, BANGER_ERROR, code), "%s", error->message);
        ck_assert_msg(waitpid(pid, NULL, WNOHANG) == 0, "the bystander was hit");
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(between_open_and_look)
{
    run("opened", banger_op_kill_process, BANGER_ERROR_NOT_FOUND);
    run("opened", banger_op_signal_process, BANGER_ERROR_NOT_FOUND);
}
END_TEST

START_TEST(between_check_and_signal)
{
    run("checked", banger_op_kill_process, BANGER_ERROR_NOT_FOUND);
    run("checked", banger_op_signal_process, BANGER_ERROR_NOT_FOUND);
}
END_TEST

/* A VMM that takes no SIGTERM, and ends by itself just before it is killed: it is stopped. */
START_TEST(ended_before_it_is_killed)
{
    BangerRequest request = {.stop_machine = {.vm_id = (char *)"reuse"}};
    BangerReply reply = {0};
    g_autoptr(GError) error = NULL;
    pid_t pid = start_vmm();
    int status;
    bool done;

    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
    ck_assert(WIFSTOPPED(status));
    step_to_reuse_at = "checked";
    passes = 1;
    reused = 0;
    banger_process_test_hook = give_pid_away;
    done = banger_op_stop_machine(&settings, &request, &reply, &error);
    banger_process_test_hook = NULL;
    ck_assert_msg(done, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(reply.stop_machine.how, "term");
    ck_assert_uint_eq(reused, 1);
    g_free(reply.stop_machine.how);
    ck_assert_msg(waitpid(pid, NULL, WNOHANG) == 0, "the bystander was hit");
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

/* That the same without reuse succeeds: or the above would prove nothing. */
START_TEST(without_reuse)
{
    run("never", banger_op_kill_process, -1);
    run("never", banger_op_signal_process, -1);
}
END_TEST

static void
set_up_host(void)
{
    machine_install_double(MACHINE_BINARY, 0, 0755);
}

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/process-reuse", argv, NULL);
    suite = suite_create("process-reuse");
    tcase = tcase_create("process-reuse");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, set_up_host, NULL);
    tcase_add_test(tcase, between_open_and_look);
    tcase_add_test(tcase, between_check_and_signal);
    tcase_add_test(tcase, ended_before_it_is_killed);
    tcase_add_test(tcase, without_reuse);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/process-reuse", suite);
}
