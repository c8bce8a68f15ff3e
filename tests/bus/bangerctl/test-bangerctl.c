/* SPDX-License-Identifier: GPL-2.0-or-later */

/* bangerctl in the rig: what it prints, its exit status, and that it shows reasons. */
#include <string.h>

#include "bus/bangerctl/bangerctl-fixture.h"
#include "bus/network/network-fixture.h"
#include "util/settings.h"

static sd_bus *bus;

static void
set_up(void)
{
    bus = network_set_up();
}

static void
tear_down(void)
{
    network_tear_down(bus);
}

START_TEST(lists)
{
    bangerctl_check(BANGERCTL, 0, "0 listed.");
    network_bridge_and_tap(bus, "tap-fc-1");
    bangerctl_check(BANGERCTL "bridges", 0,
                    "NAME  ADDRESSES     PORTS RESOLVER\nbr-fc 172.16.0.1/24 1     -\n");
    bangerctl_check(BANGERCTL "--no-legend taps", 0, "tap-fc-1 br-fc false - - false\n");
    bangerctl_check(
        BANGERCTL "--json bridges", 0,
        "[{\"Name\":\"br-fc\",\"Addresses\":[\"172.16.0.1/24\"],\"Ports\":1,\"Resolver\":\"\"}]\n");
    bangerctl_check(BANGERCTL "snapshots", 0, "0 listed.");
    bangerctl_check(AS_STRANGER BANGERCTL "taps", 0, "1 listed.");
}
END_TEST

#define NO_BUS "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/none "

START_TEST(faults)
{
    bangerctl_check(BANGERCTL "show none", 4, "there is no machine none");
    bangerctl_check(BANGERCTL "kill none", 4, "there is no machine none");
    bangerctl_check(BANGERCTL "frobnicate", 2, "there is no command frobnicate");
    bangerctl_check(BANGERCTL "show", 2, "usage: bangerctl show VM");
    bangerctl_check(BANGERCTL "--frobnicate", 2, "--frobnicate; see bangerctl --help");
    bangerctl_check(BANGERCTL "stop --timeout -5 none", 2, "--timeout -5: ");
    /* What is wrong with a command is said before there is a bus, or a host, to ask. */
    bangerctl_check(NO_BUS BANGERCTL "frobnicate", 2, "there is no command frobnicate");
    bangerctl_check(NO_BUS BANGERCTL "-H none.invalid stop", 2, "usage: bangerctl stop VM");
    bangerctl_check(NO_BUS BANGERCTL "list", 1, "systemctl status dbus.socket");
    bangerctl_check(BANGERCTL "nat 172.16.0.2 tap-fc-1 maybe", 2, "neither \"on\" nor \"off\"");
    bangerctl_check(BANGERCTL "nat 172.16.0.2 tap-fc-9 on", 4, "EnsureNAT: ");
    bangerctl_check(BANGERCTL "check /etc/passwd", 1, "CheckImage: image_path: ");
    bangerctl_check("cd " BANGER_STATE_DIRECTORY " && " BANGERCTL "check none", 4,
                    BANGER_STATE_DIRECTORY "/none does not exist");
    bangerctl_check(AS_STRANGER BANGERCTL "nat 172.16.0.2 tap-fc-9 on", 3, "polkit refused it");
}
END_TEST

START_TEST(doctor)
{
    g_autofree char *text = NULL;

    network_do("nft 'table inet other { chain f { type filter hook forward priority 0; "
               "policy drop; }; }'");
    bangerctl_check(BANGERCTL "doctor", 1,
                    "warning: the nftables chain inet other f drops by policy");
    bangerctl_check(BANGERCTL "doctor", 1, "missing: resolved\n    cure: install systemd-resolved");
    bangerctl_check(BANGERCTL "doctor", 1,
                    "Guests do not work on this host until this is cured:\n");
    network_do("nft delete table inet other");
    (void)bangerctl_run(BANGERCTL "doctor", &text);
    network_assert_lacks(text, "inet other");
}
END_TEST

START_TEST(watch)
{
    network_do("(timeout 60 " BANGERCTL
               "watch & echo $! >/run/watch.pid; wait) >/run/watch.out 2>&1 &");
    network_do("timeout 60 sh -c \"until grep -q 'nothing is missed' /run/watch.out; do "
               "sleep 0.1; done\"");
    /* The kernel announces the alias of a link that is up. */
    network_do("ip link add br-fc type bridge && ip link set br-fc alias org.banger.Helper1 && "
               "ip link set br-fc up");
    network_do("timeout 60 sh -c \"until grep -q '^InterfacesAdded "
               "/org/banger/Helper1/bridges/br_2dfc' /run/watch.out; do sleep 0.1; done\"");
    network_do("ip link delete br-fc");
    network_do("timeout 60 sh -c \"until grep -q '^InterfacesRemoved "
               "/org/banger/Helper1/bridges/br_2dfc' /run/watch.out; do sleep 0.1; done\"");
    network_do("kill $(cat /run/watch.pid)");
}
END_TEST

/* Arguments by name, checked against what the helper says of itself. */
START_TEST(calls)
{
    bangerctl_check(BANGERCTL "call EnsureBridge bridge_name=br-fc bridge_ip=172.16.0.1 cidr=24", 0,
                    "");
    bangerctl_check(BANGERCTL "call CreateTap bridge_name=br-fc bridge_ip=172.16.0.1 cidr=24 "
                              "tap_name=tap-fc-1 op_id=op-chosen",
                    0, "");
    bangerctl_check(BANGERCTL "call EnsureNAT guest_ip=172.16.0.2 tap=tap-fc-1 enable=yes", 0, "");
    bangerctl_check(BANGERCTL "call SetEgress guest_ip=172.16.0.2 networks=10.0.0.0/8,none", 1,
                    "SetEgress: ");
    bangerctl_check(BANGERCTL "call SetEgress guest_ip=172.16.0.2 networks='[\"10.0.0.0/8\"]'", 0,
                    "");
    bangerctl_check(BANGERCTL "--json call ProcessRunning pid=1 api_sock=", 0,
                    "{\"running\":true}\n");
    bangerctl_check(BANGERCTL "call ProcessRunning pid=1 api_sock=", 0, "running=true\n");
    bangerctl_check(BANGERCTL "call CreateTap bridge_name=br-fc", 2,
                    "bridge_ip is missing; its arguments are: bridge_name s, bridge_ip s");
    bangerctl_check(BANGERCTL "call DeleteTap tap=x", 2, "it has no argument tap; its arguments");
    bangerctl_check(BANGERCTL "call DeleteTap tap_name", 2, "\"tap_name\" is not KEY=VALUE");
    bangerctl_check(BANGERCTL "call KillProcess pid=many", 2, "no value of the type u");
    bangerctl_check(BANGERCTL "call KillProcess pid=4294967296", 2, "from 0 to 4294967295");
    bangerctl_check(BANGERCTL "call Frobnicate", 4, "the helper has no method Frobnicate");
    bangerctl_check(BANGERCTL "call LaunchFirecracker vm_id=x frob=1", 1, "unknown key \"frob\"");
    bangerctl_check(BANGERCTL "call LaunchFirecracker vm_id=x drives='[[\"a\",\"b\",false,true]]'",
                    1, "drives: element 0: path: ");
}
END_TEST

/* What is forwarded, and a refusal with its reason, its op_id and the next step. */
START_TEST(forwards)
{
    network_bridge_and_tap(bus, "tap-fc-1");
    bangerctl_check(BANGERCTL "nat 172.16.0.2 tap-fc-1 on", 0, "");
    bangerctl_check(BANGERCTL "forward tcp 8080 172.16.0.2 80 on", 0, "");
    bangerctl_check(BANGERCTL "forward tcp 8080 172.16.0.2 80 off", 0, "");
    bangerctl_check(BANGERCTL "forward tcp 80 172.16.0.2 80 on", 1,
                    "bangerctl: org.banger.Helper1(5) says what each argument may be\n"
                    "bangerctl: what was done is shown by: bangerctl trace op-");
    bangerctl_check(BANGERCTL "forward tcp 0 172.16.0.2 80 on", 2, "\"0\" is no port");
    bangerctl_check(BANGERCTL "forward tcp 8080 172.16.0.2 80 maybe", 2, "neither \"on\"");
    bangerctl_check(BANGERCTL "nat 172.16.0.2 tap-fc-1 off", 0, "");
}
END_TEST

START_TEST(host)
{
    bangerctl_check(BANGERCTL "status", 0, "    Machines: 0\n");
    bangerctl_check(BANGERCTL "--json status", 0, "\"Machines\":0,");
    bangerctl_check(BANGERCTL "status none", 4, "there is no machine none");
    bangerctl_check(BANGERCTL "stop none", 0, "There is no machine none that runs.\n");
    bangerctl_check(BANGERCTL "--json stop none", 0, "{\"Id\":\"none\",\"How\":\"gone\"}\n");
    /* What reads the journal does so without a bus. */
    bangerctl_check(NO_BUS BANGERCTL "trace op-none", 4, "the journal has no record of op-none");
    bangerctl_check(BANGERCTL "trace 'op;id'", 2, "cannot be a name");
    bangerctl_check(NO_BUS BANGERCTL "console none", 0, "");
    bangerctl_check(BANGERCTL "-H 'a b' logs vm1", 2, "is not the name of a host");
}
END_TEST

/* An ssh that only says what it was called with. */
#define SSH_STUB                                                                                   \
    "d=$(mktemp -d) && printf '#!/bin/sh\necho \"$*\" >&2\n' >$d/ssh && chmod +x $d/ssh && "       \
    "PATH=$d:$PATH "

START_TEST(journal_of_a_host)
{
    static const char *const commands[] = {"logs vm1", "console vm1", "trace op-1"};

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *command =
            g_strdup_printf(SSH_STUB BANGERCTL "-H none.invalid %s; rm -r $d", commands[i]);
        g_autofree char *expected = g_strdup_printf("-- none.invalid bangerctl %s\n", commands[i]);
        g_autofree char *text = bangerctl_print(command);

        /* One connection, and none to the bus there. */
        ck_assert_str_eq(text, expected);
    }
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/bangerctl", argv, NULL);
    suite = suite_create("bangerctl");
    tcase = tcase_create("bangerctl");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, lists);
    tcase_add_test(tcase, faults);
    tcase_add_test(tcase, doctor);
    tcase_add_test(tcase, watch);
    tcase_add_test(tcase, calls);
    tcase_add_test(tcase, forwards);
    tcase_add_test(tcase, host);
    tcase_add_test(tcase, journal_of_a_host);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/bangerctl", suite);
}
