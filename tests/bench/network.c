/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/compare.h"
#include "network/filter-element.h"
#include "network/link.h"
#include "network/nft-batch.h"
#include "network/nft.h"
#include "util/fd.h"
#include "util/settings.h"

/* What leads out of the network of the benchmark; made if nothing does. */
#define UPLINK "bench-up"
#define UPLINK_IP "198.51.100.1/24"

void
bench_remove_links(void)
{
    if (if_nametoindex(BENCH_TAP) != 0)
        (void)bench_run("ip", "link", "del", BENCH_TAP, NULL);
    if (if_nametoindex(BENCH_BRIDGE) != 0)
        (void)bench_run("ip", "link", "del", BENCH_BRIDGE, NULL);
}

/* A default route, as a host has one, for the reference to find. */
bool
bench_network_set_up(Bench *bench)
{
    g_autofree char *route = NULL;

    (void)bench;
    bench_remove_links();
    if (bench_run_output(&route, "ip", "-4", "route", "show", "default", NULL) && route[0] != '\0')
        return true;
    return bench_run("ip", "link", "add", UPLINK, "type", "bridge", NULL) &&
           bench_run("ip", "addr", "add", UPLINK_IP, "dev", UPLINK, NULL) &&
           bench_run("ip", "link", "set", UPLINK, "up", NULL) &&
           bench_run("ip", "route", "add", "default", "dev", UPLINK, NULL);
}

static void
tear_down(Bench *bench)
{
    (void)bench;
    bench_remove_links();
}

bool
bench_bridge(const Bench *bench, BenchSide side)
{
    if (side != BENCH_REFERENCE)
        return bench_call(bench_side_bus(bench, side), NULL, "EnsureBridge", "sss", BENCH_BRIDGE,
                          BENCH_BRIDGE_IP, BENCH_PREFIX);
    if (bench_run("ip", "link", "show", BENCH_BRIDGE, NULL))
        return bench_run("ip", "link", "set", BENCH_BRIDGE, "up", NULL);
    return bench_run("ip", "link", "add", "name", BENCH_BRIDGE, "type", "bridge", NULL) &&
           bench_run("ip", "addr", "add", BENCH_BRIDGE_IP "/" BENCH_PREFIX, "dev", BENCH_BRIDGE,
                     NULL) &&
           bench_run("ip", "link", "set", BENCH_BRIDGE, "up", NULL);
}

bool
bench_tap(const Bench *bench, BenchSide side)
{
    g_autofree char *uid = g_strdup_printf("%u", bench->owner_uid);
    g_autofree char *gid = g_strdup_printf("%u", bench->owner_gid);

    if (side != BENCH_REFERENCE)
        return bench_call(bench_side_bus(bench, side), NULL, "CreateTap", "ssss", BENCH_BRIDGE,
                          BENCH_BRIDGE_IP, BENCH_PREFIX, BENCH_TAP);
    return bench_bridge(bench, side) &&
           bench_run("ip", "tuntap", "add", "dev", BENCH_TAP, "mode", "tap", "user", uid, "group",
                     gid, NULL) &&
           bench_run("ip", "link", "set", BENCH_TAP, "master", BENCH_BRIDGE, NULL) &&
           bench_run("sysctl", "-w", "net.ipv6.conf." BENCH_TAP ".disable_ipv6=1", NULL) &&
           bench_run("ip", "link", "set", BENCH_TAP, "up", NULL);
}

bool
bench_delete_tap(const Bench *bench, BenchSide side)
{
    if (side == BENCH_REFERENCE)
        return bench_run("ip", "link", "del", BENCH_TAP, NULL);
    return bench_call(bench_side_bus(bench, side), NULL, "DeleteTap", "s", BENCH_TAP);
}

/* One rule of the reference: there already, or added; or removed. */
static bool
rule(bool enable, const char *table, const char *chain, const char *in, const char *out,
     const char *target)
{
    const char *from = in == NULL ? "-s" : "-i";
    const char *what = in == NULL ? BENCH_GUEST_IP "/32" : in;

    if (!enable)
        return bench_run("iptables", "-t", table, "-D", chain, from, what, "-o", out, "-j", target,
                         NULL);
    return bench_run("iptables", "-t", table, "-C", chain, from, what, "-o", out, "-j", target,
                     NULL) ||
           bench_run("iptables", "-t", table, "-A", chain, from, what, "-o", out, "-j", target,
                     NULL);
}

static char *
find_uplink(void)
{
    g_autofree char *route = NULL;
    const char *dev;

    if (!bench_run_output(&route, "ip", "-4", "route", "show", "default", NULL) ||
        (dev = strstr(route, "dev ")) == NULL)
        return NULL;
    dev += strlen("dev ");
    return g_strndup(dev, strcspn(dev, " \n"));
}

bool
bench_nat(const Bench *bench, BenchSide side, bool enable)
{
    g_autofree char *uplink = NULL;

    if (side != BENCH_REFERENCE)
        return bench_call(bench_side_bus(bench, side), NULL, "EnsureNAT", "ssb", BENCH_GUEST_IP,
                          BENCH_TAP, (int)enable);
    uplink = find_uplink();
    if (uplink == NULL || (enable && !bench_run("sysctl", "-w", "net.ipv4.ip_forward=1", NULL)))
        return false;
    return rule(enable, "nat", "POSTROUTING", NULL, uplink, "MASQUERADE") &&
           rule(enable, "filter", "FORWARD", BENCH_TAP, uplink, "ACCEPT") &&
           rule(enable, "filter", "FORWARD", uplink, BENCH_TAP, "ACCEPT");
}

static bool
remove_links(Bench *bench, BenchSide side)
{
    (void)bench;
    (void)side;
    bench_remove_links();
    return true;
}

/* The kernel's part of a new bridge. */
static bool
make_bridge_bare(void)
{
    static const uint8_t mac[BANGER_MAC_LENGTH] = {0x02, 0, 0, 0, 0, 1};
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, NULL);
    BangerLinkAddress address = {.prefix = 24};
    BangerLink link;
    bool found = false;

    return netlink != NULL && banger_address_parse(BENCH_BRIDGE_IP, &address.address, NULL) &&
           banger_link_create_bridge(netlink, BENCH_BRIDGE, mac, NULL) &&
           banger_link_find(netlink, BENCH_BRIDGE, &link, &found, NULL) && found &&
           banger_link_add_address(netlink, link.index, &address, NULL) &&
           banger_link_change(netlink, &link,
                              &(BangerLinkChange){.alias = BANGER_LINK_ALIAS, .up = true}, NULL);
}

static bool
run_bridge(Bench *bench, BenchSide side)
{
    return side == BENCH_LEAST ? make_bridge_bare() : bench_bridge(bench, side);
}

/* The reference looks at what the helper looks at: the address, and that the guard is there. */
static bool
run_bridge_existing(Bench *bench, BenchSide side)
{
    if (side == BENCH_LEAST)
        return bench_ping(bench->root);
    return bench_bridge(bench, side) &&
           (side != BENCH_REFERENCE ||
            (bench_run("ip", "addr", "show", "dev", BENCH_BRIDGE, NULL) &&
             bench_run("nft", "list", "set", "inet", "banger", "bridges", NULL)));
}

static bool
set_up_bridge(Bench *bench)
{
    return bench_network_set_up(bench) && bench_bridge(bench, BENCH_ROOT);
}

static bool
remove_tap(Bench *bench, BenchSide side)
{
    (void)side;
    return if_nametoindex(BENCH_TAP) == 0 || bench_delete_tap(bench, BENCH_ROOT);
}

/* The helper does not know, and its tables still have the TAP when its name comes again. */
static bool
remove_tap_unseen(Bench *bench, BenchSide side)
{
    (void)side;
    return if_nametoindex(BENCH_TAP) == 0 || bench_delete_tap(bench, BENCH_REFERENCE);
}

static bool
run_tap(Bench *bench, BenchSide side)
{
    return bench_tap(bench, side);
}

static bool
make_tap(Bench *bench, BenchSide side)
{
    (void)side;
    return bench_tap(bench, BENCH_ROOT);
}

/* The least that ends a TAP: its persistence is taken away, and the last descriptor closed. */
static bool
delete_tap_bare(void)
{
    banger_autofd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    struct ifreq request = {.ifr_name = BENCH_TAP, .ifr_flags = IFF_TAP | IFF_NO_PI};

    return fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0 && ioctl(fd, TUNSETPERSIST, 0L) == 0;
}

static bool
run_delete_tap(Bench *bench, BenchSide side)
{
    return side == BENCH_LEAST ? delete_tap_bare() : bench_delete_tap(bench, side);
}

void
bench_settle_netfilter(void)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

    if (fd < 0)
        return;
    (void)bind(fd, (const struct sockaddr *)&address, sizeof address);
    (void)close(fd);
}

static bool
set_up_nat(Bench *bench)
{
    return bench_network_set_up(bench) && bench_tap(bench, BENCH_ROOT);
}

/* As on a host that has a VM already. */
static bool
set_up_nat_beside_another(Bench *bench)
{
    return set_up_nat(bench) &&
           bench_call(bench->root, NULL, "EnsureNAT", "ssb", BENCH_OTHER_GUEST_IP, BENCH_TAP, 1);
}

static bool
set_up_nat_enabled(Bench *bench)
{
    return set_up_nat(bench) && bench_nat(bench, BENCH_ROOT, true) &&
           bench_nat(bench, BENCH_REFERENCE, true);
}

/* Tables with the sets that EnsureNAT changes, under this name. */
#define BARE_TABLE "bench-bare"

/*
 * The very elements that EnsureNAT enters for the guest, the @first of its TAP or one more, but in
 * tables of our own.
 */
static GArray *
bare_elements(bool first)
{
    GArray *elements = banger_elements_new();
    BangerLabelGuest guest = {.nat = true};

    if (!banger_address_parse(BENCH_GUEST_IP, &guest.address, NULL))
        g_error("%s is no address", BENCH_GUEST_IP);
    banger_elements_add_guest(elements, BENCH_TAP, BENCH_BRIDGE, &guest);
    for (guint i = elements->len; i-- > 0;) {
        BangerFilterElement *element = &g_array_index(elements, BangerFilterElement, i);

        element->element.table = BARE_TABLE;
        if (!first && element->set == BANGER_SET_HAS4)
            g_array_remove_index(elements, i);
    }
    return elements;
}

/* What the kernel takes for one transaction as EnsureNAT's. */
static bool
change_elements_bare(bool first, bool add)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, NULL);
    g_autoptr(GArray) elements = bare_elements(first);
    g_autoptr(BangerNftBatch) batch = NULL;
    uint32_t generation = 0;

    if (netlink == NULL || !banger_nft_generation(netlink, &generation, NULL))
        return false;
    batch = banger_nft_batch_new(generation);
    for (guint i = 0; i < elements->len; i++) {
        const BangerNftElement *element = &g_array_index(elements, BangerFilterElement, i).element;

        if (add)
            banger_nft_batch_add(batch, element);
        else
            banger_nft_batch_delete(batch, element);
    }
    return banger_nft_batch_commit(netlink, batch) == 0;
}

static bool
make_bare_tables(void)
{
    g_autoptr(GString) commands =
        g_string_new("add table inet " BARE_TABLE "\nadd table bridge " BARE_TABLE "\n");
    g_autoptr(GArray) elements = bare_elements(true);

    for (guint i = 0; i < elements->len; i++) {
        const BangerSet *set = &banger_sets[g_array_index(elements, BangerFilterElement, i).set];

        g_string_append_printf(commands, "add set %s " BARE_TABLE " %s { %s; }\n",
                               banger_filter_family_name(set->family), set->name, set->type);
    }
    return banger_nft_run(commands->str, NULL);
}

static bool
set_up_new(Bench *bench)
{
    return set_up_nat(bench) && make_bare_tables();
}

static bool
set_up_one_more(Bench *bench)
{
    return set_up_nat_beside_another(bench) && make_bare_tables();
}

static bool
run_nat_new(Bench *bench, BenchSide side)
{
    return side == BENCH_LEAST ? change_elements_bare(true, true) : bench_nat(bench, side, true);
}

static bool
run_nat_one_more(Bench *bench, BenchSide side)
{
    return side == BENCH_LEAST ? change_elements_bare(false, true) : bench_nat(bench, side, true);
}

static bool
take_back_new(Bench *bench, BenchSide side)
{
    return side == BENCH_LEAST ? change_elements_bare(true, false) : bench_nat(bench, side, false);
}

static bool
take_back_one_more(Bench *bench, BenchSide side)
{
    return side == BENCH_LEAST ? change_elements_bare(false, false) : bench_nat(bench, side, false);
}

static void
delete_bare_tables(void)
{
    (void)banger_nft_run("delete table inet " BARE_TABLE "\ndelete table bridge " BARE_TABLE, NULL);
}

static void tear_down_nat(Bench *bench);

static void
tear_down_new(Bench *bench)
{
    tear_down_nat(bench);
    delete_bare_tables();
}

static bool
run_nat_existing(Bench *bench, BenchSide side)
{
    return side == BENCH_LEAST ? bench_ping(bench->root) : bench_nat(bench, side, true);
}

static void
tear_down_nat(Bench *bench)
{
    (void)bench_nat(bench, BENCH_ROOT, false);
    bench_remove_links();
}

static void
tear_down_one_more(Bench *bench)
{
    delete_bare_tables();
    (void)bench_call(bench->root, NULL, "EnsureNAT", "ssb", BENCH_OTHER_GUEST_IP, BENCH_TAP, 0);
    tear_down_nat(bench);
}

static void
tear_down_nat_enabled(Bench *bench)
{
    (void)bench_nat(bench, BENCH_REFERENCE, false);
    tear_down_nat(bench);
}

#define BARE_TRANSACTION "the same transaction by bare nfnetlink, which is the kernel's part"
#define NAT_PROCESSES "ip route show default; sysctl -w; 3 x iptables -C"

void
bench_network_cases(Bench *bench)
{
    static const BenchCase cases[] = {
        {.name = "EnsureBridge new",
         .reference = "ip link show; ip link add; ip addr add; ip link set up",
         .bar = 4,
         .least = "the bare netlink requests",
         .set_up = bench_network_set_up,
         .before = remove_links,
         .run = run_bridge,
         .tear_down = tear_down},
        {.name = "EnsureBridge existing",
         .reference = "ip link show; ip link set up; ip addr show; nft list set",
         .least = "an empty call (Peer.Ping)",
         .bar = 8,
         .set_up = set_up_bridge,
         .run = run_bridge_existing,
         .tear_down = tear_down},
        {.name = "CreateTap",
         .reference = "ip link show; ip link set up; ip tuntap add; 2 x ip link set; sysctl -w",
         .bar = 6,
         .set_up = set_up_bridge,
         .before = remove_tap,
         .run = run_tap,
         .tear_down = tear_down},
        {.name = "CreateTap after ip link del",
         .reference = "the same as for CreateTap",
         .set_up = set_up_bridge,
         .before = remove_tap_unseen,
         .run = run_tap,
         .tear_down = tear_down},
        {.name = "DeleteTap",
         .reference = "ip link del",
         .least = "the bare system calls",
         .set_up = set_up_bridge,
         .before = make_tap,
         .run = run_delete_tap,
         .tear_down = tear_down},
        {.name = "EnsureNAT one more",
         .reference = NAT_PROCESSES "; 3 x iptables -A",
         .bar = 10,
         .least = BARE_TRANSACTION,
         .set_up = set_up_one_more,
         .run = run_nat_one_more,
         .after = take_back_one_more,
         .tear_down = tear_down_one_more},
        {.name = "EnsureNAT new",
         .reference = NAT_PROCESSES "; 3 x iptables -A",
         .least = BARE_TRANSACTION,
         .bar = 10,
         .set_up = set_up_new,
         .run = run_nat_new,
         .after = take_back_new,
         .tear_down = tear_down_new},
        {.name = "EnsureNAT existing",
         .reference = NAT_PROCESSES,
         .least = "an empty call (Peer.Ping)",
         .bar = 10,
         .set_up = set_up_nat_enabled,
         .run = run_nat_existing,
         .tear_down = tear_down_nat_enabled},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        bench_compare(bench, &cases[i]);
    bench_guests(bench);
}
