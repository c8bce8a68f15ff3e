/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * CreateMachine, DestroyMachine, StopMachine and Reconcile over the JSON socket: what the table
 * makes of dictionaries, structs and arrays does the same work.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus/json/json-client.h"
#include "bus/machine/composite-fixture.h"
#include "util/settings.h"

/* The machine of composite_new() with composite_append_all(). */
#define MEMBERS                                                                                    \
    "\"binary_path\":\"" MACHINE_BINARY "\",\"vm_id\":\"whole\","                                  \
    "\"socket_path\":\"" MACHINE_RUN "whole.sock\",\"log_path\":\"" MACHINE_STATE "whole.log\","   \
    "\"metrics_path\":\"" MACHINE_STATE "whole.metrics\","                                         \
    "\"kernel_image_path\":\"" MACHINE_STATE "kernel\",\"kernel_args\":\"console=ttyS0\","         \
    "\"drives\":[{\"id\":\"rootfs\",\"path\":\"" COMPOSITE_IMAGE                                   \
    "\",\"read_only\":false,\"is_root\":true}],"                                                   \
    "\"tap_device\":\"" COMPOSITE_TAP "\",\"vsock_path\":\"" MACHINE_RUN "whole.vsock\","          \
    "\"vsock_cid\":3,\"vcpu_count\":1,\"memory_mib\":128,"                                         \
    "\"network\":{\"bridge_name\":\"br-fc\",\"bridge_ip\":\"172.16.0.1\",\"cidr\":\"24\"},"        \
    "\"guest_ip\":\"" COMPOSITE_GUEST "\",\"nat\":true,"                                           \
    "\"port_forwards\":[{\"protocol\":\"tcp\",\"host_port\":8080,\"guest_port\":80}],"             \
    "\"egress\":[\"10.0.0.0/8\"],\"fsck\":true,"                                                   \
    "\"files\":[{\"guest_path\":\"/etc/hostname\",\"data\":\"d2hvbGUK\",\"mode\":384}]"

#define DONE "{\"ok\":true,\"result\":{}}"

static pid_t bridge;
static char *before;

static void
set_up(void)
{
    before = composite_state();
    bridge = client_start(NULL);
}

static void
tear_down(void)
{
    client_stop(bridge);
    g_clear_pointer(&before, g_free);
}

static char *
request(const char *method, const char *more)
{
    return g_strconcat("{\"method\":\"priv.", method, "\",\"params\":{" MEMBERS, more, "}}", NULL);
}

static void
check_nothing_left(void)
{
    g_autofree char *after = NULL;

    rig_call_ok(composite_bus, "DeleteBridge", "ss", "br-fc", "");
    network_do("rm -f " MACHINE_STATE "whole.log " MACHINE_STATE "whole.metrics");
    after = composite_state();
    composite_assert_same(after, before);
}

START_TEST(whole)
{
    g_autofree char *dry = request("create_machine", ",\"dry_run\":true");
    g_autofree char *create = request("create_machine", "");
    g_autofree char *destroy = request("destroy_machine", ",\"stop_timeout_s\":1");
    g_autofree char *answer = NULL;
    unsigned int pid = 0;

    client_check(dry, "{\"ok\":true,\"result\":{\"machine\":\"/\",\"pid\":0}}");
    answer = client_ask(create);
    ck_assert_msg(sscanf(answer,
                         "{\"ok\":true,\"result\":{\"machine\":\"" BANGER_OBJECT_PATH
                         "/machines/whole\",\"pid\":%u}}",
                         &pid) == 1,
                  "%s", answer);
    ck_assert_uint_eq(machine_find(composite_bus, MACHINE_RUN "whole.sock"), pid);
    network_assert_contains(network_run("nft list set inet banger guests4"), COMPOSITE_GUEST);
    network_assert_contains(network_run("nft list map inet banger forwards4"), "8080");
    network_assert_contains(network_run("cat /run/banger-helper/net/" COMPOSITE_TAP), "10.0.0.0/8");
    network_assert_contains(network_run("debugfs -R 'cat /etc/hostname' " COMPOSITE_IMAGE),
                            "whole");
    client_check(destroy, DONE);
    client_check(destroy, DONE);
    check_nothing_left();
}
END_TEST

START_TEST(failed)
{
    g_autofree char *create = request("create_machine", "");
    g_autofree char *answer = NULL;

    machine_order("whole", "refuse /actions I do not want to");
    answer = client_ask(create);
    ck_assert_msg(
        g_str_has_prefix(answer, "{\"ok\":false,\"error\":{\"code\":\"operation_failed\""), "%s",
        answer);
    network_assert_contains(answer, "I do not want to");
    machine_order("whole", NULL);
    check_nothing_left();
}
END_TEST

START_TEST(stopped_and_reconciled)
{
    g_autofree char *create = request("create_machine", "");

    g_free(client_ask(create));
    client_check("{\"method\":\"priv.stop_machine\",\"params\":{\"vm_id\":\"whole\","
                 "\"timeout_s\":10}}",
                 "{\"ok\":true,\"result\":{\"how\":\"guest\"}}");
    client_check("{\"method\":\"priv.stop_machine\",\"params\":{\"vm_id\":\"whole\","
                 "\"timeout_s\":0}}",
                 "{\"ok\":true,\"result\":{\"how\":\"gone\"}}");
    client_check("{\"method\":\"priv.reconcile\",\"params\":{\"keep\":[\"whole\"],"
                 "\"remove\":[\"whole\"],\"dry_run\":true}}",
                 "{\"ok\":true,\"result\":{\"objects\":[]}}");
    client_check("{\"method\":\"priv.reconcile\",\"params\":{\"keep\":[],"
                 "\"remove\":[\"" COMPOSITE_TAP "\"],\"dry_run\":true}}",
                 "{\"ok\":true,\"result\":{\"objects\":[{\"kind\":\"tap\",\"name\":\"" COMPOSITE_TAP
                 "\",\"action\":\"would be removed\"}]}}");
    g_free(client_ask("{\"method\":\"priv.reconcile\",\"params\":{\"keep\":[],"
                      "\"remove\":[\"whole\"],\"dry_run\":false}}"));
    check_nothing_left();
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/bridge-composite", argv, NULL);
    suite = suite_create("bridge-composite");
    tcase = composite_add_tcase(suite, "composite");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, whole);
    tcase_add_test(tcase, failed);
    tcase_add_test(tcase, stopped_and_reconciled);
    return harness_run("bus/bridge-composite", suite);
}
