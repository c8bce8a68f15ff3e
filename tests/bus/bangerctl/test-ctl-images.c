/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * bangerctl on images: files of any size by descriptor, from and to what is no file, and a check.
 */
#include <string.h>

#include "bus/bangerctl/bangerctl-fixture.h"
#include "util/settings.h"

#define IMAGE BANGER_STATE_DIRECTORY "/ctl.img"

static void
set_up(void)
{
    g_autofree char *made = bangerctl_print(
        "truncate -s 96M " IMAGE " && mke2fs -q -F -t ext4 " IMAGE " && chown banger: " IMAGE
        " && head -c 20000000 /dev/urandom >/run/big && echo small >/run/small");
}

static void
tear_down(void)
{
    g_autofree char *removed = bangerctl_print("rm -f " IMAGE " /run/big /run/small /run/back");
}

/* More than a message of the bus takes, both ways; and through pipes that are a shell's. */
START_TEST(large)
{
    bangerctl_check(BANGERCTL "write " IMAGE " /srv/big </run/big", 0, "");
    bangerctl_check(BANGERCTL "read " IMAGE " /srv/big >/run/back && cmp /run/big /run/back", 0,
                    "");
    bangerctl_check("cat /run/big | " BANGERCTL "write " IMAGE " /srv/piped", 0, "");
    bangerctl_check(BANGERCTL "read " IMAGE " /srv/piped | cmp - /run/big", 0, "");
    bangerctl_check(BANGERCTL "check " IMAGE, 0, "clean\n");
    bangerctl_check("e2fsck -fn " IMAGE, 0, "");
}
END_TEST

/* What is neither a file nor a pipe is copied on the way. */
START_TEST(sockets)
{
    if (!bangerctl_have("socat")) {
        harness_skip("no socat");
        return;
    }
    bangerctl_check(
        "socat -u FILE:/run/big EXEC:'" BANGERCTL "write " IMAGE " /srv/socket',socktype=1", 0, "");
    bangerctl_check("socat -u EXEC:'" BANGERCTL "read " IMAGE
                    " /srv/socket',socktype=1 STDOUT | cmp - /run/big",
                    0, "");
}
END_TEST

START_TEST(refusals)
{
    bangerctl_check(BANGERCTL "read " IMAGE " /none", 4, "ReadExt4FileTo: ");
    bangerctl_check(BANGERCTL "write " IMAGE " relative </run/small", 1, "WriteExt4FilesFrom: ");
    bangerctl_check(BANGERCTL "check /var/lib/banger/none", 4, "CheckImage: ");
    bangerctl_check(AS_STRANGER BANGERCTL "read " IMAGE " /lost+found", 3, "polkit refused it");
    bangerctl_check(BANGERCTL "write " IMAGE " /a </run/small && " BANGERCTL "read " IMAGE
                              " /a >/dev/full",
                    1, "");
    bangerctl_check(BANGERCTL "--repair check " IMAGE, 0, "clean\n");
    bangerctl_check(BANGERCTL "--json check " IMAGE, 0, "{\"Corrected\":false}\n");
    bangerctl_check(BANGERCTL "read " IMAGE, 2, "usage: bangerctl read IMAGE PATH");
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/ctl-images", argv, NULL);
    suite = suite_create("ctl-images");
    tcase = tcase_create("ctl-images");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, large);
    tcase_add_test(tcase, sockets);
    tcase_add_test(tcase, refusals);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/ctl-images", suite);
}
