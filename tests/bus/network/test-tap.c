/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CreateTap and DeleteTap: what is made and for whom, what is put in order, what is left alone. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "util/settings.h"

#define BRIDGE "br-fc", "172.16.0.1", "24"

static sd_bus *bus;

static void
setup(void)
{
    bus = network_set_up();
}

static void
teardown(void)
{
    network_tear_down(bus);
}

static void
create_tap(const char *name)
{
    rig_call_ok(bus, "CreateTap", "sssss", BRIDGE, name, "");
}

static void
delete_tap(const char *name)
{
    rig_call_ok(bus, "DeleteTap", "ss", name, "");
}

START_TEST(tap_is_made)
{
    const char *link = NULL;

    create_tap("tap-fc-1");
    link = network_look("tap-fc-1");
    network_assert_contains(link,
                            "tun type tap pi off vnet_hdr off persist on user banger group banger");
    network_assert_contains(link, "master br-fc");
    network_assert_contains(link, "alias org.banger.Helper1");
    network_assert_contains(link, ",UP");
    create_tap("tap-pool-0");
    network_assert_contains(network_look("tap-pool-0"), "master br-fc");
}
END_TEST

START_TEST(tap_again_is_silent)
{
    NetworkMonitor monitor;

    create_tap("tap-fc-1");
    monitor = network_monitor_open();
    network_monitor_settle(&monitor);
    create_tap("tap-fc-1");
    network_monitor_assert_quiet(&monitor);
    network_monitor_close(&monitor);
}
END_TEST

/* The errno of attaching to the TAP as @uid, or 0. */
static int
attach_as(uid_t uid, const char *name)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
        int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

        (void)g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
        if (fd < 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
            _exit(255);
        _exit(ioctl(fd, TUNSETIFF, &request) == 0 ? 0 : errno);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(tap_is_the_owners_alone)
{
    create_tap("tap-fc-1");
    ck_assert_int_eq(attach_as(RIG_UID_STRANGER, "tap-fc-1"), EPERM);
    ck_assert_int_eq(attach_as(RIG_UID_OWNER, "tap-fc-1"), 0);
}
END_TEST

START_TEST(tap_is_put_in_order)
{
    create_tap("tap-fc-1");
    network_do("ip link set tap-fc-1 nomaster down alias ''");
    create_tap("tap-fc-1");
    network_assert_contains(network_look("tap-fc-1"), "master br-fc");
    network_assert_contains(network_look("tap-fc-1"), "alias org.banger.Helper1");
    network_assert_contains(network_look("tap-fc-1"), ",UP");
    /* Made by the older helper, without a group. */
    network_do("ip link del tap-fc-1; ip tuntap add tap-fc-1 mode tap user banger");
    create_tap("tap-fc-1");
    network_assert_contains(network_look("tap-fc-1"), "user banger group banger");
    network_assert_contains(network_look("tap-fc-1"), "master br-fc");
    /* Moved from one bridge to another. */
    rig_call_ok(bus, "CreateTap", "sssss", "br-two", "172.18.0.1", "24", "tap-fc-1", "");
    network_assert_contains(network_look("tap-fc-1"), "master br-two");
}
END_TEST

/* The kernel gives a link with so small an MTU no IPv6, as on a host that was started without. */
START_TEST(tap_without_ipv6)
{
    rig_call_ok(bus, "EnsureBridge", "ssss", BRIDGE, "");
    network_do("ip link set br-fc mtu 1000");
    create_tap("tap-fc-1");
    network_assert_contains(network_look("tap-fc-1"), " mtu 1000 ");
    network_assert_contains(network_look("tap-fc-1"), "master br-fc");
    network_assert_contains(network_look("tap-fc-1"), ",UP");
    /* Nor was there any while it was none of the ports. */
    network_do("ip link set tap-fc-1 nomaster");
    create_tap("tap-fc-1");
    network_assert_contains(network_look("tap-fc-1"), "master br-fc");
}
END_TEST

START_TEST(tap_speaks_no_ipv6)
{
    create_tap("tap-fc-1");
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv6/conf/tap-fc-1/disable_ipv6"), "1\n");
    ck_assert_str_eq(network_run("ip -6 -o address show dev tap-fc-1"), "");
    /* One that stood, and had an address of the kernel's making. */
    network_do("ip tuntap add tap-fc-2 mode tap user banger; ip link set tap-fc-2 up");
    create_tap("tap-fc-2");
    ck_assert_str_eq(network_run("ip -6 -o address show dev tap-fc-2"), "");
}
END_TEST

START_TEST(tap_of_another_is_untouched)
{
    static const char *const commands[] = {
        "ip tuntap add tap-fc-1 mode tap user stranger group stranger",
        "ip tuntap add tap-fc-1 mode tap",
        "ip tuntap add tap-fc-1 mode tun user banger group banger",
        "ip link add tap-fc-1 type veth peer tap-peer",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        const char *before = NULL;
        const char *after = NULL;

        network_do("%s", commands[i]);
        before = network_look("tap-fc-1");
        rig_call_fails(bus, RIG_ERROR("AlreadyExists"), "CreateTap", "sssss", BRIDGE, "tap-fc-1",
                       "");
        after = network_look("tap-fc-1");
        ck_assert_str_eq(before, after);
        /* The bridge that the failed call made is gone with it. */
        ck_assert(!network_link_exists("br-fc"));
        network_do("ip link del tap-fc-1");
    }
}
END_TEST

START_TEST(delete_is_idempotent)
{
    NetworkMonitor monitor = network_monitor_open();

    delete_tap("tap-fc-1");
    network_monitor_assert_quiet(&monitor);
    network_monitor_close(&monitor);
    create_tap("tap-fc-1");
    delete_tap("tap-fc-1");
    ck_assert(!network_link_exists("tap-fc-1"));
    delete_tap("tap-fc-1");
    ck_assert(network_link_exists("br-fc"));
}
END_TEST

/* Whether anything of the link @name is left to be seen. */
static bool
is_seen(const char *name)
{
    g_autofree char *device = g_strdup_printf("/sys/class/net/%s", name);
    g_autofree char *settings = g_strdup_printf("/proc/sys/net/ipv4/conf/%s", name);
    g_autofree char *port = g_strdup_printf("/sys/class/net/br-fc/brif/%s", name);

    return access(device, F_OK) == 0 || access(settings, F_OK) == 0 || access(port, F_OK) == 0 ||
           network_link_exists(name);
}

/* The reply comes when the TAP is gone for everybody, and its name is free at once. */
START_TEST(deleted_is_gone)
{
    for (int round = 0; round < 50; round++) {
        create_tap("tap-fc-1");
        ck_assert(is_seen("tap-fc-1"));
        delete_tap("tap-fc-1");
        ck_assert_msg(!is_seen("tap-fc-1"), "round %d", round);
    }
}
END_TEST

/* More at once than the helper has removals under way. */
START_TEST(many_are_deleted_at_once)
{
    enum { MANY = 60 };
    RigPending *pending[MANY];
    char names[MANY][sizeof "tap-fc-99"];

    for (int i = 0; i < MANY; i++) {
        (void)g_snprintf(names[i], sizeof names[i], "tap-fc-%d", i);
        create_tap(names[i]);
    }
    for (int i = 0; i < MANY; i++) {
        sd_bus_message *message = rig_message_new(bus, "DeleteTap");

        ck_assert_int_ge(sd_bus_message_append(message, "ss", names[i], ""), 0);
        pending[i] = rig_call_start(bus, message);
    }
    for (int i = 0; i < MANY; i++) {
        rig_pending_wait(bus, pending[i]);
        ck_assert_msg(pending[i]->error_name == NULL, "%s: %s", names[i],
                      pending[i]->error_message);
        ck_assert(!is_seen(names[i]));
        rig_pending_free(pending[i]);
    }
}
END_TEST

START_TEST(delete_spares_what_is_no_tap)
{
    network_do("ip link add tap-fc-1 type veth peer tap-peer");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "DeleteTap", "ss", "tap-fc-1", "");
    ck_assert(network_link_exists("tap-fc-1"));
    network_do("ip link del tap-fc-1; ip tuntap add tap-fc-1 mode tun");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "DeleteTap", "ss", "tap-fc-1", "");
    /* A TAP of another program, under a second name. */
    network_do("ip link del tap-fc-1; ip tuntap add vpn0 mode tap; "
               "ip link property add dev vpn0 altname tap-fc-vpn");
    rig_call_fails(bus, RIG_ERROR("NotManaged"), "DeleteTap", "ss", "tap-fc-vpn", "");
    ck_assert(network_link_exists("vpn0"));
}
END_TEST

/* Begins CreateTap on a connection of its own, and kills the helper @usec later. */
static void
create_tap_and_kill(gulong usec)
{
    sd_bus *own = rig_bus_open(0);
    sd_bus_message *message = rig_message_new(own, "CreateTap");
    RigPending *call;

    ck_assert_int_ge(sd_bus_message_append(message, "sssss", BRIDGE, "tap-fc-1", ""), 0);
    call = rig_call_start(own, message);
    g_usleep(usec);
    rig_stop_service(BANGER_BUS_NAME, SIGKILL);
    rig_pending_wait(own, call);
    rig_pending_free(call);
    sd_bus_flush_close_unref(own);
}

START_TEST(killed_at_any_moment)
{
    for (gulong round = 0; round < 20; round++) {
        /* The helper runs, so that it is the call that is hit and not the start. */
        delete_tap("tap-fc-0");
        create_tap_and_kill(round * 100);
        /* What is left, if anything, the same call finishes and the matching one removes. */
        if (network_link_exists("tap-fc-1"))
            network_assert_contains(network_look("tap-fc-1"),
                                    "persist on user banger group banger");
        create_tap("tap-fc-1");
        network_assert_contains(network_look("tap-fc-1"), "master br-fc");
        network_assert_contains(network_look("br-fc"), "inet 172.16.0.1/24 ");
        delete_tap("tap-fc-1");
        network_do("ip link del br-fc");
    }
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/tap", argv, NULL);
    suite = suite_create("tap");
    tcase = tcase_create("tap");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, tap_is_made);
    tcase_add_test(tcase, tap_again_is_silent);
    tcase_add_test(tcase, tap_is_the_owners_alone);
    tcase_add_test(tcase, tap_is_put_in_order);
    tcase_add_test(tcase, tap_without_ipv6);
    tcase_add_test(tcase, tap_speaks_no_ipv6);
    tcase_add_test(tcase, tap_of_another_is_untouched);
    tcase_add_test(tcase, delete_is_idempotent);
    tcase_add_test(tcase, deleted_is_gone);
    tcase_add_test(tcase, many_are_deleted_at_once);
    tcase_add_test(tcase, delete_spares_what_is_no_tap);
    tcase_add_test(tcase, killed_at_any_moment);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/tap", suite);
}
