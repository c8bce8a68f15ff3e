/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What of bangerctl takes a systemd: the timer that writes metrics, the journal, and the bus of a
 * container by --machine. The container is namespaces with a record like systemd-machined's, which
 * is all that sd-bus reads of that.
 */
#include "bus/bangerctl/bangerctl-fixture.h"

#define AS_NOBODY "setpriv --reuid 65534 --regid 65534 --clear-groups "
#define METRICS METRICS_DIR "/banger.prom"
#define RECORD "/run/systemd/machines/inner"

static bool
is_written(void *data)
{
    (void)data;
    return g_file_test(METRICS, G_FILE_TEST_EXISTS);
}

/* Off until it is enabled, and without a directory nothing is written. */
START_TEST(metrics_timer)
{
    bangerctl_check("systemctl is-enabled banger-helper-metrics.timer", 1, "disabled");
    bangerctl_check("rm -rf " METRICS_DIR "; systemctl start banger-helper-metrics.service && test "
                    "! -e " METRICS_DIR,
                    0, "");
    /* As docs/many-hosts.md says it. */
    bangerctl_check("mkdir -p " METRICS_DIR " && systemctl enable --now "
                    "banger-helper-metrics.timer",
                    0, "");
    rig_wait_for(is_written, NULL, METRICS);
    /* Waits until the run that the timer began is over. */
    bangerctl_check("systemctl start banger-helper-metrics.service", 0, "");
    bangerctl_check("stat -c %U:%a " METRICS, 0, "root:644\n");
    bangerctl_check("cat " METRICS, 0, "banger_machines{state=\"running\"} 0\n");
    bangerctl_check("tail -n 1 " METRICS, 0, "# EOF\n");
    bangerctl_check("systemctl show --property Result banger-helper-metrics.service", 0,
                    "Result=success\n");
    bangerctl_check("systemctl show --property NextElapseUSecMonotonic banger-helper-metrics.timer "
                    "| grep -v infinity",
                    0, "NextElapse");
    bangerctl_check("systemctl disable --now banger-helper-metrics.timer", 0, "");
}
END_TEST

/* Where the bus cannot be reached but by the container's namespaces. */
#define OUTSIDE "unshare --mount sh -c 'mount -t tmpfs tmpfs /run/dbus && \"$@\"' - "

START_TEST(by_machine)
{
    bangerctl_check("systemd-run --quiet --unit=inner --property=PrivateMounts=yes sleep infinity",
                    0, "");
    bangerctl_check("mkdir -p /run/systemd/machines && printf 'NAME=inner\\nCLASS=container\\n"
                    "LEADER=%s\\n' $(systemctl show --value --property MainPID inner) >" RECORD,
                    0, "");
    bangerctl_check(OUTSIDE "bangerctl list", 1, "bangerctl: ");
    bangerctl_check(OUTSIDE "bangerctl -M inner list", 0, "0 listed.");
    bangerctl_check(OUTSIDE "bangerctl -M inner call EnsureBridge bridge_name=br-fc "
                            "bridge_ip=172.16.0.1 cidr=24",
                    0, "");
    bangerctl_check(OUTSIDE "bangerctl -M inner --no-legend bridges", 0, "br-fc 172.16.0.1/24");
    bangerctl_check(
        "bangerctl call DeleteBridge bridge_name=br-fc; systemctl stop inner; rm " RECORD, 0, "");
    bangerctl_check("bangerctl -M inner list", 1, "bangerctl: ");
}
END_TEST

/* Without a line, and for who may not read them, the console says so. */
START_TEST(no_console)
{
    bangerctl_check("bangerctl console none", 0, "no line of the console of none");
    bangerctl_check(AS_NOBODY "bangerctl console none", 0,
                    "only root and the group systemd-journal");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("container/bangerctl", argv, NULL);
    suite = suite_create("bangerctl");
    tcase = tcase_create("bangerctl");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, metrics_timer);
    tcase_add_test(tcase, by_machine);
    tcase_add_test(tcase, no_console);
    suite_add_tcase(suite, tcase);
    return harness_run("container/bangerctl", suite);
}
