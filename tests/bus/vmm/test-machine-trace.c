/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LaunchFirecracker executes the VMM, and nothing else. */
#include <string.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "util/settings.h"

/* What the helper executes, as strace(1) sees it: the VMM, and nothing else. */

#define STRACE "/usr/bin/strace"
#define TRACE "/run/execve.trace"

static sd_bus *bus;

static void
set_up(void)
{
    static const char *const names[] = {"traced", NULL};

    if (access(STRACE, X_OK) < 0)
        return; /* and no helper can be started */
    machine_set_up(names);
    bus = rig_bus_open(RIG_UID_OWNER);
}

static void
tear_down(void)
{
    sd_bus_flush_close_unref(bus);
}

START_TEST(executes_the_vmm_alone)
{
    Machine *machine = machine_new("traced");
    g_autofree char *trace = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned int vmms = 0;
    pid_t pid;

    if (access(STRACE, X_OK) < 0) {
        machine_free(machine);
        harness_skip("no strace");
        return;
    }
    pid = machine_launch(bus, machine);
    rig_call_ok(bus, "EnsureSocketAccess", "sss", MACHINE_RUN "traced.sock", "", "");
    rig_call_ok(bus, "FindFirecrackerPID", "ss", MACHINE_RUN "traced.sock", "");
    rig_call_ok(bus, "ResolveFirecrackerBinary", "ss", "", "");
    rig_call_ok(bus, "SignalProcess", "uss", (uint32_t)pid, "CONT", "");
    rig_call_ok(bus, "ProcessRunning", "uss", (uint32_t)pid, "", "");
    rig_call_ok(bus, "KillProcess", "us", (uint32_t)pid, "");
    (void)unlink(MACHINE_RUN "traced.sock");
    (void)unlink(MACHINE_RUN "traced.vsock");
    machine_order("traced", "exit /logger 1");
    machine_launch_fails(bus, machine, "OperationFailed", "exited with status 1");
    machine_order("traced", NULL);

    ck_assert(g_file_get_contents(TRACE, &trace, NULL, NULL));
    lines = g_strsplit(trace, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        if (strstr(*line, "exec") == NULL || strstr(*line, "/banger-helperd\"") != NULL)
            continue;
        ck_assert_msg(strstr(*line, "execve(\"" MACHINE_BINARY "\"") != NULL, "%s", *line);
        vmms++;
    }
    ck_assert_uint_eq(vmms, 2);
    machine_free(machine);
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const options[] = {
        "--wrap", STRACE " -f -qq -e trace=execve,execveat -e signal=none -o " TRACE, NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/machine-trace", argv, options);
    suite = suite_create("machine-trace");
    tcase = tcase_create("machine-trace");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, executes_the_vmm_alone);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/machine-trace", suite);
}
