/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/machine-rig.h"
#include "model/settings.h"

/* VMMs that run as root ([Firecracker] User=root): what they make is the owner's all the same. */

static sd_bus *bus;

static void
set_up_host(void)
{
    static const char *const names[] = {"rooted", NULL};

    machine_rig_set_up(names);
}

static void
set_up(void)
{
    bus = rig_bus_open(RIG_UID_OWNER);
}

static void
tear_down(void)
{
    sd_bus_flush_close_unref(bus);
}

START_TEST(launch)
{
    static const char *const sockets[] = {MACHINE_RUN "rooted.sock", MACHINE_RUN "rooted.vsock"};
    Machine *machine = machine_new("rooted");
    pid_t pid = machine_launch(bus, machine);
    g_autofree char *uids = machine_proc_status(pid, "Uid");
    struct stat st;

    ck_assert_str_eq(uids, "0\t0\t0\t0");
    for (size_t i = 0; i < G_N_ELEMENTS(sockets); i++) {
        ck_assert_int_eq(stat(sockets[i], &st), 0);
        ck_assert_uint_eq(st.st_uid, RIG_UID_OWNER);
        ck_assert_uint_eq(st.st_gid, RIG_UID_OWNER);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
    }
    ck_assert_int_eq(stat(MACHINE_STATE "rooted.log", &st), 0);
    ck_assert_uint_eq(st.st_uid, 0);
    ck_assert_uint_eq(st.st_gid, RIG_UID_OWNER); /* who may read it */
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    machine_launch_fails(bus, machine, "AlreadyExists", NULL);
    rig_call_ok(bus, "KillProcess", "us", (uint32_t)pid, "");
    machine_free(machine);
}
END_TEST

/* What stands between the owner and every file of the host then. */
START_TEST(path_is_exchanged)
{
    Machine *machine = machine_new("rooted");

    (void)unlink(MACHINE_STATE "rooted.log");
    (void)unlink(MACHINE_STATE "rooted.metrics");
    (void)unlink(MACHINE_RUN "rooted.sock");
    (void)unlink(MACHINE_RUN "rooted.vsock");
    machine_order("rooted", "replace /drives/rootfs " MACHINE_STATE "rootfs /etc/passwd");
    machine_launch_fails(bus, machine, "NotManaged", "opened other files");
    machine_order("rooted", NULL);
    machine_free(machine);
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const options[] = {"--config", MACHINE_ROOT_CONF, NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/machine-root", argv, options);
    suite = suite_create("machine-root");
    tcase = tcase_create("machine-root");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, set_up_host, NULL);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, launch);
    tcase_add_test(tcase, path_is_exchanged);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/machine-root", suite);
}
