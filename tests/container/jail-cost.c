/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Not a test: what the jail adds to a launch (tools/bench --jail). Launches of a machine with the
 * jail and with Jail=no, in turn, beside 0, 99 and 399 other machines.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bus/vmm/machine-fixture.h"
#include "util/settings.h"

#define MACHINES 400
#define BLOCKS 8   /* of each kind, in turn */
#define LAUNCHES 3 /* in a block, and one before that is not counted */
#define COST_MAX_MS 20.0

static sd_bus *bus;
static char *names[MACHINES + 1];

static Machine *
new_machine(unsigned int i)
{
    Machine *machine = machine_new(names[i]);

    g_array_set_size(machine->drives, 0);
    machine_add_drive(machine, "rootfs", MACHINE_STATE "rootfs", true, true);
    return machine;
}

/*
 * Launches the first machine and ends it again. Returns how long the launch took, in milliseconds.
 */
static double
time_launch(void)
{
    Machine *machine = new_machine(0);
    gint64 begin_usec;
    double took_ms;
    pid_t pid;

    machine_add_drive(machine, "data", MACHINE_STATE "data", false, false);
    begin_usec = g_get_monotonic_time();
    pid = machine_launch(bus, machine);
    took_ms = (double)(g_get_monotonic_time() - begin_usec) / 1000;
    rig_call_ok(bus, "KillProcess", "us", (uint32_t)pid, "");
    rig_wait_for(machine_has_no_unit, names[0], "systemd to notice the end");
    machine_free(machine);
    return took_ms;
}

/* Has the next call start a helper with the jail, or without. */
static void
use_jail(bool jailed)
{
    ck_assert(g_file_set_contents("/etc/banger/helper.conf",
                                  jailed ? "[VMM]\nJail=yes\n" : "[VMM]\nJail=no\n", -1, NULL));
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
}

static int
compare(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(GArray *times)
{
    g_array_sort(times, compare);
    return g_array_index(times, double, times->len / 2);
}

/* Says what a launch costs beside @others machines. */
static double
compare_launches(unsigned int others)
{
    g_autoptr(GArray) with = g_array_new(FALSE, FALSE, sizeof(double));
    g_autoptr(GArray) without = g_array_new(FALSE, FALSE, sizeof(double));
    double cost;

    for (unsigned int block = 0; block < 2 * BLOCKS; block++) {
        bool jailed = block % 2 == 0;

        use_jail(jailed);
        (void)time_launch();
        for (unsigned int i = 0; i < LAUNCHES; i++) {
            double took_ms = time_launch();

            g_array_append_val(jailed ? with : without, took_ms);
        }
    }
    cost = median(with) - median(without);
    (void)printf("jail: beside %u machines: %.1f ms with, %.1f ms without: %.1f ms\n", others,
                 median(with), median(without), cost);
    (void)fflush(stdout);
    return cost;
}

START_TEST(cost)
{
    static const unsigned int counts[] = {1, 100, MACHINES};
    unsigned int running = 1;
    double most = 0;
    double added_msec;

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        use_jail(true);
        for (; running < counts[i]; running++) {
            Machine *machine = new_machine(running);

            (void)machine_launch(bus, machine);
            machine_free(machine);
        }
        added_msec = compare_launches(running - 1);
        most = MAX(most, added_msec); /* a macro that names its arguments twice */
    }
    ck_assert_msg(most <= COST_MAX_MS, "the jail costs %.1f ms, more than %.0f", most, COST_MAX_MS);
}
END_TEST

static void
set_up(void)
{
    for (unsigned int i = 0; i < MACHINES; i++)
        names[i] = g_strdup_printf("m%u", i);
    machine_set_up((const char *const *)names);
    bus = rig_bus_open(RIG_UID_OWNER);
}

static void
tear_down(void)
{
    sd_bus_flush_close_unref(bus);
    for (unsigned int i = 0; i < MACHINES; i++)
        g_free(names[i]);
}

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("container/jail-cost", argv, NULL);
    suite = suite_create("jail-cost");
    tcase = tcase_create("jail-cost");
    tcase_set_timeout(tcase, 0);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, cost);
    suite_add_tcase(suite, tcase);
    return harness_run("container/jail-cost", suite);
}
