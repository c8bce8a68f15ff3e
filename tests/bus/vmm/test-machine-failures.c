/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LaunchFirecracker fails at each step, and leaves nothing. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "util/settings.h"

/*
 * A VMM that goes wrong at each step of a launch: the caller learns why, within bounds, and the
 * host is as it was.
 */

static const char *const steps[] = {
    "start",           "bind",         "/logger",        "/metrics",
    "/machine-config", "/boot-source", "/drives/rootfs", "/network-interfaces/eth0",
    "/vsock",          "/actions",
};

#define FIRST_REQUEST 2 /* in @steps */

static Machine *machine;

static void
set_up(void)
{
    machine = machine_new("fails");
}

static void
tear_down(void)
{
    machine_order("fails", NULL);
    machine_free(machine);
}

static void
launch_fails(const char *orders, const char *name, const char *words)
{
    machine_order("fails", orders);
    machine_launch_fails(machine_bus, machine, name, words);
}

/* Kills a launch that was to succeed, and removes what it leaves to its owner. */
static void
end_machine(pid_t pid)
{
    rig_call_ok(machine_bus, "KillProcess", "us", (uint32_t)pid, "");
    (void)unlink(MACHINE_STATE "fails.log");
    (void)unlink(MACHINE_STATE "fails.metrics");
    (void)unlink(MACHINE_RUN "fails.sock");
    (void)unlink(MACHINE_RUN "fails.vsock");
}

START_TEST(refuses)
{
    for (size_t i = FIRST_REQUEST; i < G_N_ELEMENTS(steps); i++) {
        g_autofree char *orders = g_strdup_printf("refuse %s I will \"not\" do it", steps[i]);
        g_autofree char *words =
            g_strdup_printf("PUT %s was refused with status 400: I will \"not\" do it", steps[i]);

        launch_fails(orders, "OperationFailed", words);
    }
    /* That its arguments are not in the message is what every failure is looked at for. */
    launch_fails("refuse /boot-source what is token=s3cret", "OperationFailed",
                 "PUT /boot-source was refused, with a text that shows kernel arguments");
    launch_fails("refuse /boot-source s3cret", "OperationFailed", "PUT /boot-source was refused");
    launch_fails("say start quoted s3cret\nsay start shown\nexit start 1", "OperationFailed",
                 machine_has_systemd() ? "exited with status 1" : "last in its log: shown");
}
END_TEST

START_TEST(exits)
{
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autofree char *orders =
            g_strdup_printf("say %s these are my last words\nexit %s 41", steps[i], steps[i]);

        launch_fails(orders, "OperationFailed", "exited with status 41");
        /* Standard error is in the log where no journal takes it. */
        launch_fails(orders, "OperationFailed",
                     machine_has_systemd() ? "journal" : "these are my last words");
    }
}
END_TEST

/* A connection that is closed comes before the end of a process, which may take a moment. */
START_TEST(ends_after_it_closed)
{
    launch_fails("fade /logger 41", "OperationFailed", "exited with status 41");
    launch_fails("fade /actions 41", "OperationFailed", "exited with status 41");
}
END_TEST

START_TEST(crashes)
{
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autofree char *orders = g_strdup_printf("crash %s", steps[i]);

        launch_fails(orders, "OperationFailed", "was killed by signal 11");
    }
}
END_TEST

START_TEST(answers_badly)
{
    static const char *const ways[] = {"close", "garbage", "flood", "forge"};

    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree char *first = g_strdup_printf("%s /logger", ways[i]);
        g_autofree char *last = g_strdup_printf("%s /actions", ways[i]);

        launch_fails(first, "OperationFailed", "PUT /logger");
        launch_fails(last, "OperationFailed", "PUT /actions");
    }
}
END_TEST

/* A child of the VMM's, in its session, ends with it. */
START_TEST(leaves_a_child)
{
    launch_fails("fork /vsock\nrefuse /actions no", "OperationFailed", "no");
    launch_fails("fork /vsock\nexit /actions 3", "OperationFailed", "exited with status 3");
}
END_TEST

/* What is open when the guest is to start is what was checked, and nothing else. */
START_TEST(opens_another_file)
{
    machine_write(MACHINE_STATE "another", "another");
    if (machine_has_systemd()) {
        g_autofree char *path = NULL;
        pid_t pid;

        /* In a jail there is no other file. */
        machine_order("fails", "open /vsock " MACHINE_STATE "another");
        pid = machine_launch(machine_bus, machine);
        path = g_strdup_printf("/proc/%d/root" MACHINE_STATE, pid);
        ck_assert_int_eq(access(path, F_OK), 0);
        g_clear_pointer(&path, g_free);
        path = g_strdup_printf("/proc/%d/root" MACHINE_STATE "another", pid);
        ck_assert_int_ne(access(path, F_OK), 0);
        end_machine(pid);
    } else {
        launch_fails("open /vsock " MACHINE_STATE "another", "NotManaged", "opened other files");
    }
    (void)unlink(MACHINE_STATE "another");
}
END_TEST

/* A path that was checked leads elsewhere by the time the VMM opens it. */
START_TEST(path_is_exchanged)
{
    static const char *const exchanged[][2] = {
        {"/drives/rootfs", MACHINE_STATE "exchanged"},
        {"/boot-source", MACHINE_STATE "kernel"},
        {"/metrics", MACHINE_STATE "fails.metrics"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(exchanged); i++) {
        g_autofree char *orders = g_strdup_printf("replace %s %s " MACHINE_STATE "another",
                                                  exchanged[i][0], exchanged[i][1]);

        machine_write(MACHINE_STATE "exchanged", "the drive");
        machine_write(MACHINE_STATE "another", "not the owner's, say");
        g_array_set_size(machine->drives, 0);
        machine_add_drive(machine, "rootfs", MACHINE_STATE "exchanged", false, true);
        machine_order("fails", orders);
        if (g_str_equal(exchanged[i][0], "/metrics"))
            machine_write(MACHINE_STATE "fails.metrics", "");
        /* In a jail the VMM can exchange nothing: what is bound there stays. */
        if (machine_has_systemd())
            end_machine(machine_launch(machine_bus, machine));
        else
            machine_launch_fails(machine_bus, machine, "NotManaged", "opened other files");
        machine_write(MACHINE_STATE "kernel", "kernel");
    }
    (void)unlink(MACHINE_STATE "exchanged");
    (void)unlink(MACHINE_STATE "another");
    (void)unlink(MACHINE_STATE "fails.metrics");
}
END_TEST

START_TEST(keeps_what_was_there)
{
    g_autofree char *log = NULL;

    machine_write(MACHINE_STATE "fails.log", "an older boot_args line\nan older line\n");
    machine_write(MACHINE_STATE "fails.metrics", "");
    launch_fails("say start boot_args=s3cret\nsay start new words\nexit start 1", "OperationFailed",
                 machine_has_systemd() ? "exited with status 1" : "last in its log: new words");
    ck_assert(g_file_get_contents(MACHINE_STATE "fails.log", &log, NULL, NULL));
    ck_assert(g_str_has_prefix(log, "an older boot_args line\nan older line\n"));
    (void)unlink(MACHINE_STATE "fails.log");
    (void)unlink(MACHINE_STATE "fails.metrics");
}
END_TEST

START_TEST(binary_ends_at_once)
{
    static const char *const programs[][3] = {
        {"/bin/false", MACHINE_BINARY "-false", "exited with status 1"},
        {"/bin/true", MACHINE_BINARY "-true", "exited with status 0"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *content = NULL;
        gsize length;

        ck_assert(g_file_get_contents(programs[i][0], &content, &length, NULL));
        ck_assert(g_file_set_contents_full(programs[i][1], content, (gssize)length,
                                           G_FILE_SET_CONTENTS_NONE, 0755, NULL));
        machine_set(machine, "binary_path", programs[i][1]);
        launch_fails("", "OperationFailed", programs[i][2]);
        (void)unlink(programs[i][1]);
    }
}
END_TEST

START_TEST(binary_cannot_run)
{
    static const char path[] = "/usr/local/bin/firecracker-broken";

    ck_assert(g_file_set_contents(path,
                                  "\x7f"
                                  "ELF no program",
                                  -1, NULL));
    ck_assert_int_eq(chmod(path, 0755), 0);
    machine_set(machine, "binary_path", path);
    launch_fails("", "OperationFailed",
                 machine_has_systemd() ? "systemd's status 203" : "Exec format error");
    (void)unlink(path);
}
END_TEST

/* A script is no VMM, whatever its name is. */
START_TEST(binary_is_a_script)
{
    static const char path[] = "/usr/local/bin/firecracker-script";

    ck_assert(g_file_set_contents(path, "#!/bin/sh\nexec sleep 60\n", -1, NULL));
    ck_assert_int_eq(chmod(path, 0755), 0);
    machine_set(machine, "binary_path", path);
    launch_fails("", "NotManaged", "is not an ELF program");
    (void)unlink(path);
}
END_TEST

/* firecracker's own exit codes are explained. */
START_TEST(exit_codes)
{
    launch_fails("exit /actions 148", "OperationFailed",
                 "exited with status 148 (it made a system call that its filter does not allow)");
    launch_fails("exit /actions 152", "OperationFailed",
                 "exited with status 152 (it does not accept its configuration)");
}
END_TEST

typedef struct {
    sd_bus_error error;
    bool done;
} Answer;

static int
on_answer(sd_bus_message *reply, void *user_data, sd_bus_error *error)
{
    Answer *answer = user_data;

    (void)error;
    (void)sd_bus_error_copy(&answer->error, sd_bus_message_get_error(reply));
    answer->done = true;
    return 0;
}

/*
 * All at once, since each takes as long as the limit: ten machines, each hanging at another step.
 */
START_TEST(hangs)
{
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    Answer answers[G_N_ELEMENTS(steps)] = {0};
    gint64 begin = g_get_monotonic_time();
    size_t n_done = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autofree char *name = g_strdup_printf("hang%zu", i);
        g_autofree char *orders = g_strdup_printf("hang %s", steps[i]);
        g_autofree char *image = g_strconcat(MACHINE_STATE, name, NULL);

        machine_order(name, orders);
        machine_write(image, "");
    }
    before = machine_host_state();
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autofree char *name = g_strdup_printf("hang%zu", i);
        g_autofree char *image = g_strconcat(MACHINE_STATE, name, NULL);
        Machine *hanging = machine_new(name);
        sd_bus_message *message;

        /* Launches that share an image run one after the other. */
        g_array_set_size(hanging->drives, 0);
        machine_add_drive(hanging, "rootfs", image, false, true);
        message = machine_message(machine_bus, hanging, "");
        ck_assert_int_ge(sd_bus_call_async(machine_bus, NULL, message, on_answer, &answers[i],
                                           (uint64_t)rig_timeout_usec()),
                         0);
        sd_bus_message_unref(message);
        machine_free(hanging);
    }
    while (n_done < G_N_ELEMENTS(steps)) {
        int r = sd_bus_process(machine_bus, NULL);

        ck_assert_int_ge(r, 0);
        if (r == 0)
            ck_assert_int_ge(sd_bus_wait(machine_bus, G_USEC_PER_SEC), 0);
        ck_assert_int_lt(g_get_monotonic_time() - begin, rig_timeout_usec() * 24 / 30);
        n_done = 0;
        for (size_t i = 0; i < G_N_ELEMENTS(steps); i++)
            n_done += answers[i].done;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        ck_assert_msg(g_strcmp0(answers[i].error.name, "org.banger.Helper1.Error.Timeout") == 0,
                      "hang at %s: %s: %s", steps[i], answers[i].error.name,
                      answers[i].error.message);
        ck_assert_ptr_nonnull(
            strstr(answers[i].error.message, i < FIRST_REQUEST ? "did not listen at" : steps[i]));
        sd_bus_error_free(&answers[i].error);
    }
    after = machine_host_state();
    ck_assert_str_eq(after, before);
}
END_TEST

static TCase *
new_tcase(Suite *suite, const char *name)
{
    static const char *const names[] = {"fails", "hang0", "hang1", "hang2", "hang3", "hang4",
                                        "hang5", "hang6", "hang7", "hang8", "hang9", NULL};

    return machine_add_tcase(suite, name, names, set_up, tear_down);
}

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/machine-failures", argv, NULL);
    suite = suite_create("machine-failures");
    tcase = new_tcase(suite, "steps"); /* each fails at every step of the API */
    tcase_add_test(tcase, refuses);
    tcase_add_test(tcase, exits);
    tcase_add_test(tcase, ends_after_it_closed);
    tcase_add_test(tcase, crashes);
    tcase_add_test(tcase, answers_badly);
    tcase_add_test(tcase, hangs);
    tcase = new_tcase(suite, "processes"); /* the VM tier runs this one */
    tcase_add_test(tcase, leaves_a_child);
    tcase_add_test(tcase, opens_another_file);
    tcase_add_test(tcase, path_is_exchanged);
    tcase_add_test(tcase, keeps_what_was_there);
    tcase_add_test(tcase, binary_ends_at_once);
    tcase_add_test(tcase, binary_cannot_run);
    tcase_add_test(tcase, binary_is_a_script);
    tcase_add_test(tcase, exit_codes);
    return harness_run("bus/machine-failures", suite);
}
