/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * bangerctl on machines, with the double of firecracker: list, status, show, kill, stop, and the
 * text of metrics, which promtool checks.
 */
#include <string.h>

#include "bus/bangerctl/bangerctl-fixture.h"
#include "bus/vmm/machine-fixture.h"

static const char *const names[] = {"one", "two", NULL};

/* What LaunchFirecracker needs, as arguments of bangerctl call. */
static char *
launch_command(const char *name)
{
    return g_strdup_printf(
        BANGERCTL "call LaunchFirecracker binary_path=" MACHINE_BINARY
                  " vm_id=%s socket_path=" MACHINE_RUN "%s.sock log_path=" MACHINE_STATE
                  "%s.log metrics_path=" MACHINE_STATE "%s.metrics kernel_image_path=" MACHINE_STATE
                  "kernel kernel_args=console=ttyS0 "
                  "drives='[{\"id\":\"rootfs\",\"path\":\"" MACHINE_STATE
                  "rootfs\",\"read_only\":true,\"is_root\":true}]' "
                  "tap_device=tap-fc-%s vcpu_count=1 memory_mib=128 entropy=true",
        name, name, name, name, name);
}

static void
launch_both(void)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        g_autofree char *command = launch_command(names[i]);

        bangerctl_check(command, 0, "pid=");
    }
}

START_TEST(life)
{
    launch_both();
    bangerctl_check(BANGERCTL "list", 0, "ID  STATE   LEADER GUESTIPS ");
    bangerctl_check(BANGERCTL "list", 0, "2 listed.");
    bangerctl_check(AS_STRANGER BANGERCTL "--no-legend list", 0, "one running ");
    bangerctl_check(BANGERCTL "status one", 0, "       State: running\n");
    bangerctl_check(AS_STRANGER BANGERCTL "status one", 0,
                    "\n\nIts journal has no line that you may read");
    bangerctl_check(BANGERCTL "--json status one", 0, "\"State\":\"running\"");
    bangerctl_check(BANGERCTL "show two", 0, "State=running\n");
    bangerctl_check(BANGERCTL "show two -p State", 0, "running\n");
    bangerctl_check(BANGERCTL "show two -p Frob", 2, "a machine has no property Frob");
    bangerctl_check(BANGERCTL "status", 0, "    Machines: 2\n");
    bangerctl_check(AS_STRANGER BANGERCTL "kill one", 3, "polkit refused it");
    bangerctl_check(AS_STRANGER BANGERCTL "stop one", 3, "polkit refused it");
    bangerctl_check(BANGERCTL "kill one --signal FROB", 1, "signal: ");
    bangerctl_check(AS_MEMBER BANGERCTL "kill one", 0, "");
    bangerctl_check("until " BANGERCTL "show one; test $? = 4; do sleep 0.1; done", 0, "");
    bangerctl_check(BANGERCTL "stop two --timeout 0", 0,
                    "two did not shut down by itself and was ");
    bangerctl_check(BANGERCTL "list", 0, "0 listed.");
}
END_TEST

#define REMOTE "/lib/systemd/systemd-journal-remote"

#define LINE_OF_CONSOLE                                                                            \
    "_SYSTEMD_UNIT=banger-vm-one.service\nVM_ID=one\nSYSLOG_IDENTIFIER=banger-console\n"
#define LINE_OF_HELPER                                                                             \
    "MESSAGE_ID=34907bc01c2d4e57a7642bf99db68e78\nOP_ID=op-stop\nVM_ID=one\nMETHOD=StopMachine\n"  \
    "ERROR=the reason\nERROR_NAME=org.banger.Helper1.Error.Busy\nDURATION_USEC=2000000\n"          \
    "DURATION_MS=2000\nPRIORITY=3\nSYSLOG_IDENTIFIER=banger-helperd\n"

/*
 * Lines of the machine "one" before, during and after an operation of it that failed; each with
 * both times and the boot, as every entry of a real journal has them.
 */
static char *
make_journal(void)
{
    static const struct {
        int seconds_ago;
        const char *message;
        const char *fields;
    } entries[] = {
        {9, "earlier", LINE_OF_CONSOLE},
        {6, "meanwhile\033[31m red", LINE_OF_CONSOLE},
        {5, "helper rpc failed", LINE_OF_HELPER},
        {4, "later", LINE_OF_CONSOLE},
    };
    GString *lines = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(entries); i++)
        g_string_append_printf(lines,
                               "__REALTIME_TIMESTAMP=%" G_GINT64_FORMAT
                               "\n__MONOTONIC_TIMESTAMP=%" G_GINT64_FORMAT
                               "\n_BOOT_ID=0b1f6a2c5d3e4f708192a3b4c5d6e7f8\nMESSAGE=%s\n%s\n",
                               g_get_real_time() - entries[i].seconds_ago * G_USEC_PER_SEC,
                               g_get_monotonic_time() - entries[i].seconds_ago * G_USEC_PER_SEC,
                               entries[i].message, entries[i].fields);
    return g_string_free(lines, FALSE);
}

/*
 * What the journal has of a machine and of an operation; the guest's text without what would change
 * the terminal.
 */
START_TEST(journal)
{
    g_autofree char *one = launch_command("one");
    g_autofree char *lines = make_journal();
    g_autofree char *trace = NULL, *console = NULL;

    if (!g_file_test(REMOTE, G_FILE_TEST_EXISTS)) {
        harness_skip("no systemd-journal-remote");
        return;
    }
    ck_assert(g_file_set_contents("/run/export", lines, -1, NULL));
    bangerctl_check("id=$(cat /etc/machine-id) && mkdir -p /run/log/journal/$id && " REMOTE
                    " -o /run/log/journal/$id/system.journal - </run/export",
                    0, "");
    bangerctl_check(one, 0, "pid=");
    bangerctl_check(BANGERCTL "status one", 0, "banger-console: meanwhile [31m red\n");
    bangerctl_check(BANGERCTL "status one", 0, "banger-console: later\n");
    console = bangerctl_print(BANGERCTL "console one");
    ck_assert_str_eq(console, "earlier\nmeanwhile [31m red\nlater\n");
    trace = bangerctl_print(BANGERCTL "trace op-stop");
    ck_assert_msg(strstr(trace, "helper rpc failed StopMachine 2000 ms: the reason\n") != NULL &&
                      strstr(trace, "meanwhile") != NULL && strstr(trace, "earlier") == NULL &&
                      strstr(trace, "later") == NULL,
                  "%s", trace);
    bangerctl_check(BANGERCTL "--json trace op-stop", 0, "\"METHOD\":\"StopMachine\"");
    bangerctl_check(BANGERCTL "metrics", 0,
                    "banger_failures_last_hour{error=\"org.banger.Helper1.Error.Busy\"} 1\n");
    bangerctl_check(BANGERCTL "stop one --timeout 0; rm -r /run/log/journal", 0, "");
}
END_TEST

/* What no machine has any more goes, unless it is kept; the young only when it is named. */
START_TEST(left_over)
{
    bangerctl_check(BANGERCTL "gc --dry-run --remove tap-fc-one", 0, "tap-fc-one would be removed");
    bangerctl_check(BANGERCTL "taps", 0, "tap-fc-one");
    bangerctl_check(BANGERCTL "gc --remove tap-fc-one --keep tap-fc-one", 0, "");
    bangerctl_check(BANGERCTL "--no-legend taps", 0, "tap-fc-one");
    bangerctl_check(AS_STRANGER BANGERCTL "gc", 3, "polkit refused it");
    bangerctl_check(BANGERCTL "--json gc --remove tap-fc-one", 0, "\"Name\":\"tap-fc-one\"");
    bangerctl_check("! " BANGERCTL "--no-legend taps | grep tap-fc-one", 0, "");
}
END_TEST

#define CONNECT(name) "socat -u /dev/null UNIX-CONNECT:" MACHINE_RUN name ".sock"

/*
 * Who launched a machine connects to its socket, another member of no group does not; root's
 * machines are the owner's alone.
 */
START_TEST(creator)
{
    g_autofree char *one = launch_command("one");
    g_autofree char *two = launch_command("two");
    g_autofree char *by_member = g_strconcat(AS_MEMBER, one, NULL);

    if (!bangerctl_have("socat")) {
        harness_skip("no socat");
        return;
    }
    bangerctl_check(by_member, 0, "pid=");
    bangerctl_check(two, 0, "pid=");
    bangerctl_check("stat -c %U:%a " MACHINE_RUN "one.sock " MACHINE_RUN "two.sock", 0,
                    "banger:660\nbanger:600\n");
    bangerctl_check(AS_MEMBER CONNECT("one"), 0, "");
    bangerctl_check(AS_MEMBER CONNECT("two"), 1, "Permission denied");
    bangerctl_check(AS_STRANGER CONNECT("one"), 1, "Permission denied");
    bangerctl_check("setpriv --reuid banger --regid banger --clear-groups " CONNECT("one"), 0, "");
    bangerctl_check(BANGERCTL "destroy one && " BANGERCTL "destroy two", 0, "is destroyed.");
    bangerctl_check(BANGERCTL "list", 0, "0 listed.");
}
END_TEST

/* Well-formed with no machine and with two; both formats of Prometheus allow it. */
START_TEST(metrics)
{
    bangerctl_check(BANGERCTL "metrics", 0, "banger_machines{state=\"running\"} 0\n");
    launch_both();
    bangerctl_check(BANGERCTL "metrics", 0, "banger_machines{state=\"running\"} 2\n");
    bangerctl_check(BANGERCTL "metrics", 0, "# EOF\n");
    bangerctl_check(BANGERCTL "metrics --output /run/banger.prom && stat -c %a /run/banger.prom", 0,
                    "644\n");
    bangerctl_check("grep -c '^banger_taps 2$' /run/banger.prom", 0, "1\n");
    bangerctl_check(BANGERCTL "metrics --output /none/x", 1, "/none/x");
    bangerctl_check(BANGERCTL "stop one --timeout 0 && " BANGERCTL "stop two --timeout 0", 0, "");
    if (!bangerctl_have("promtool")) {
        harness_skip("no promtool");
        return;
    }
    bangerctl_check("promtool check metrics </run/banger.prom", 0, "");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/ctl-machine", argv, NULL);
    suite = suite_create("ctl-machine");
    tcase = machine_add_tcase(suite, "ctl-machine", names, NULL, NULL);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, life);
    tcase_add_test(tcase, metrics);
    tcase_add_test(tcase, creator);
    tcase_add_test(tcase, journal);
    tcase_add_test(tcase, left_over); /* the last: it removes a TAP that the others need */
    return harness_run("bus/ctl-machine", suite);
}
