/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A manager that reads its configuration again, or executes itself anew, between two launches: the
 * helper keeps its connections to it.
 */

#include "bus/objects/objects-client.h"
#include "bus/vmm/machine-fixture.h"
#include "container/jail-fixture.h"
#include "util/settings.h"

static const char *const commands[] = {"systemctl daemon-reload", "systemctl daemon-reexec"};

/* The process that has the helper's name. */
static pid_t
helper_pid(void)
{
    sd_bus_creds *creds = NULL;
    pid_t pid = 0;

    ck_assert_int_ge(sd_bus_get_name_creds(machine_bus, BANGER_BUS_NAME, SD_BUS_CREDS_PID, &creds),
                     0);
    ck_assert_int_ge(sd_bus_creds_get_pid(creds, &pid), 0);
    sd_bus_creds_unref(creds);
    return pid;
}

/*
 * What ran before is still there and reported when it ends; what is launched after is under the new
 * manager as the first was under the old one.
 */
START_TEST(launched_before_and_after)
{
    ObjectSignals *signals = objects_signals_new(machine_bus);
    pid_t helper, before, after;

    objects_subscribe(machine_bus);
    before = jail_launch("before");
    helper = helper_pid();
    jail_run(commands[_i]);
    after = jail_launch("after");
    ck_assert_int_eq(helper_pid(), helper);
    objects_assert(machine_bus, BANGER_OBJECT_PATH "/machines/before", OBJECT_MACHINE, "State",
                   "running");
    objects_assert(machine_bus, BANGER_OBJECT_PATH "/machines/after", OBJECT_MACHINE, "State",
                   "running");
    jail_end("before", before);
    jail_end("after", after);
    objects_signals_wait(signals, "MachineExited before signal 9");
    objects_signals_wait(signals, "MachineExited after signal 9");
    objects_unsubscribe(machine_bus);
    objects_signals_free(signals);
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const names[] = {"before", "after", NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("container/manager", argv, NULL);
    suite = suite_create("manager");
    tcase = machine_add_tcase(suite, "manager", names, NULL, NULL);
    tcase_add_loop_test(tcase, launched_before_and_after, 0, (int)G_N_ELEMENTS(commands));
    return harness_run("container/manager", suite);
}
