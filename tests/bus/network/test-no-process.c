/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network methods start no process: the helper runs under strace(1), which sees one execve, its
 * own.
 */
#include <signal.h>
#include <string.h>

#include "bus/network/network-fixture.h"
#include "util/settings.h"

#define TRACE "/run/trace"

START_TEST(network_methods_start_none)
{
    sd_bus *bus = rig_bus_open(0);
    const char *trace;

    if (!network_true("test -x /usr/bin/strace")) {
        harness_skip("no strace");
        return;
    }
    network_do(
        "iptables -N DOCKER-USER; iptables -A DOCKER-USER -m conntrack --ctstate INVALID -j DROP");
    network_bridge_and_tap(bus, "tap-fc-1");
    rig_call_ok(bus, "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1", 1, "");
    rig_call_ok(bus, "SyncResolverRouting", "sss", "br-fc", "172.16.0.1", "");
    rig_call_ok(bus, "ClearResolverRouting", "ss", "br-fc", "");
    rig_call_ok(bus, "EnsureNAT", "ssbs", "172.16.0.2", "tap-fc-1", 0, "");
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    sd_bus_flush_close_unref(bus);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);

    trace = network_run("cat " TRACE);
    network_assert_contains(trace, "/dev/net/tun");
    network_assert_contains(trace, "execve(");
    ck_assert_str_eq(network_run("grep -c 'execve' " TRACE), "1\n");
    /* A thread is fine, a child is not. */
    ck_assert_str_eq(network_run("grep -Ec 'v?fork\\(|clone3?\\(.*SIGCHLD' " TRACE " || :"), "0\n");
    network_forget();
}
END_TEST

int
main(int argc, char **argv)
{
    static const char *const options[] = {
        "--wrap", "/usr/bin/strace -f -o " TRACE " -e trace=process,openat", NULL};
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/no-process", argv, options);
    suite = suite_create("no-process");
    tcase = tcase_create("no-process");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, network_methods_start_none);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/no-process", suite);
}
