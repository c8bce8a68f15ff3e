/* SPDX-License-Identifier: GPL-2.0-or-later */

/* bangerctl --host against a real sshd in the rig: the bus by ssh, and what cannot go by it. */
#include <string.h>

#include "bus/bangerctl/bangerctl-fixture.h"
#include "bus/network/network-fixture.h"
#include "util/settings.h"

#define THERE BANGERCTL "-H root@127.0.0.1:2222 "
#define IMAGE BANGER_STATE_DIRECTORY "/ctl.img"

/* Everything of it is the rig's: keys and configuration lie in /run, and /etc/ssh is empty. */
static const char *const set_up_sshd[] = {
    "ip link set lo up",
    "mount -t tmpfs tmpfs /etc/ssh",
    "grep -q ^sshd: /etc/passwd || echo sshd:x:64020:65534::/run/sshd:/usr/sbin/nologin "
    ">>/etc/passwd",
    "mkdir -p /run/sshd",
    "ssh-keygen -q -t ed25519 -N '' -f /run/key && ssh-keygen -q -t ed25519 -N '' -f /run/hostkey",
    "printf 'Host host1 host2\\nHostName 127.0.0.1\\nPort 2222\\nUser root\\nHost "
    "*\\nStrictHostKeyChecking no\\nUserKnownHostsFile /run/known\\nIdentityFile "
    "/run/key\\nBatchMode yes\\nLogLevel ERROR\\n' >/etc/ssh/ssh_config",
    "printf 'Port 2222\\nListenAddress 127.0.0.1\\nHostKey /run/hostkey\\nAuthorizedKeysFile "
    "/run/key.pub\\nStrictModes no\\nUsePAM no\\nPermitRootLogin yes\\nPidFile "
    "/run/sshd.pid\\nSetEnv PATH=" BUILD_DIR ":/usr/bin:/bin\\n' >/run/sshd_config",
    "/usr/sbin/sshd -f /run/sshd_config -E /run/sshd.log",
};

static void
set_up(void)
{
    network_clear_network();
}

static void
tear_down(void)
{
    g_autofree char *text = NULL;

    (void)bangerctl_run("kill $(cat /run/sshd.pid); rm -f " IMAGE, &text);
    network_forget();
}

/* Has an sshd run; false, with the test skipped, if there is none. */
static bool
can_go_by_ssh(void)
{
    if (!bangerctl_have("sshd") || !bangerctl_have("ssh") ||
        !bangerctl_have("systemd-stdio-bridge")) {
        harness_skip("no sshd");
        return false;
    }
    bangerctl_check("rm -f /run/key* /run/hostkey*", 0, "");
    for (size_t i = 0; i < G_N_ELEMENTS(set_up_sshd); i++)
        bangerctl_check(set_up_sshd[i], 0, "");
    return true;
}

START_TEST(by_ssh)
{
    if (!can_go_by_ssh())
        return;
    bangerctl_check(THERE "status", 0, "    Machines: 0\n");
    bangerctl_check(THERE "call EnsureBridge bridge_name=br-fc bridge_ip=172.16.0.1 cidr=24", 0,
                    "");
    bangerctl_check(THERE "bridges", 0, "br-fc 172.16.0.1/24 0     -\n");
    bangerctl_check(THERE "nat 172.16.0.2 tap-fc-9 on", 4, "EnsureNAT: ");
    /* Descriptors do not go by ssh: these have the bytes in the message. */
    bangerctl_check("truncate -s 16M " IMAGE " && mke2fs -q -F -t ext4 " IMAGE
                    " && chown banger: " IMAGE " && echo hello | " THERE "write " IMAGE " /a",
                    0, "");
    bangerctl_check(THERE "read " IMAGE " /a", 0, "hello\n");
    bangerctl_check("head -c 20000000 /dev/zero | " THERE "write " IMAGE " /b", 1, "bangerctl: ");
    bangerctl_check(THERE "trace op-none", 4, "the journal has no record of op-none");
    bangerctl_check(BANGERCTL "-H root@127.0.0.1:2 list", 1,
                    "bangerctl: ssh to that host has to work");
}
END_TEST

/* The commands of docs/many-hosts.md, on a host by two names. */
START_TEST(guide)
{
    unsigned int n;
    g_autofree char *script = bangerctl_extract("docs/many-hosts.md", "By ssh", &n);
    g_autofree char *text = NULL;

    if (!can_go_by_ssh())
        return;
    ck_assert_uint_eq(n, 3);
    ck_assert(g_file_set_contents("/run/hosts.sh", script, -1, NULL));
    text = bangerctl_print("sh /run/hosts.sh");
    ck_assert_msg(strstr(text, "0 listed.") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "    Machines: 0\n") != NULL, "%s", text);
}
END_TEST

/* A container that is not there is an error. */
START_TEST(no_container)
{
    bangerctl_check(BANGERCTL "-M none list", 1, "no container of that name runs");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/ctl-hosts", argv, NULL);
    suite = suite_create("ctl-hosts");
    tcase = tcase_create("ctl-hosts");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, by_ssh);
    tcase_add_test(tcase, guide);
    tcase_add_test(tcase, no_container);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/ctl-hosts", suite);
}
