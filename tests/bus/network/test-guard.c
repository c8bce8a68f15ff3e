/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The tables' rules with real packets: who reaches whom, beside the firewalls that hosts have, and
 * what a guest may send.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"
#include "util/fd.h"

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

START_TEST(unregistered_guests_stay_inside)
{
    peers_make_three_guests(bus);
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", false);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", false);
    peers_expect("guest", PEERS_ADDRESS, NULL, false);
    peers_expect("guest", PEERS_ADDRESS6, NULL, false);
    peers_expect("guest", PEERS_OTHER, PEERS_GUEST, true);
    peers_await_silence();
    /* Under an address that may leave, of another guest or of another bridge. */
    network_do("ip -n guest addr add " PEERS_OTHER "/32 dev eth0; ip -n guest addr add " PEERS_FAR
               "/32 dev eth0; ip -n guest route add " PEERS_ADDRESS
               "/32 via 172.16.0.1 src " PEERS_OTHER);
    peers_expect("guest", PEERS_ADDRESS, NULL, false);
    peers_await_silence();
    network_do("ip -n guest route replace " PEERS_ADDRESS "/32 via 172.16.0.1 src " PEERS_FAR);
    peers_expect("guest", PEERS_ADDRESS, NULL, false);
    peers_expect("other", PEERS_ADDRESS, PEERS_HOST, true);
    peers_await_silence();
}
END_TEST

START_TEST(denied_destinations)
{
    static const char *const denied[] = {"169.254.169.254", "169.254.170.2", "168.63.129.16",
                                         "100.100.100.200"};

    peers_make_three_guests(bus);
    network_do("ip -n outside addr add fd00:ec2::254/128 dev lo nodad; ip -6 route add "
               "fd00:ec2::254 via " PEERS_ADDRESS6);
    for (size_t i = 0; i < G_N_ELEMENTS(denied); i++) {
        network_do("ip -n outside addr add %s/32 dev lo; ip route add %s via " PEERS_ADDRESS,
                   denied[i], denied[i]);
        peers_assert_answer(NULL, denied[i], PEERS_HOST);
        peers_expect("guest", denied[i], NULL, false);
    }
    peers_assert_answer(NULL, "fd00:ec2::254", PEERS_HOST6);
    peers_expect("guest", "fd00:ec2::254", NULL, false);
    peers_expect("guest", PEERS_ADDRESS6, PEERS_HOST6, true);
    peers_await_silence();
}
END_TEST

/* Starts the helper anew with these lines in [Network], and has it look at its tables. */
static void
configure(const char *lines)
{
    network_configure(lines);
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
}

START_TEST(configured_reach)
{
    peers_make_three_guests(bus);
    network_do("ip -n outside route add 172.16.0.0/12 via " PEERS_HOST);
    configure("GuestsReachHost=yes\\nAllowFrom=uplink\\nRoutedGuests=172.16.0.32/28");
    peers_expect("guest", PEERS_HOST, PEERS_GUEST, true);
    peers_expect("outside", PEERS_GUEST, PEERS_ADDRESS, true);
    /* Not registered, and not masqueraded. */
    network_do("ip -n guest addr add 172.16.0.33/32 dev eth0");
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", false);
    network_do("ip -n guest route add " PEERS_ADDRESS "/32 via 172.16.0.1 src 172.16.0.33");
    peers_expect("guest", PEERS_ADDRESS, "172.16.0.33", true);
    network_do("ip -n guest route del " PEERS_ADDRESS "/32");
    configure("GuestsReachHost=no\\nAllowFrom=192.0.2.0/24");
    peers_expect("guest", PEERS_HOST, NULL, false);
    peers_expect("guest", "172.16.0.1", NULL, false);
    peers_expect("outside", PEERS_GUEST, PEERS_ADDRESS, true);
    peers_await_silence();
    network_unconfigure();
}
END_TEST

/* A link of the host's to a namespace of that name, behind which is @network.2. */
static void
make_side(const char *name, const char *network)
{
    network_do("ip netns add %s && ip link add %s type veth peer name eth0 netns %s && "
               "ip addr add %s.1/24 dev %s && ip link set %s up && "
               "ip -n %s addr add %s.2/24 dev eth0 && ip -n %s link set eth0 up && "
               "ip -n %s route add default via %s.1",
               name, name, name, network, name, name, name, network, name, name, network);
    peers_serve(name);
}

START_TEST(host_becomes_no_router)
{
    peers_make_with_guest(bus);
    make_side("plant", "198.51.100");
    network_do("ip -n outside route add 198.51.100.0/24 via " PEERS_HOST
               "; ip -n outside route add 203.0.113.0/24 via " PEERS_HOST);
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    ck_assert_str_eq(network_run("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    peers_expect("guest", PEERS_ADDRESS, PEERS_HOST, true);
    peers_expect("outside", "198.51.100.2", NULL, false);
    peers_await_silence();
    /* A VPN or a container network that starts later is not checked. */
    make_side("later", "203.0.113");
    peers_expect("outside", "203.0.113.2", PEERS_ADDRESS, true);
    /* With the last bridge, forwarding is not switched off under it, and the others stay closed. */
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    rig_call_ok(bus, "DeleteBridge", "ss", "br-fc", "");
    peers_expect("outside", "203.0.113.2", PEERS_ADDRESS, true);
    peers_expect("outside", "198.51.100.2", NULL, false);
    peers_await_silence();
}
END_TEST

/* A socket for frames in the namespace @name. */
static int
open_frames(const char *name)
{
    g_autofree char *path = g_strdup_printf("/run/netns/%s", name);
    banger_autofd int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    banger_autofd int there = open(path, O_RDONLY | O_CLOEXEC);
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int fd;

    ck_assert_int_ge(there, 0);
    ck_assert_int_eq(setns(there, CLONE_NEWNET), 0);
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    address.sll_ifindex = (int)if_nametoindex("eth0");
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(setns(home, CLONE_NEWNET), 0);
    return fd;
}

/* A frame as hexadecimal digits, with blanks between: broadcast, from a MAC of its own. */
#define HEAD "ffffffffffff 020000000066 "
#define ARP_OF(address) HEAD "0806 0001080006040001 020000000066 " address " 000000000000 ac100063"
#define IPV4_OF(address)                                                                           \
    HEAD "0800 4500001c 00000000 40110000 " address " ffffffff 1111 1111 0008 0000"
#define IPV6_OF(address, next)                                                                     \
    HEAD "86dd 60000000 0018" next "ff " address " ff020000000000000000000000000001 "
#define ADVERT(target) IPV6_OF("fe800000000000000000000000000066", "3a") "88000000 20000000 " target
#define ROUTER_ADVERT                                                                              \
    IPV6_OF("fe800000000000000000000000000066", "3a")                                              \
    "86000000 40000708 0000000000000000 0000000000000000"
#define GUEST_HEX "ac100002"
#define OTHER_HEX "ac100003"
#define HOST_HEX "ac100001"
#define FREE_HEX "ac100032"
#define GUEST6_HEX "fd000016000000000000000000000002"
#define OTHER6_HEX "fd000016000000000000000000000003"
#define HOST6_HEX "fd000016000000000000000000000001"
#define FREE6_HEX "fd000016000000000000000000000032"

static size_t
parse_frame(const char *text, uint8_t frame[256])
{
    size_t length = 0;

    for (const char *c = text; *c != '\0'; c++) {
        if (*c == ' ')
            continue;
        frame[length++] = (uint8_t)(g_ascii_xdigit_value(c[0]) << 4 | g_ascii_xdigit_value(c[1]));
        c++;
    }
    return length;
}

static void
send_frame(int fd, const char *text)
{
    uint8_t frame[256];
    size_t length = parse_frame(text, frame);

    ck_assert_int_eq(send(fd, frame, length, 0), (ssize_t)length);
}

/* Whether @text comes before @last, which must come. */
static bool
arrives_before(int fd, const char *text, const char *last)
{
    uint8_t wanted[256], end[256], frame[2048];
    size_t length = parse_frame(text, wanted);
    size_t end_length = parse_frame(last, end);

    for (;;) {
        struct pollfd event = {.fd = fd, .events = POLLIN};
        ssize_t size;

        ck_assert_int_eq(poll(&event, 1, 20000), 1);
        size = recv(fd, frame, sizeof frame, 0);
        if (size >= (ssize_t)length && memcmp(frame, wanted, length) == 0)
            return true;
        if (size >= (ssize_t)end_length && memcmp(frame, end, end_length) == 0)
            return false;
    }
}

static const struct {
    const char *what;
    const char *frame;
    bool registered; /* passes from a TAP with addresses */
    bool bare;       /* passes from a TAP without */
} frames[] = {
    {"IPv4, own", IPV4_OF(GUEST_HEX), true, false},
    {"IPv4, another guest's", IPV4_OF(OTHER_HEX), false, false},
    {"IPv4, the bridge's", IPV4_OF(HOST_HEX), false, false},
    {"IPv4, nobody's", IPV4_OF(FREE_HEX), false, true},
    {"ARP, own", ARP_OF(GUEST_HEX), true, false},
    {"ARP, another guest's", ARP_OF(OTHER_HEX), false, false},
    {"ARP, the bridge's", ARP_OF(HOST_HEX), false, false},
    {"ARP, nobody's", ARP_OF(FREE_HEX), false, true},
    {"ARP probe", ARP_OF("00000000"), true, true},
    {"DHCP", HEAD "0800 4500001c 00000000 40110000 00000000 ffffffff 0044 0043 0008 0000", true,
     true},
    {"IPv6, own", IPV6_OF(GUEST6_HEX, "11") "1111 1111 0018 0000 00000000000000000000000000000000",
     true, false},
    {"IPv6, another guest's",
     IPV6_OF(OTHER6_HEX, "11") "1111 1111 0018 0000 00000000000000000000000000000000", false,
     false},
    {"IPv6, nobody's",
     IPV6_OF(FREE6_HEX, "11") "1111 1111 0018 0000 00000000000000000000000000000000", false, true},
    {"advertisement, own", ADVERT(GUEST6_HEX), true, false},
    {"advertisement, another guest's", ADVERT(OTHER6_HEX), false, false},
    {"advertisement, the bridge's", ADVERT(HOST6_HEX), false, false},
    {"advertisement, nobody's", ADVERT(FREE6_HEX), false, true},
    {"advertisement, link-local", ADVERT("fe800000000000000000000000000066"), true, true},
    {"address detection, own",
     IPV6_OF("00000000000000000000000000000000", "3a") "87000000 00000000 " GUEST6_HEX, true,
     false},
    {"address detection, another guest's",
     IPV6_OF("00000000000000000000000000000000", "3a") "87000000 00000000 " OTHER6_HEX, false,
     false},
    {"router advertisement", ROUTER_ADVERT, false, false},
    {"another ethertype", HEAD "88cc 0000000000000000000000000000", false, false},
    {"in a VLAN, another guest's",
     HEAD "8100 0005 0800 4500001c 00000000 40110000 " OTHER_HEX " ffffffff 1111 1111 0008 0000",
     false, false},
};

/* From 02:00:00:00:00:77, by the frame's head or by what ARP says. */
static const char *const other_macs[] = {
    "ffffffffffff 020000000077 0800 4500001c 00000000 40110000 " GUEST_HEX
    " ffffffff 1111 1111 0008 0000",
    "ffffffffffff 020000000077 0806 0001080006040001 020000000066 " GUEST_HEX
    " 000000000000 ac100063",
    HEAD "0806 0001080006040001 020000000077 " GUEST_HEX " 000000000000 ac100063",
};

#define LAST ARP_OF("00000000") "00"

START_TEST(source)
{
    bool bare = _i == 1;
    int from, to;

    peers_make_three_guests(bus);
    network_set_bridge_netfilter(false); /* it wants checksums */
    if (bare) {
        /* A fourth TAP, nothing of which is registered. */
        network_bridge_and_tap(bus, "tap-fc-4");
        peers_make_guest("bare", "tap-fc-4", "172.16.0.4/24", "172.16.0.1");
    }
    from = open_frames(bare ? "bare" : "guest");
    to = open_frames("other");
    for (size_t i = 0; i < G_N_ELEMENTS(frames); i++) {
        bool wanted = bare ? frames[i].bare : frames[i].registered;

        send_frame(from, frames[i].frame);
        send_frame(from, LAST);
        ck_assert_msg(arrives_before(to, frames[i].frame, LAST) == wanted, "%s: %s", frames[i].what,
                      wanted ? "did not pass" : "passed");
        if (wanted)
            (void)arrives_before(to, LAST, LAST);
    }
    (void)close(from);
    (void)close(to);
}
END_TEST

/* Notes the Ethernet address, as a launch does, and has the tables written anew from the labels. */
static void
note_mac(const char *tap, const char *guests)
{
    network_do("ip link set %s alias 'org.banger.Helper1 mac=02:00:00:00:00:66 %s'; "
               "nft flush ruleset",
               tap, guests);
    peers_nat(bus, PEERS_OTHER, "tap-fc-2", true);
}

START_TEST(source_mac)
{
    int from, to;

    peers_make_three_guests(bus);
    network_set_bridge_netfilter(false);
    from = open_frames("guest");
    to = open_frames("other");
    for (int noted = 0; noted < 2; noted++) {
        if (noted)
            note_mac("tap-fc-1", PEERS_GUEST " " PEERS_GUEST6);
        for (size_t i = 0; i < G_N_ELEMENTS(other_macs); i++) {
            send_frame(from, other_macs[i]);
            send_frame(from, LAST);
            ck_assert_msg(arrives_before(to, other_macs[i], LAST) == !noted, "frame %zu", i);
            if (!noted)
                (void)arrives_before(to, LAST, LAST);
        }
    }
    /* Its own passes, and with the TAP the address goes. */
    send_frame(from, ARP_OF(GUEST_HEX));
    ck_assert(arrives_before(to, ARP_OF(GUEST_HEX), LAST));
    network_assert_contains(network_run("nft list set bridge banger macs"),
                            "\"tap-fc-1\" . 02:00:00:00:00:66");
    rig_call_ok(bus, "DeleteTap", "ss", "tap-fc-1", "");
    network_assert_lacks(network_run("nft list table bridge banger"), "tap-fc-1");
    (void)close(from);
    (void)close(to);
}
END_TEST

START_TEST(bound_of_guests)
{
    peers_make_three_guests(bus);
    configure("MaxGuests=3\\nMaxTaps=4");
    peers_nat(bus, "172.16.0.5", "tap-fc-2", false);
    rig_call_fails(bus, "org.freedesktop.DBus.Error.LimitsExceeded", "EnsureNAT", "ssbs",
                   "172.16.0.5", "tap-fc-2", 1, "");
    network_assert_lacks(network_run("ip link show tap-fc-2; nft list ruleset"), "172.16.0.5");
    network_bridge_and_tap(bus, "tap-fc-4");
    rig_call_fails(bus, "org.freedesktop.DBus.Error.LimitsExceeded", "CreateTap", "sssss", "br-fc",
                   "172.16.0.1", "24", "tap-fc-5", "");
    ck_assert(!network_link_exists("tap-fc-5"));
    network_unconfigure();
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/guard", argv, NULL);
    suite = suite_create("guard");
    tcase = tcase_create("guard");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, unregistered_guests_stay_inside);
    tcase_add_test(tcase, denied_destinations);
    tcase_add_test(tcase, configured_reach);
    tcase_add_test(tcase, host_becomes_no_router);
    tcase_add_loop_test(tcase, source, 0, 2);
    tcase_add_test(tcase, source_mac);
    tcase_add_test(tcase, bound_of_guests);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/guard", suite);
}
