/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Guests that run on while the helper is another one: upgraded from version 1.0, put in the place
 * of the older helper, killed again and again.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "bus/network/network-peers.h"
#include "util/settings.h"

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

/* The table of version 1.0 with one guest of each family, as that wrote it. */
#define FIRST_TABLE                                                                                \
    "table inet banger {\n"                                                                        \
    "  set taps4 { type ipv4_addr . ifname . ifname; elements = { 172.16.0.2 . \"br-fc\" . "       \
    "\"tap-fc-1\" }; }\n"                                                                          \
    "  set taps6 { type ipv6_addr . ifname . ifname; elements = { fd00:16::2 . \"br-fc\" . "       \
    "\"tap-fc-1\" }; }\n"                                                                          \
    "  set guests4 { type ipv4_addr . ifname; elements = { 172.16.0.2 . \"br-fc\" }; }\n"          \
    "  set guests6 { type ipv6_addr . ifname; elements = { fd00:16::2 . \"br-fc\" }; }\n"          \
    "  set bridges { type ifname; elements = { \"br-fc\" }; }\n"                                   \
    "  chain postrouting { type nat hook postrouting priority 100; policy accept;\n"               \
    "    ip saddr . iifname @guests4 ip saddr . oifname != @guests4 masquerade comment "           \
    "\"org.banger.Helper1/1 masquerade, v4\"\n"                                                    \
    "    ip6 saddr . iifname @guests6 ip6 saddr . oifname != @guests6 masquerade comment "         \
    "\"org.banger.Helper1/1 masquerade, v6\"\n"                                                    \
    "  }\n"                                                                                        \
    "}\n"

START_TEST(first_version_is_replaced)
{
    int flow, flow6;

    /* Links as version 1.0 left them: marked, and no more in the alias than that. */
    peers_make_with_guest(bus);
    network_do("nft flush ruleset; echo 1 > /proc/sys/net/ipv4/ip_forward; "
               "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    network_do("cat > /run/first <<'E'\n%sE\nnft -f /run/first", FIRST_TABLE);
    rig_stop_service(BANGER_BUS_NAME, SIGTERM);
    flow = peers_open_flow("guest", PEERS_ADDRESS);
    flow6 = peers_open_flow("guest", PEERS_ADDRESS6);
    peers_assert_flow(flow, PEERS_HOST);
    peers_assert_flow(flow6, PEERS_HOST6);
    peers_start_traffic("guest", PEERS_ADDRESS);
    peers_start_traffic("guest", PEERS_ADDRESS6);
    peers_assert_traffic();
    /* Any call. */
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "172.16.0.1", "24", "");
    peers_assert_flow(flow, PEERS_HOST);
    peers_assert_flow(flow6, PEERS_HOST6);
    peers_assert_traffic();
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    network_assert_contains(network_run("ip link show tap-fc-1"),
                            "alias org.banger.Helper1 172.16.0.2 fd00:16::2");
    network_assert_lacks(network_run("nft list ruleset"), "org.banger.Helper1/1");
    (void)close(flow);
    (void)close(flow6);
}
END_TEST

/*
 * The older helper's bridge: guests go out by rules that are not ours, as before, until they are
 * registered.
 */
START_TEST(guests_of_the_older_helper_go_on)
{
    int flow;

    peers_make();
    network_do("ip link add br-fc type bridge && ip addr add 172.16.0.1/24 dev br-fc && "
               "ip link set br-fc up && ip tuntap add tap-fc-1 mode tap user banger && "
               "ip link set tap-fc-1 master br-fc up; echo 1 > /proc/sys/net/ipv4/ip_forward; "
               "iptables -t nat -A POSTROUTING -s " PEERS_GUEST " -o uplink -j MASQUERADE");
    peers_make_guest("guest", "tap-fc-1", PEERS_GUEST "/24", "172.16.0.1");
    flow = peers_open_flow("guest", PEERS_ADDRESS);
    peers_assert_flow(flow, PEERS_HOST);
    peers_start_traffic("guest", PEERS_ADDRESS);
    peers_assert_traffic();
    rig_call_ok(bus, "CreateTap", "sssss", "br-fc", "172.16.0.1", "24", "tap-fc-2", "");
    peers_assert_traffic();
    peers_assert_flow(flow, PEERS_HOST);
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    network_assert_contains(network_run("nft list set bridge banger open"), "tap-fc-1");
    /* As wg-quick does; and one who has no mark at all left. */
    network_do("nft 'table ip other { chain premangle { type filter hook prerouting priority -150; "
               "meta l4proto udp meta mark set ct mark; }; }'");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    network_do("nft 'add rule ip other premangle meta mark set 0'");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    peers_assert_traffic();
    /* The connection does not keep it. */
    network_do("nft 'table ip later { chain in { type filter hook postrouting priority 300; "
               "ct mark & 0xff000000 != 0 counter drop; }; }'");
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    peers_assert_traffic();
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    network_assert_lacks(network_run("nft list set bridge banger open"), "tap-fc-1");
    peers_assert_traffic();
    peers_assert_flow(flow, PEERS_HOST);
    peers_assert_answer("guest", PEERS_ADDRESS, PEERS_HOST);
    (void)close(flow);
}
END_TEST

#define CALLERS 64u
#define GUESTS_PER_TAP 4u /* as many as a TAP may have */
#define TAPS_PER_BRIDGE 1000u
#define KILLS 20u

/* $BANGER_TEST_GUESTS, or as many as take seconds. The whole: 10000. */
static unsigned int
count_guests(void)
{
    return (unsigned int)harness_number("BANGER_TEST_GUESTS", 256);
}

static unsigned int
count_taps(void)
{
    return (count_guests() + GUESTS_PER_TAP - 1) / GUESTS_PER_TAP;
}

/* The guest @i, its TAP and its bridge's address; free them with g_free(). */
static char *
guest_of(unsigned int i)
{
    unsigned int tap = i / GUESTS_PER_TAP;
    unsigned int within = (tap % TAPS_PER_BRIDGE) * GUESTS_PER_TAP + i % GUESTS_PER_TAP;

    return g_strdup_printf("10.%u.%u.%u", tap / TAPS_PER_BRIDGE, 1 + within / 200,
                           1 + within % 200);
}

static sd_bus *callers[CALLERS];

typedef sd_bus_message *Fill(sd_bus *caller, unsigned int i);

static sd_bus_message *
fill_tap(sd_bus *caller, unsigned int i)
{
    sd_bus_message *message = rig_message_new(caller, "CreateTap");
    g_autofree char *bridge = g_strdup_printf("br-fc%u", i / TAPS_PER_BRIDGE);
    g_autofree char *address = g_strdup_printf("10.%u.0.1", i / TAPS_PER_BRIDGE);
    g_autofree char *tap = g_strdup_printf("tap-fc-%u", i);

    ck_assert_int_ge(sd_bus_message_append(message, "sssss", bridge, address, "16", tap, ""), 0);
    return message;
}

static sd_bus_message *
fill_delete(sd_bus *caller, unsigned int i)
{
    sd_bus_message *message = rig_message_new(caller, "DeleteTap");
    g_autofree char *tap = g_strdup_printf("tap-fc-%u", i);

    ck_assert_int_ge(sd_bus_message_append(message, "ss", tap, ""), 0);
    return message;
}

static bool *wanted; /* by guest: whether it is to be registered */

static sd_bus_message *
fill_nat(sd_bus *caller, unsigned int i)
{
    sd_bus_message *message = rig_message_new(caller, "EnsureNAT");
    g_autofree char *tap = g_strdup_printf("tap-fc-%u", i / GUESTS_PER_TAP);
    g_autofree char *guest = guest_of(i);

    ck_assert_int_ge(sd_bus_message_append(message, "ssbs", guest, tap, (int)wanted[i], ""), 0);
    return message;
}

/*
 * Has the callers make the calls of @order, one each at a time; @kills: so often the helper is
 * killed meanwhile, and calls may fail.
 */
static void
call_all(Fill *fill, const unsigned int *order, unsigned int n, unsigned int kills)
{
    unsigned int rounds = (n + CALLERS - 1) / CALLERS;

    for (unsigned int round = 0; round < rounds; round++) {
        unsigned int first = round * CALLERS;
        unsigned int size = MIN(CALLERS, n - first);
        RigPending *pending[CALLERS];

        for (unsigned int i = 0; i < size; i++)
            pending[i] = rig_call_start(callers[i], fill(callers[i], order[first + i]));
        for (unsigned int kill = round * kills / rounds; kill < (round + 1) * kills / rounds;
             kill++)
            rig_stop_service(BANGER_BUS_NAME, SIGKILL);
        for (unsigned int i = 0; i < size; i++) {
            rig_pending_wait(callers[i], pending[i]);
            if (kills == 0)
                ck_assert_msg(pending[i]->error_message == NULL, "%s", pending[i]->error_message);
            rig_pending_free(pending[i]);
        }
    }
}

/* 0 to @n - 1 in random order; free it with g_free(). */
static unsigned int *
shuffle(GRand *random, unsigned int n)
{
    unsigned int *order = g_new(unsigned int, n);

    for (unsigned int i = 0; i < n; i++) {
        unsigned int at = (unsigned int)g_rand_int_range(random, 0, (int)i + 1);

        order[i] = order[at];
        order[at] = i;
    }
    return order;
}

static int
compare_texts(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The set @set has the guests wanted, and no others. */
static void
assert_registered(const char *set)
{
    g_autoptr(GPtrArray) guests = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) text = g_string_new("");

    for (unsigned int i = 0; i < count_guests(); i++)
        if (wanted[i])
            g_ptr_array_add(guests, guest_of(i));
    g_ptr_array_sort(guests, compare_texts);
    for (unsigned int i = 0; i < guests->len; i++)
        g_string_append_printf(text, "%s\n", (char *)g_ptr_array_index(guests, i));
    ck_assert_str_eq(network_run("nft list set %s | grep -o '10[.][0-9]*[.][0-9]*[.][0-9]*' | "
                                 "grep -v '[.]0[.]1$' | LC_ALL=C sort || :",
                                 set),
                     text->str);
}

static void
assert_all(void)
{
    assert_registered("inet banger guests4");
    assert_registered("bridge banger source4");
    assert_registered("bridge banger known4");
}

START_TEST(killed_twenty_times)
{
    unsigned int n = count_guests();
    unsigned int taps = count_taps();
    g_autoptr(GRand) random = g_rand_new_with_seed(15);
    g_autofree unsigned int *order = shuffle(random, n);
    g_autofree unsigned int *tap_order = shuffle(random, taps);

    wanted = g_new0(bool, n);
    for (unsigned int i = 0; i < CALLERS; i++)
        callers[i] = rig_bus_open(0);
    call_all(fill_tap, tap_order, taps, 0);
    for (unsigned int i = 0; i < n; i++)
        wanted[i] = g_rand_boolean(random);
    call_all(fill_nat, order, n, KILLS / 2);
    for (unsigned int i = 0; i < n; i++)
        wanted[i] = g_rand_boolean(random);
    call_all(fill_nat, order, n, KILLS / 2);
    /* What was killed is asked for again. */
    call_all(fill_nat, order, n, 0);
    assert_all();
    call_all(fill_delete, tap_order, taps, 0);
    memset(wanted, 0, n * sizeof wanted[0]);
    assert_all();
    for (unsigned int i = 0; i < CALLERS; i++)
        sd_bus_flush_close_unref(callers[i]);
    g_free(wanted);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/upgrade", argv, NULL);
    suite = suite_create("upgrade");
    tcase = tcase_create("upgrade");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 1800);
    tcase_add_test(tcase, first_version_is_replaced);
    tcase_add_test(tcase, guests_of_the_older_helper_go_on);
    tcase_add_test(tcase, killed_twenty_times);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/upgrade", suite);
}
