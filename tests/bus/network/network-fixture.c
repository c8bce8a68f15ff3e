/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/network/network-fixture.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/settings.h"

static char *
run(const char *command, int *ret_status)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)command, NULL};
    char *output = NULL;
    g_autofree char *errors = NULL;
    g_autoptr(GError) error = NULL;

    /* By posix_spawn(3), which does not copy what is known of this process's memory. */
    ck_assert_msg(g_spawn_sync(NULL, argv, NULL, G_SPAWN_LEAVE_DESCRIPTORS_OPEN, NULL, NULL,
                               &output, &errors, ret_status, &error),
                  "%s: %s", command, error == NULL ? "" : error->message);
    if (*ret_status != 0) {
        char *both = g_strconcat(output, errors, NULL);

        g_free(output);
        return both;
    }
    return output;
}

/* What network_run() returned during this test. */
static GPtrArray *outputs;

/* Takes @text, which is there until network_forget(). */
static void
keep(char *text)
{
    if (outputs == NULL)
        outputs = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(outputs, text);
}

const char *
network_run(const char *format, ...)
{
    g_autofree char *command = NULL;
    char *output;
    va_list args;
    int status;

    va_start(args, format);
    command = g_strdup_vprintf(format, args);
    va_end(args);
    output = run(command, &status);
    keep(output);
    ck_assert_msg(status == 0, "%s: %s", command, output);
    return output;
}

void
network_forget(void)
{
    g_clear_pointer(&outputs, g_ptr_array_unref);
}

void
network_do(const char *format, ...)
{
    g_autofree char *command = NULL;
    g_autofree char *output = NULL;
    va_list args;
    int status;

    va_start(args, format);
    command = g_strdup_vprintf(format, args);
    va_end(args);
    output = run(command, &status);
    ck_assert_msg(status == 0, "%s: %s", command, output);
}

bool
network_true(const char *format, ...)
{
    g_autofree char *command = NULL;
    va_list args;
    int status;

    va_start(args, format);
    command = g_strdup_vprintf(format, args);
    va_end(args);
    g_free(run(command, &status));
    return status == 0;
}

void
network_assert_contains(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is missing in:\n%s", part, text);
}

void
network_assert_lacks(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) == NULL, "\"%s\" is in:\n%s", part, text);
}

bool
network_link_exists(const char *name)
{
    return if_nametoindex(name) != 0;
}

void
network_clear_network(void)
{
    /* Some go with others, and are not there any more when their turn comes. */
    network_do("ip -o link | sed -nE '/^[0-9]+: lo:/d; s/^[0-9]+: ([^:@]+).*/link del dev \\1/p' | "
               "ip -force -batch - >/dev/null 2>&1; nft flush ruleset; "
               "for n in /run/netns/*; do test ! -e $n || ip netns del ${n##*/}; done; "
               "rm -rf /run/banger-helper/net; "
               "echo 0 > /proc/sys/net/ipv4/ip_forward; "
               "echo 0 > /proc/sys/net/ipv6/conf/all/forwarding");
}

void
network_bridge_and_tap(sd_bus *bus, const char *tap)
{
    rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "172.16.0.1", "24", tap, "");
}

const char *
network_nat_warning(sd_bus *bus, const char *guest, const char *tap)
{
    static unsigned int calls;
    g_autofree char *op_id = g_strdup_printf("op-warning-%d-%u", getpid(), calls++);
    g_autoptr(GHashTable) record = NULL;
    char *warning;

    rig_call_ok(bus, "EnsureNAT", "ssbs", guest, tap, 1, op_id);
    record = rig_journal_wait(op_id);
    warning = g_strdup(g_hash_table_lookup(record, "WARNING"));
    if (warning == NULL)
        return "";
    keep(warning);
    return warning;
}

const char *
network_warnings(void)
{
    return network_run("busctl get-property org.banger.Helper1 /org/banger/Helper1 "
                       "org.banger.Helper1 Warnings");
}

#define CONFIGURATION BANGER_CONFIG_FILE ".d/60-test.conf"

void
network_configure(const char *lines)
{
    network_do("printf '[Network]\n%s\n' > " CONFIGURATION, lines);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
}

void
network_unconfigure(void)
{
    network_do("rm " CONFIGURATION);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
}

void
network_set_bridge_netfilter(bool on)
{
    network_do("for f in iptables ip6tables; do f=/proc/sys/net/bridge/bridge-nf-call-$f; "
               "test ! -e $f || echo %d > $f; done",
               (int)on);
}

static int
open_monitor(int protocol, const int *groups, size_t n_groups)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    for (size_t i = 0; i < n_groups; i++)
        ck_assert_int_eq(
            setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(int)), 0);
    return fd;
}

NetworkMonitor
network_monitor_open(void)
{
    static const int route[] = {RTNLGRP_LINK,         RTNLGRP_IPV4_IFADDR,  RTNLGRP_IPV6_IFADDR,
                                RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, RTNLGRP_IPV4_ROUTE};
    static const int netfilter[] = {NFNLGRP_NFTABLES};

    return (NetworkMonitor){
        .route = open_monitor(NETLINK_ROUTE, route, G_N_ELEMENTS(route)),
        .netfilter = open_monitor(NETLINK_NETFILTER, netfilter, G_N_ELEMENTS(netfilter)),
    };
}

/* How many messages there are; 0 if none. */
static unsigned int
read_all(int fd)
{
    char buffer[16384];
    unsigned int count = 0;

    while (recv(fd, buffer, sizeof buffer, 0) > 0 || errno == ENOBUFS)
        count++;
    ck_assert_int_eq(errno, EAGAIN);
    return count;
}

bool
network_monitor_has_heard(const NetworkMonitor *monitor)
{
    struct pollfd event = {monitor->route, POLLIN, 0};

    return poll(&event, 1, 0) == 1;
}

void
network_monitor_settle(NetworkMonitor *monitor)
{
    struct pollfd events[] = {{monitor->route, POLLIN, 0}, {monitor->netfilter, POLLIN, 0}};

    for (int round = 0; round < 1000; round++) {
        /*
         * Duplicate address detection is silent for up to 2 s before it reports its end (RFC 4862);
         * the work queues of a busy kernel are late.
         */
        int ready = poll(events, G_N_ELEMENTS(events), 4000);

        ck_assert_int_ge(ready, 0);
        if (ready == 0)
            return;
        (void)read_all(monitor->route);
        (void)read_all(monitor->netfilter);
    }
    ck_abort_msg("the network never settles");
}

/* Fails with the first announcement of links or addresses, if there is one. */
static void
assert_no_route_message(int fd)
{
    union {
        struct nlmsghdr header;
        char buffer[16384];
    } message = {.header = {0}};
    ssize_t length = recv(fd, &message, sizeof message, 0);
    char name[IF_NAMESIZE] = "";
    int index = 0;

    if (length < 0 && errno == EAGAIN)
        return;
    /* ifinfomsg and ifaddrmsg have the index at the same place. */
    if (length >= (ssize_t)NLMSG_LENGTH(sizeof(struct ifinfomsg)))
        index = ((const struct ifinfomsg *)NLMSG_DATA(&message.header))->ifi_index;
    ck_abort_msg("the kernel announced something: length %zd, type %u, of the link %d (%s)", length,
                 message.header.nlmsg_type, index, if_indextoname((unsigned int)index, name));
}

void
network_monitor_assert_quiet(NetworkMonitor *monitor)
{
    assert_no_route_message(monitor->route);
    ck_assert_uint_eq(read_all(monitor->netfilter), 0);
}

void
network_monitor_close(NetworkMonitor *monitor)
{
    (void)close(monitor->route);
    (void)close(monitor->netfilter);
}

void
network_call_at_once(guint n, const char *member, void (*fill)(sd_bus_message *message, guint i))
{
    g_autofree sd_bus **buses = g_new0(sd_bus *, n);
    g_autofree RigPending **calls = g_new0(RigPending *, n);

    for (guint i = 0; i < n; i++)
        buses[i] = rig_bus_open(0);
    for (guint i = 0; i < n; i++) {
        sd_bus_message *message = rig_message_new(buses[i], member);

        fill(message, i);
        calls[i] = rig_call_start(buses[i], message);
    }
    for (guint i = 0; i < n; i++) {
        rig_pending_wait(buses[i], calls[i]);
        ck_assert_msg(calls[i]->error_name == NULL, "%s %u: %s: %s", member, i,
                      calls[i]->error_name, calls[i]->error_message);
        rig_pending_free(calls[i]);
        sd_bus_flush_close_unref(buses[i]);
    }
}

sd_bus *
network_set_up(void)
{
    network_clear_network();
    return rig_bus_open(0);
}

void
network_tear_down(sd_bus *bus)
{
    sd_bus_flush_close_unref(bus);
    network_forget();
}

const char *
network_look(const char *name)
{
    return network_run("ip -d link show dev %s | sed 's/_timer *[0-9.]*//g'; "
                       "ip -o addr show dev %s | sed 's/ tentative//'",
                       name, name);
}
