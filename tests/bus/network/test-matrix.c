/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Who reaches whom, in both families, beside each firewall that hosts have, with bridged frames
 * going through it or not.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"
#include "util/fd.h"

#define DENIED "169.254.169.254"
#define DENIED6 "fd00:ec2::254"
#define FORWARDED "8054"
/* Of the host outside too, and the guest asks it under an address that is not registered. */
#define SPOOFED_TO "192.0.2.3"
#define SPOOFED_TO6 "2001:db8::3"

static sd_bus *bus;

static void
setup(void)
{
    bus = network_set_up();
}

static void
teardown(void)
{
    peers_end();
    network_tear_down(bus);
}

/* What is on the host besides; and whether what its forward chain drops is the guests' loss. */
static const struct {
    const char *name;
    const char *commands; /* of a shell, in the folder of the rules */
    const char *warning;  /* NULL: guests get through */
    bool closes_host;     /* guests reach no service of the host */
} firewalls[] = {
    {"none", "true", NULL},
    {"docker, 2023", "iptables-restore -n docker-2023.v4", NULL},
    {"docker, 2026", "iptables-restore -n docker-2026.v4 && ip6tables-restore -n docker-2026.v6",
     NULL},
    {"docker, nftables backend", "nft -f docker-2026.nft", NULL},
    {"ufw", "ufw --force reset && ufw --force enable", "chain ip filter FORWARD drops by policy",
     .closes_host = true},
    {"ufw, which lets guests through",
     "ufw --force reset && ufw --force enable && for b in br-fc br-two; do ufw allow in on $b; "
     "ufw route allow in on $b; ufw route allow out on $b; done",
     NULL},
    {"firewalld, without our zone",
     "nft 'table inet firewalld { chain filter_FORWARD { type filter hook forward priority filter "
     "+ 10; ct state established,related accept; reject with icmpx admin-prohibited; }; }'",
     "chain inet firewalld filter_FORWARD drops by its last rule"},
    {"policy drop",
     "nft 'table inet filter { chain forward { type filter hook forward priority filter; policy "
     "drop; }; }'",
     "chain inet filter forward drops by policy"},
};

/* The record of a call names what drops the guests' packets. */
static void
assert_warning(const char *warning)
{
    const char *text = network_nat_warning(bus, PEERS_GUEST, "tap-fc-1");

    if (warning == NULL)
        ck_assert_str_eq(text, "");
    else
        network_assert_contains(text, warning);
}

/* All that the cells ask for, before there is a firewall. */
static void
make_host(void)
{
    peers_make_three_guests(bus);
    network_do("ip -n outside route add 172.16.0.0/12 via " PEERS_HOST
               "; ip -n outside route add fd00:16::/31 via " PEERS_HOST6
               "; ip -n outside addr add " DENIED "/32 dev lo; ip route add " DENIED
               " via " PEERS_ADDRESS "; ip -n outside addr add " DENIED6 "/128 dev lo nodad; "
               "ip -6 route add " DENIED6 " via " PEERS_ADDRESS6);
    network_do("ip -n outside addr add " SPOOFED_TO "/24 dev eth0; "
               "ip -n outside addr add " SPOOFED_TO6 "/64 dev eth0 nodad preferred_lft 0; "
               "ip -n guest addr add 172.16.0.50/32 dev eth0; "
               "ip -n guest addr add fd00:16::50/128 dev eth0 nodad preferred_lft 0; "
               "ip -n guest route add " SPOOFED_TO " via 172.16.0.1 src 172.16.0.50; "
               "ip -n guest -6 route add " SPOOFED_TO6 " via fd00:16::1 src fd00:16::50");
    peers_assert_answer(NULL, DENIED, PEERS_HOST);
    peers_assert_answer(NULL, DENIED6, PEERS_HOST6);
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", 8054, PEERS_GUEST, PEERS_PORT, 1, "");
    rig_call_ok(bus, "EnsurePortForward", "sqsqbs", "udp", 8054, PEERS_GUEST6, PEERS_PORT, 1, "");
    rig_call_ok(bus, "SetEgress", "sass", PEERS_FAR, 1, SPOOFED_TO, "");
    rig_call_ok(bus, "SetEgress", "sass", PEERS_FAR6, 1, SPOOFED_TO6, "");
}

/* To the outside, masqueraded; where it is denied, restricted, or under another address. */
static void
assert_leaving(bool open)
{
    peers_expect("guest", PEERS_ADDRESS, PEERS_HOST, open);
    peers_expect("guest", PEERS_ADDRESS6, PEERS_HOST6, open);
    peers_expect("guest", DENIED, NULL, false);
    peers_expect("guest", DENIED6, NULL, false);
    peers_expect("guest", SPOOFED_TO, NULL, false);
    peers_expect("guest", SPOOFED_TO6, NULL, false);
    peers_expect("other", SPOOFED_TO, PEERS_HOST, open);
    peers_expect("other", SPOOFED_TO6, PEERS_HOST6, open);
    peers_expect("far", SPOOFED_TO, PEERS_HOST, open);
    peers_expect("far", SPOOFED_TO6, PEERS_HOST6, open);
    peers_expect("far", PEERS_ADDRESS, NULL, false);
    peers_expect("far", PEERS_ADDRESS6, NULL, false);
}

/* From the outside: unasked, and by a forwarded port, which a guest uses too. */
static void
assert_entering(bool open)
{
    peers_expect("outside", PEERS_GUEST, NULL, false);
    peers_expect("outside", PEERS_GUEST6, NULL, false);
    peers_expect("outside", PEERS_HOST "#" FORWARDED, PEERS_ADDRESS, open);
    peers_expect("outside", PEERS_HOST6 "#" FORWARDED, PEERS_ADDRESS6, open);
    peers_expect("other", PEERS_HOST "#" FORWARDED, NULL, open);
    peers_expect("other", PEERS_HOST6 "#" FORWARDED, NULL, open);
    peers_expect(NULL, PEERS_HOST "#" FORWARDED, NULL, true);
    peers_expect(NULL, PEERS_HOST6 "#" FORWARDED, NULL, true);
}

/* On one bridge, and from one to another; the host: the bridge's own address, and no other. */
static void
assert_inside(bool bridged_pass, bool host_open)
{
    peers_expect("guest", PEERS_OTHER, PEERS_GUEST, bridged_pass);
    peers_expect("guest", PEERS_OTHER6, PEERS_GUEST6, bridged_pass);
    peers_expect("guest", PEERS_FAR, NULL, false);
    peers_expect("guest", PEERS_FAR6, NULL, false);
    peers_expect("guest", "172.16.0.1", PEERS_GUEST, host_open);
    peers_expect("guest", "fd00:16::1", PEERS_GUEST6, host_open);
    peers_expect("guest", PEERS_HOST, NULL, false);
    peers_expect("guest", PEERS_HOST6, NULL, false);
    peers_expect("guest", "172.17.0.1", NULL, false);
    peers_expect("guest", "fd00:17::1", NULL, false);
    peers_expect(NULL, PEERS_GUEST, "172.16.0.1", true);
    peers_expect(NULL, PEERS_GUEST6, "fd00:16::1", true);
}

/* The guest's address, given anew, is found to be free. */
static void
assert_address_detection(void)
{
    network_do("ip -n guest addr del " PEERS_GUEST6 "/64 dev eth0; ip netns exec guest sh -c "
               "'echo 100 > /proc/sys/net/ipv6/neigh/eth0/retrans_time_ms'; "
               "ip -n guest addr add " PEERS_GUEST6 "/64 dev eth0; for i in $(seq 300); do "
               "ip -n guest -6 addr show dev eth0 | grep -q tentative || break; sleep 0.1; done");
    network_assert_lacks(network_run("ip -n guest -6 addr show dev eth0"), "tentative");
    network_assert_lacks(network_run("ip -n guest -6 addr show dev eth0"), "dadfailed");
}

/* A socket in the namespace @name (NULL: the host's), bound to @from. */
static int
open_socket(const char *name, const struct sockaddr *from, socklen_t size, const char *device)
{
    banger_autofd int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/run/netns/%s", name == NULL ? "" : name);
    const int on = 1;
    int fd;

    if (name != NULL) {
        banger_autofd int there = open(path, O_RDONLY | O_CLOEXEC);

        ck_assert_int_eq(setns(there, CLONE_NEWNET), 0);
    }
    fd = socket(from->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on), 0);
    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device) + 1), 0);
    ck_assert_int_eq(bind(fd, from, size), 0);
    if (from->sa_family == AF_INET6 && name == NULL) {
        struct ipv6_mreq group = {.ipv6mr_interface = if_nametoindex(device)};

        ck_assert_int_eq(inet_pton(AF_INET6, "ff02::1:2", &group.ipv6mr_multiaddr), 1);
        ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof group),
                         0);
    }
    ck_assert_int_eq(setns(home, CLONE_NEWNET), 0);
    return fd;
}

/* What the guest sends to @to arrives at the server. */
static void
assert_arrives(int client, int server, const struct sockaddr *to, socklen_t size)
{
    struct pollfd event = {.fd = server, .events = POLLIN};
    int ready = 0;

    for (int attempt = 0; ready == 0 && attempt < 100; attempt++) {
        ck_assert_int_eq(sendto(client, "?", 1, 0, to, size), 1);
        ready = poll(&event, 1, 200);
    }
    ck_assert_int_eq(ready, 1);
    (void)close(client);
    (void)close(server);
}

/* A DHCP server on the host is asked by broadcast, one for IPv6 by multicast. */
static void
assert_dhcp(void)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(68)};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(67), .sin_addr.s_addr = htonl(INADDR_BROADCAST)};
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(67)};
    struct sockaddr_in6 from6 = {.sin6_family = AF_INET6, .sin6_port = htons(546)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(547)};
    struct sockaddr_in6 server6 = {.sin6_family = AF_INET6, .sin6_port = htons(547)};

    ck_assert_int_eq(inet_pton(AF_INET6, "ff02::1:2", &to6.sin6_addr), 1);
    assert_arrives(open_socket("guest", (void *)&from, sizeof from, "eth0"),
                   open_socket(NULL, (void *)&server, sizeof server, "br-fc"), (void *)&to,
                   sizeof to);
    assert_arrives(open_socket("guest", (void *)&from6, sizeof from6, "eth0"),
                   open_socket(NULL, (void *)&server6, sizeof server6, "br-fc"), (void *)&to6,
                   sizeof to6);
}

START_TEST(cell)
{
    const char *warning = firewalls[_i / 2].warning;
    bool bridged = _i % 2 == 1;
    bool open = warning == NULL;
    bool host_open = !firewalls[_i / 2].closes_host;

    if (g_str_has_prefix(firewalls[_i / 2].name, "ufw") && !network_true("command -v ufw")) {
        harness_skip("no ufw");
        return;
    }
    if (bridged && !network_true("test -e /proc/sys/net/bridge/bridge-nf-call-iptables")) {
        harness_skip("no br_netfilter in this kernel");
        return;
    }
    make_host();
    network_set_bridge_netfilter(bridged);
    network_do("cd " RULES_DIR " && %s", firewalls[_i / 2].commands);
    assert_warning(warning);
    assert_leaving(open);
    assert_entering(open);
    assert_inside(open || !bridged, host_open);
    peers_await_silence();
    assert_address_detection();
    if (host_open)
        assert_dhcp();
    network_set_bridge_netfilter(false);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/matrix", argv, NULL);
    suite = suite_create("matrix");
    tcase = tcase_create("matrix");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 180);
    tcase_add_loop_test(tcase, cell, 0, 2 * G_N_ELEMENTS(firewalls));
    suite_add_tcase(suite, tcase);
    return harness_run("bus/matrix", suite);
}
