/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bridge gets another address: what a guest depends on stays, whatever else happens, and what
 * fails leaves the addresses as they were. The operations run in this process, in a rig's network,
 * since on the bus nothing comes in between where it matters.
 */
#include <sys/socket.h>

#include "bus/network/network-fixture.h"
#include "network/nat.h"
#include "network/network-settings.h"
#include "network/network.h"
#include "util/error.h"

#define ROUNDS 100

static BangerSettings settings = {
    .owner_user = (char *)"banger",
    .owner_uid = RIG_UID_OWNER,
    .owner_gid = RIG_UID_OWNER,
};

/* Networks of which the bridge has one or the other. */
typedef struct {
    BangerAddress bridge;
    BangerAddress guest;
    uint8_t prefix;
    const char *bridge_text; /* as ip(8) and nft(8) say it */
    const char *guest_text;
} Network;

static const Network networks[2][2] = {
    {{{AF_INET, {172, 16, 0, 1}}, {AF_INET, {172, 16, 0, 2}}, 24, "172.16.0.1", "172.16.0.2"},
     {{AF_INET, {172, 16, 1, 1}}, {AF_INET, {172, 16, 1, 2}}, 24, "172.16.1.1", "172.16.1.2"}},
    {{{AF_INET6, {0xfd, [15] = 1}}, {AF_INET6, {0xfd, [15] = 2}}, 64, "fd00::1", "fd00::2"},
     {{AF_INET6, {0xfd, 1, [15] = 1}}, {AF_INET6, {0xfd, 1, [15] = 2}}, 64, "fd01::1", "fd01::2"}},
};

static BangerBridge
bridge_in(const char *name, const Network *network)
{
    return (BangerBridge){
        .bridge_name = (char *)(gsize)name,
        .bridge_ip = network->bridge,
        .cidr = {.length = network->prefix},
    };
}

static bool
ensure_bridge(const char *name, const Network *network, GError **error)
{
    const BangerRequest request = {
        .op_id = (char *)"op-test",
        .ensure_bridge = bridge_in(name, network),
    };
    BangerReply reply = {0};
    bool done = banger_op_ensure_bridge(&settings, &request, &reply, error);

    g_free(reply.warning);
    return done;
}

static bool
create_tap_on(const char *bridge, const char *tap, const Network *network, GError **error)
{
    const BangerRequest request = {
        .op_id = (char *)"op-test",
        .create_tap = {.bridge = bridge_in(bridge, network), .tap_name = (char *)(gsize)tap},
    };
    BangerReply reply = {0};
    bool done = banger_op_create_tap(&settings, &request, &reply, error);

    g_free(reply.warning);
    return done;
}

static bool
create_tap(const char *tap, const Network *network, GError **error)
{
    return create_tap_on("br-fc", tap, network, error);
}

static bool
ensure_nat(const Network *network, bool enable, GError **error)
{
    const BangerRequest request = {
        .op_id = (char *)"op-test",
        .ensure_nat = {.guest_ip = network->guest, .tap = (char *)"tap-fc-1", .enable = enable},
    };
    BangerReply reply = {0};
    bool done = banger_op_ensure_nat(&settings, &request, &reply, error);

    g_free(reply.warning);
    return done;
}

static bool
has_address(const char *bridge, const Network *network)
{
    return network_true("ip -o addr show dev %s | grep -qF ' %s/%u '", bridge, network->bridge_text,
                        network->prefix);
}

/* The tables say the same of the bridge. */
static void
assert_address(const char *bridge, const Network *network, bool there)
{
    ck_assert_msg(has_address(bridge, network) == there, "%s: %s", bridge, network->bridge_text);
    ck_assert_msg(network_true("nft list set bridge banger known%c | grep -qE '[ ]%s comment "
                               "\"bridge %s\"'",
                               network->bridge.family == AF_INET ? '4' : '6', network->bridge_text,
                               bridge) == there,
                  "the tables: %s: %s", bridge, network->bridge_text);
}

/* br-fc in the first network of family _i, with the TAP tap-fc-1. */
static const Network *
make_bridge_and_tap(int family)
{
    ck_assert(create_tap("tap-fc-1", &networks[family][0], NULL));
    assert_address("br-fc", &networks[family][0], true);
    return networks[family];
}

typedef struct {
    const Network *networks;
    gint n_attempts;
    gint is_over;
} Readdressing;

/* The bridge has one address, then the other, as often as the guest lets it. */
static gpointer
readdress(gpointer data)
{
    Readdressing *readdressing = data;

    for (int at = 1; g_atomic_int_get(&readdressing->is_over) == 0; at ^= 1) {
        g_autoptr(GError) error = NULL;

        if (!ensure_bridge("br-fc", &readdressing->networks[at], &error))
            ck_assert_msg(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BUSY), "%s",
                          error->message);
        g_atomic_int_inc(&readdressing->n_attempts);
    }
    return NULL;
}

static bool
has_tried(void *data)
{
    const Readdressing *readdressing = data;

    return g_atomic_int_get(&readdressing->n_attempts) > 0;
}

/* A guest that is registered keeps the address of its bridge, however close the calls come. */
START_TEST(guest_beside_another_address)
{
    Readdressing readdressing = {.networks = make_bridge_and_tap(_i)};
    const gint64 begun_usec = g_get_monotonic_time();
    unsigned int n_registered = 0, n_refused = 0;
    GThread *thread = g_thread_new("bridge", readdress, &readdressing);

    for (unsigned int round = 0;
         rig_race_goes_on(begun_usec, round, ROUNDS, n_registered, n_refused); round++) {
        g_autoptr(GError) error = NULL;

        /* The lock is not a fair one: without this the other thread might never have it. */
        g_atomic_int_set(&readdressing.n_attempts, 0);
        rig_wait_for(has_tried, &readdressing, "the other thread");
        if (!ensure_nat(&networks[_i][0], true, &error)) {
            ck_assert_msg(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_BAD_PARAMS), "%s",
                          error->message);
            n_refused++;
            continue;
        }
        n_registered++;
        ck_assert(has_address("br-fc", &networks[_i][0]));
        ck_assert_msg(ensure_nat(&networks[_i][0], false, &error), "%s",
                      error == NULL ? "" : error->message);
    }
    g_atomic_int_set(&readdressing.is_over, 1);
    (void)g_thread_join(thread);
    ck_assert_uint_gt(n_registered, 0);
    ck_assert_uint_gt(n_refused, 0); /* the bridge had the other address */
}
END_TEST

#ifdef BANGER_TEST_HOOKS
/* What happens before the TAP of CreateTap fails; NULL: nothing. */
static void (*meanwhile)(void);
static const Network *other;

static void
fail_create_tap(const char *tap)
{
    banger_network_test_hook = NULL;
    if (meanwhile != NULL)
        meanwhile();
    network_do("ip link del %s", tap);
}

/* CreateTap with another network of the bridge fails when the bridge has it already. */
static void
check_create_tap_fails(const Network *network, void (*do_meanwhile)(void))
{
    g_autoptr(GError) error = NULL;

    other = network;
    meanwhile = do_meanwhile;
    banger_network_test_hook = fail_create_tap;
    ck_assert(!create_tap("tap-fc-2", network, &error));
    ck_assert_msg(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_NOT_FOUND), "%s",
                  error->message);
    ck_assert(!network_link_exists("tap-fc-2"));
}

START_TEST(failure_puts_the_address_back)
{
    const Network *both = make_bridge_and_tap(_i);

    check_create_tap_fails(&both[1], NULL);
    assert_address("br-fc", &both[0], true);
    assert_address("br-fc", &both[1], false);
}
END_TEST

/* The bridge had none of that family: it is without one again, and keeps that of the other. */
START_TEST(failure_takes_the_new_address_away)
{
    const Network *both = make_bridge_and_tap(_i);
    const Network *of_other_family = networks[!_i];

    check_create_tap_fails(&of_other_family[0], NULL);
    assert_address("br-fc", &both[0], true);
    assert_address("br-fc", &of_other_family[0], false);
}
END_TEST

/* Two addresses of one network come back as they were: which is the host's own among them, too. */
START_TEST(failure_puts_two_addresses_back)
{
    const Network *both = make_bridge_and_tap(_i);
    g_autofree char *before = NULL;

    network_do("ip addr add %s dev br-fc", _i == 0 ? "172.16.0.9/24" : "fd00::9/64 nodad");
    before = g_strdup(network_run("ip -o addr show dev br-fc scope global"));
    check_create_tap_fails(&both[1], NULL);
    ck_assert_str_eq(network_run("ip -o addr show dev br-fc scope global"), before);
}
END_TEST

/* A bridge that was made and is gone again leaves nothing in the tables of another. */
START_TEST(failure_leaves_nothing_of_a_new_bridge)
{
    const Network *both = networks[_i];

    ck_assert(ensure_bridge("br-fc2", &both[0], NULL));
    check_create_tap_fails(&both[1], NULL);
    ck_assert(!network_link_exists("br-fc"));
    network_assert_lacks(network_run("nft list ruleset"), "\"bridge br-fc\"");
    network_assert_contains(network_run("nft list ruleset"), "\"bridge br-fc2\"");
}
END_TEST

/* And another program takes the bridge's address out of the tables. */
static void
register_guest(void)
{
    ck_assert(ensure_nat(other, true, NULL));
    network_do("nft delete element bridge banger known%c '{ %s }'",
               other->bridge.family == AF_INET ? '4' : '6', other->bridge_text);
}

/* It is not taken back from a guest that depends on it by now; the tables say it all the same. */
START_TEST(failure_leaves_the_address_to_a_guest)
{
    const Network *both = make_bridge_and_tap(_i);

    check_create_tap_fails(&both[1], register_guest);
    assert_address("br-fc", &both[1], true);
    assert_address("br-fc", &both[0], false);
    ck_assert(ensure_nat(&both[1], false, NULL));
    ck_assert(ensure_bridge("br-fc", &both[0], NULL));
    assert_address("br-fc", &both[0], true);
    assert_address("br-fc", &both[1], false);
}
END_TEST

static void
make_another_bridge(void)
{
    const Network *former = &networks[other->bridge.family == AF_INET ? 0 : 1][0];
    g_autoptr(GError) error = NULL;

    ck_assert_msg(ensure_bridge("br-fc2", former, &error), "%s",
                  error == NULL ? "" : error->message);
}

/* The former address is in the way of another program's by now, as it may be: it comes back. */
static void
make_another_link(void)
{
    const Network *former = &networks[other->bridge.family == AF_INET ? 0 : 1][0];

    network_do("ip link add br-site type bridge && ip link set br-site up && "
               "ip addr add %s/%u dev br-site",
               former->guest_text, former->prefix);
}

START_TEST(failure_puts_back_beside_another_program)
{
    const Network *both = make_bridge_and_tap(_i);

    check_create_tap_fails(&both[1], make_another_link);
    assert_address("br-fc", &both[0], true);
    assert_address("br-fc", &both[1], false);
}
END_TEST

/* The bridge is deleted, and made anew by another call: what that has is left alone. */
static void
replace_bridge(void)
{
    network_do("ip link del br-fc");
    ck_assert(ensure_bridge("br-fc", other, NULL));
}

START_TEST(failure_spares_another_bridge_of_that_name)
{
    const Network *both = make_bridge_and_tap(_i);

    check_create_tap_fails(&both[1], replace_bridge);
    assert_address("br-fc", &both[1], true);
    assert_address("br-fc", &both[0], false);
}
END_TEST

/* What was the bridge's address is that of a guest of another bridge by now, and stays one. */
static void
make_guest_of_that_address(void)
{
    const Network *both = networks[other->bridge.family == AF_INET ? 0 : 1];
    Network beside = both[0];

    beside.bridge = both[0].guest;
    beside.guest = both[0].bridge;
    network_do("ip link del tap-fc-1");
    ck_assert(ensure_bridge("br-fc2", &beside, NULL));
    ck_assert(create_tap_on("br-fc2", "tap-fc-1", &beside, NULL));
    ck_assert(ensure_nat(&beside, true, NULL));
}

START_TEST(failure_takes_no_guest_from_the_tables)
{
    const Network *both = make_bridge_and_tap(_i);

    check_create_tap_fails(&both[1], make_guest_of_that_address);
    ck_assert(!has_address("br-fc", &both[0]));
    network_assert_contains(network_run("nft list set bridge banger known%c", _i == 0 ? '4' : '6'),
                            both[0].bridge_text);
}
END_TEST

/* The former address has gone to another bridge, and is that one's. */
START_TEST(failure_takes_no_address_from_another)
{
    const Network *both = make_bridge_and_tap(_i);

    check_create_tap_fails(&both[1], make_another_bridge);
    assert_address("br-fc2", &both[0], true);
    ck_assert(!has_address("br-fc", &both[0]));
    assert_address("br-fc", &both[1], false);
}
END_TEST
#endif

/*
 * CreateMachine takes back what it did to the bridge when it fails later on: not while another port
 * has come, whose guest may be about to be registered, but with those that were there.
 */
START_TEST(undo_spares_a_new_port)
{
    const Network *both = make_bridge_and_tap(_i);
    const BangerCreateTapRequest create = {bridge_in("br-fc", &both[1]), (char *)"tap-fc-2"};
    g_auto(BangerBridgeChange) change = {0};
    BangerReply reply = {0};

    ck_assert(banger_network_create_tap(&settings, &create, NULL, &change, &reply, NULL));
    g_free(reply.warning);
    ck_assert(create_tap("tap-fc-3", &both[1], NULL));
    banger_network_restore_bridge(&settings, &create.bridge, &change);
    assert_address("br-fc", &both[1], true);
    assert_address("br-fc", &both[0], false);
    network_do("ip link del tap-fc-3");
    banger_network_restore_bridge(&settings, &create.bridge, &change);
    assert_address("br-fc", &both[1], false);
    assert_address("br-fc", &both[0], true);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/readdress", argv, NULL);
    settings.network = banger_network_settings_new();
    suite = suite_create("readdress");
    tcase = tcase_create("readdress");
    tcase_add_checked_fixture(tcase, network_clear_network, network_forget);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, guest_beside_another_address, 0, 2);
    tcase_add_loop_test(tcase, undo_spares_a_new_port, 0, 2);
#ifdef BANGER_TEST_HOOKS
    tcase_add_loop_test(tcase, failure_puts_the_address_back, 0, 2);
    tcase_add_loop_test(tcase, failure_puts_two_addresses_back, 0, 2);
    tcase_add_loop_test(tcase, failure_leaves_nothing_of_a_new_bridge, 0, 2);
    tcase_add_loop_test(tcase, failure_puts_back_beside_another_program, 0, 2);
    tcase_add_loop_test(tcase, failure_spares_another_bridge_of_that_name, 0, 2);
    tcase_add_loop_test(tcase, failure_takes_the_new_address_away, 0, 2);
    tcase_add_loop_test(tcase, failure_leaves_the_address_to_a_guest, 0, 2);
    tcase_add_loop_test(tcase, failure_takes_no_address_from_another, 0, 2);
    tcase_add_loop_test(tcase, failure_takes_no_guest_from_the_tables, 0, 2);
#endif
    suite_add_tcase(suite, tcase);
    return harness_run("bus/readdress", suite);
}
