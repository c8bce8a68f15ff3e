/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * bangerctl doctor on hosts with one fault each: it names the fault and a cure, and does not once
 * the cure was applied.
 */
#include <string.h>

#include "bus/bangerctl/bangerctl-fixture.h"
#include "bus/network/network-fixture.h"

#define DOCTOR BANGERCTL "--no-legend doctor"

/* A guest with NAT, whose table and forwarding others can then take away. */
#define GUEST                                                                                      \
    BANGERCTL "call CreateTap bridge_name=br-fc bridge_ip=172.16.0.1 cidr=24 tap_name=tap-fc-1 "   \
              "&& " NAT
#define NAT BANGERCTL "nat 172.16.0.2 tap-fc-1 on"

#define UPLINK                                                                                     \
    "ip link add up0 type bridge && ip address add 192.0.2.2/24 dev up0 && ip link set up0 up && " \
    "ip route add default via 192.0.2.1 && "

/*
 * A fault as others cause it, how doctor names it, a part of the cure that it names, and that cure.
 */
static const struct {
    const char *cause, *name, *cure, *apply;
} faults[] = {
    {"nft 'add table inet other; add chain inet other f { type filter hook forward priority 0; "
     "policy drop; }'",
     "the nftables chain inet other f drops by policy", "accept packets from and to the bridges",
     "nft insert rule inet other f iifname 'br-fc*' accept; nft insert rule inet other f oifname "
     "'br-fc*' accept"},
    {"nft 'add table ip other; add chain ip other f { type filter hook forward priority 0; }; add "
     "rule ip other f reject'",
     "the nftables chain ip other f drops by its last rule", "accept packets from and to",
     GUEST "; nft insert rule ip other f iifname br-fc counter accept; "
           "nft insert rule ip other f oifname br-fc log accept"},
    {UPLINK GUEST " && sysctl -qw net.ipv4.conf.up0.forwarding=0",
     "the link up0 forwards no IPv4 packets", "sysctl.d(5)",
     "sysctl -qw net.ipv4.conf.up0.forwarding=1"},
    {GUEST
     " && ip link add other0 type bridge && ip address add 172.16.0.9/25 dev other0 && ip link "
     "set other0 up",
     "the bridge br-fc: the network", "another network", "ip link delete other0"},
    {GUEST " && sysctl -qw net.ipv4.ip_forward=0", "IPv4 forwarding is off (net/ipv4/ip_forward)",
     "sysctl.d(5)", NAT},
    {GUEST " && nft flush ruleset", "the nftables table inet banger is gone", "bangerctl nat", NAT},
    {"mkdir -p /run/empty && mount --bind /run/empty /dev/net", "/dev/net/tun is not there",
     "modprobe tun", "umount /dev/net"},
    /* A node, as udev makes it for a module that is not there. */
    {"mkdir -p /run/dev && mount -t tmpfs -o mode=755 tmpfs /run/dev && mknod /run/dev/tun c 60 0 "
     "&& mount --bind /run/dev /dev/net",
     "/dev/net/tun is not there", "modprobe tun", "umount /dev/net /run/dev"},
    {"true", "cannot find the program firecracker", "install firecracker as",
     "install -m 755 /bin/true /usr/local/bin/firecracker"},
    {"touch /run/kvm && mount --bind /run/kvm /dev/kvm", "missing: kvm", "modprobe kvm_intel",
     "umount /dev/kvm"},
};

static void
set_up(void)
{
    network_clear_network();
}

START_TEST(fault)
{
    g_autofree char *after = NULL;

    if (strstr(faults[_i].cause, "/dev/kvm") != NULL &&
        !g_file_test("/dev/kvm", G_FILE_TEST_EXISTS)) {
        harness_skip("this host has no /dev/kvm that could be missing");
        return;
    }
    g_free(bangerctl_print(faults[_i].cause));
    bangerctl_check(DOCTOR, 1, faults[_i].name);
    bangerctl_check(DOCTOR, 1, faults[_i].cure);
    bangerctl_check(BANGERCTL "--json doctor", 1, "\"Cure\":\"");
    g_free(bangerctl_print(faults[_i].apply));
    (void)bangerctl_run(DOCTOR, &after);
    network_assert_lacks(after, faults[_i].name);
}
END_TEST

/* What only some machines need is named; guests work on a host without it. */
START_TEST(optional)
{
    if (!g_file_test("/dev/kvm", G_FILE_TEST_EXISTS)) {
        harness_skip("this host has no /dev/kvm");
        return;
    }
    bangerctl_check("install -m 755 /bin/true /usr/local/bin/firecracker", 0, "");
    bangerctl_check(BANGERCTL "doctor", 0, "missing: resolved\n    cure: install systemd-resolved");
    bangerctl_check(BANGERCTL "doctor", 0, "missing: jail\n    cure: [VMM] Jail=yes");
    bangerctl_check(BANGERCTL "doctor", 0, "Guests work on this host.");
    if (!g_file_test("/dev/mapper/control", G_FILE_TEST_EXISTS))
        bangerctl_check(BANGERCTL "doctor", 0, "missing: device-mapper\n    cure: modprobe");
    bangerctl_check("rm /usr/local/bin/firecracker", 0, "");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/ctl-doctor", argv, NULL);
    suite = suite_create("ctl-doctor");
    tcase = tcase_create("ctl-doctor");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, network_forget);
    tcase_add_loop_test(tcase, fault, 0, G_N_ELEMENTS(faults));
    tcase_add_test(tcase, optional);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/ctl-doctor", suite);
}
