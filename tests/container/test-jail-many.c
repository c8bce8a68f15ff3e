/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A launch in a jail beside what is there of other VMs under a real systemd: it looks at no more of
 * it than it has to, and overlooks nothing.
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "container/jail-fixture.h"
#include "lib/harness.h"
#include "rig/rig-steps.h"
#include "util/settings.h"

#define MANY 80 /* directories: more than a launch sweeps each time */

/* A VMM, and what has only the arguments of one. */
static const char *const vmm[] = {
    MACHINE_BINARY, "--api-sock", MACHINE_RUN "outside.sock", "--id", "victim", NULL,
};
static const char *const liar[] = {
    "/bin/bash", "-c", "kill -STOP $$", "x", "--api-sock", MACHINE_RUN "outside.sock", "--id",
    "victim",    NULL,
};

/* Of one name there is one VM, be it in a unit or not; who only says that it is one is none. */
START_TEST(one_of_a_name)
{
    Machine *machine = machine_new("victim");
    pid_t strangers = machine_start_program(RIG_UID_STRANGER, liar);
    pid_t pid = jail_launch("victim");
    pid_t owners;

    machine_launch_fails(machine_bus, machine, "AlreadyExists", "runs already");
    jail_end("victim", pid);
    owners = machine_start_program(RIG_UID_OWNER, vmm);
    machine_launch_fails(machine_bus, machine, "AlreadyExists", "runs already");
    machine_end(owners);
    (void)unlink(MACHINE_RUN "outside.sock");
    pid = jail_launch("victim");
    jail_end("victim", pid);
    machine_end(strangers);
    machine_free(machine);
}
END_TEST

static char *
name_directory(unsigned int number)
{
    return g_strdup_printf(MACHINE_RUN ".vm/left%u", number);
}

static void
make_old_directory(unsigned int number)
{
    const struct timespec old[] = {{1, 0}, {1, 0}};
    g_autofree char *path = name_directory(number);

    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
}

/* How many of the directories are there. */
static unsigned int
count_directories(void)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i <= MANY; i++) {
        g_autofree char *path = name_directory(i);

        n += access(path, F_OK) == 0 ? 1 : 0;
    }
    return n;
}

static void
launch_once(void)
{
    jail_end("victim", jail_launch("victim"));
}

/* Where there are many directories, not every launch looks at all of them; a later one does. */
START_TEST(sweeps_many_at_times)
{
    launch_once();
    for (unsigned int i = 0; i < MANY; i++)
        make_old_directory(i);
    launch_once();
    ck_assert_uint_eq(count_directories(), 0);
    make_old_directory(MANY);
    launch_once();
    ck_assert_uint_eq(count_directories(), 1);
    /* A new helper looks at once. */
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    launch_once();
    ck_assert_uint_eq(count_directories(), 0);
}
END_TEST

#ifdef BANGER_TEST_HOOKS
#define OWN MACHINE_RUN ".vm/victim"

static bool
is_made(void *data)
{
    (void)data;
    return rig_steps_was_done("jail-made");
}

/*
 * A launch that made its directory, and has no unit yet, keeps it while another one sweeps, however
 * long ago that was by the clock, which may have been set meanwhile.
 */
START_TEST(sweeps_none_of_a_launch)
{
    const struct timespec old[] = {{1, 0}, {1, 0}};
    Machine *machine = machine_new("victim");
    RigPending *pending;

    g_array_set_size(machine->drives, 0);
    machine_add_drive(machine, "rootfs", MACHINE_STATE "rootfs", true, true);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    rig_steps_order("wait", "jail-made");
    pending = rig_call_start(machine_bus, machine_message(machine_bus, machine, ""));
    rig_wait_for(is_made, NULL, "the directory of the launch");
    ck_assert_int_eq(utimensat(AT_FDCWD, OWN, old, 0), 0);
    rig_steps_order("wait", "no step"); /* that one goes on waiting, and others do not */
    jail_end("other", jail_launch("other"));
    ck_assert_int_eq(access(OWN, F_OK), 0);
    rig_steps_no_order();
    rig_pending_wait(machine_bus, pending);
    ck_assert_msg(pending->error_name == NULL, "%s", pending->error_message);
    rig_pending_free(pending);
    jail_end("victim", (pid_t)machine_find(machine_bus, MACHINE_RUN "victim.sock"));
    rig_steps_end();
    machine_free(machine);
}
END_TEST
#else
START_TEST(sweeps_none_of_a_launch)
{
    harness_skip("built without --enable-test-hooks");
}
END_TEST
#endif

int
main(int argc, char **argv)
{
    static const char *const names[] = {"victim", "other", NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("container/jail-many", argv, NULL);
    suite = suite_create("jail-many");
    tcase = machine_add_tcase(suite, "jail-many", names, NULL, NULL);
    tcase_add_test(tcase, one_of_a_name);
    tcase_add_test(tcase, sweeps_many_at_times);
    tcase_add_test(tcase, sweeps_none_of_a_launch);
    return harness_run("container/jail-many", suite);
}
