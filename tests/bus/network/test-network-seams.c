/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the bus cannot show of the network methods: the same operations in this process, in a rig's
 * network, without the bus's order of calls: two threads at once, links that vanish, rules that are
 * flushed, a process killed in the middle, and others' changes as the kernel reports them.
 */
#include <linux/netlink.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "network/filter-watch.h"
#include "network/filter.h"
#include "network/network-settings.h"
#include "network/network.h"
#include "network/nft-batch.h"
#include "network/resolver.h"
#include "util/error.h"

static BangerSettings settings = {
    .owner_user = (char *)"banger",
    .owner_uid = RIG_UID_OWNER,
    .owner_gid = RIG_UID_OWNER,
};

static bool
create_tap(const char *tap, GError **error)
{
    const BangerRequest request = {
        .op_id = (char *)"op-test",
        .create_tap = {.bridge = {.bridge_name = (char *)"br-fc",
                                  .bridge_ip = {AF_INET, {172, 16, 0, 1}},
                                  .cidr = {.length = 24}},
                       .tap_name = (char *)(gsize)tap},
    };
    BangerReply reply = {0};

    return banger_op_create_tap(&settings, &request, &reply, error);
}

static bool
delete_tap(const char *tap, GError **error)
{
    const BangerRequest request = {.op_id = (char *)"op-test",
                                   .delete_tap = {.tap_name = (char *)(gsize)tap}};
    BangerReply reply = {0};

    return banger_op_delete_tap(&settings, &request, &reply, error);
}

/* With BANGER_DEBUG, on a host without resolved. */
static void
route_names(const char *op_id)
{
    const BangerRequest request = {
        .op_id = (char *)(gsize)op_id,
        .sync_resolver_routing = {.bridge_name = (char *)"br-fc",
                                  .server_addr = {{AF_INET, {172, 16, 0, 1}}, 53}},
    };
    BangerReply reply = {0};
    g_autoptr(GError) error = NULL;

    ck_assert(g_setenv("BANGER_DEBUG", "1", TRUE));
    ck_assert_msg(banger_op_sync_resolver_routing(&settings, &request, &reply, &error), "%s",
                  error == NULL ? "" : error->message);
    g_unsetenv("BANGER_DEBUG");
}

static bool
has_record(void *op_id)
{
    g_autoptr(GPtrArray) found = rig_journal_find("OP_ID", op_id);

    return found->len > 0;
}

static void
setup(void)
{
    network_clear_network();
}

static gpointer
create_and_delete(gpointer data)
{
    const char *tap = data;

    for (int round = 0; round < 100; round++) {
        g_autoptr(GError) error = NULL;

        /* The two race each other, so a TAP may be deleted while the other call is making it. */
        if (!create_tap(tap, &error))
            ck_assert_msg(!g_error_matches(error, BANGER_ERROR, BANGER_ERROR_NOT_MANAGED), "%s",
                          error->message);
        g_clear_error(&error);
        ck_assert_msg(delete_tap(tap, &error), "%s", error == NULL ? "" : error->message);
    }
    return NULL;
}

START_TEST(two_threads_with_one_name)
{
    GThread *threads[2];

    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("tap", create_and_delete, (gpointer) "tap-fc-same");
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        (void)g_thread_join(threads[i]);
    ck_assert(!network_link_exists("tap-fc-same"));
}
END_TEST

static gpointer
create_only(gpointer data)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(create_tap(data, &error), "%s", error == NULL ? "" : error->message);
    return NULL;
}

START_TEST(two_threads_create_one)
{
    for (int round = 0; round < 100; round++) {
        GThread *threads[2];

        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
            threads[i] = g_thread_new("tap", create_only, (gpointer) "tap-fc-same");
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
            (void)g_thread_join(threads[i]);
        if (round % 10 == 0) {
            network_assert_contains(network_run("ip -d link show dev tap-fc-same"),
                                    "persist on user banger");
            network_assert_contains(network_run("ip -d link show dev tap-fc-same"), "master br-fc");
            network_do("ip link del br-fc");
        }
        ck_assert(delete_tap("tap-fc-same", NULL));
    }
}
END_TEST

START_TEST(absent_resolved_is_noted_once)
{
    g_autoptr(GPtrArray) found = NULL;

    route_names("op-absent");
    /* When the later one is there, all of the earlier ones are. */
    route_names("op-later");
    rig_wait_for(has_record, (void *)"op-later", "the record that resolved is not there");
    found = rig_journal_find("OP_ID", "op-absent");
    ck_assert_uint_eq(found->len, 1);
    ck_assert_str_eq(g_hash_table_lookup(found->pdata[0], "PRIORITY"), "7");
    ck_assert_str_eq(g_hash_table_lookup(found->pdata[0], "BRIDGE_NAME"), "br-fc");
}
END_TEST

#ifdef BANGER_TEST_HOOKS
static void
delete_bridge(const char *tap)
{
    ck_assert(network_link_exists(tap));
    network_do("ip link del br-fc");
}

static void
delete_tap_itself(const char *tap)
{
    network_do("ip link del %s", tap);
}

static void
die(const char *tap)
{
    (void)tap;
    (void)raise(SIGKILL);
}

START_TEST(bridge_vanishes)
{
    g_autoptr(GError) error = NULL;

    banger_network_test_hook = delete_bridge;
    ck_assert(!create_tap("tap-fc-1", &error));
    ck_assert_str_ne(error->message, "");
    ck_assert(!network_link_exists("tap-fc-1"));
    ck_assert(!network_link_exists("br-fc"));
    g_clear_error(&error);
    /* A TAP that was there before stays. */
    banger_network_test_hook = NULL;
    ck_assert(create_tap("tap-fc-1", &error));
    network_do("ip link set tap-fc-1 nomaster");
    banger_network_test_hook = delete_bridge;
    ck_assert(!create_tap("tap-fc-1", &error));
    ck_assert(network_link_exists("tap-fc-1"));
    banger_network_test_hook = NULL;
}
END_TEST

START_TEST(tap_vanishes)
{
    g_autoptr(GError) error = NULL;

    banger_network_test_hook = delete_tap_itself;
    ck_assert(!create_tap("tap-fc-1", &error));
    ck_assert(g_error_matches(error, BANGER_ERROR, BANGER_ERROR_NOT_FOUND));
    banger_network_test_hook = NULL;
    ck_assert(!network_link_exists("tap-fc-1"));
    /* The bridge that this call made is undone too. */
    ck_assert(!network_link_exists("br-fc"));
}
END_TEST

static const char *const flush_steps[] = {"restored", "looked"};
static const char *step_to_flush_at;
static unsigned int flushes;

static void
flush_once(const char *step)
{
    if (g_str_equal(step, step_to_flush_at) && flushes++ == 0)
        network_do("nft flush ruleset");
}

/* Another program flushes the rules right after they were put back, as at its restart. */
START_TEST(flushed_in_between)
{
    g_autoptr(GError) error = NULL;

    step_to_flush_at = flush_steps[_i];
    flushes = 0;
    banger_filter_test_hook = flush_once;
    ck_assert_msg(create_tap("tap-fc-1", &error), "%s", error == NULL ? "" : error->message);
    banger_filter_test_hook = NULL;
    ck_assert_uint_gt(flushes, 1);
    network_assert_contains(network_run("nft list set inet banger bridges"), "br-fc");
    network_assert_contains(network_run("nft list set bridge banger taps"), "tap-fc-1");
    network_assert_contains(network_run("nft list table inet banger"), "hook forward");
}
END_TEST

START_TEST(killed_in_the_middle)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        banger_network_test_hook = die;
        (void)create_tap("tap-fc-1", NULL);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ck_assert(!network_link_exists("tap-fc-1"));
    /* What is left is the bridge, by its name and ours; the next call goes on from there. */
    ck_assert(create_tap("tap-fc-1", NULL));
}
END_TEST
#else
START_TEST(bridge_vanishes)
{
    harness_skip("built without --enable-test-hooks");
}
END_TEST
#define tap_vanishes bridge_vanishes
#define flushed_in_between bridge_vanishes
static const char *const flush_steps[] = {""};
#define killed_in_the_middle bridge_vanishes
#endif

static uint32_t
generation(void)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, NULL);
    uint32_t now = 0;

    ck_assert(netlink != NULL && banger_nft_generation(netlink, &now, NULL));
    return now;
}

/* Whether what @commands change spares our tables. */
static bool
spares(const char *commands)
{
    uint32_t before = generation();

    network_do("%s", commands);
    ck_assert_uint_ne(generation(), before);
    return banger_filter_watch_spares(before, generation());
}

START_TEST(changes_of_others_spare_ours)
{
    uint32_t before;

    banger_filter_watch_open();
    ck_assert(spares("nft add table inet other"));
    ck_assert(spares("nft add chain inet other one; nft add rule inet other one accept"));
    ck_assert(!spares("nft add table ip banger"));
    ck_assert(!spares("nft add chain ip banger one"));
    ck_assert(!spares("nft add rule ip banger one accept"));
    ck_assert(!spares("nft 'add set ip banger names { type ifname; }'"));
    ck_assert(!spares("nft 'add element ip banger names { lo }'"));
    ck_assert(!spares("nft flush set ip banger names"));
    ck_assert(!spares("nft flush chain ip banger one"));
    ck_assert(!spares("nft add table ip other; nft 'delete set ip banger names'"));
    ck_assert(!spares("nft delete table ip banger; nft delete table ip other"));
    ck_assert(!spares("nft 'add table ip6 other; add table ip6 banger; add table bridge other'"));
    ck_assert(!spares("nft flush ruleset"));
    ck_assert(spares("nft add table inet other"));

    /* What was known before does not count. */
    network_do("nft add table ip banger");
    ck_assert(spares("nft delete table inet other"));
    ck_assert(banger_filter_watch_spares(generation(), generation()));
    /* What was asked for, and what was not reported yet. */
    before = generation();
    ck_assert(spares("nft add table inet other"));
    ck_assert(!banger_filter_watch_spares(before, generation()));
    ck_assert(!banger_filter_watch_spares(generation(), generation() + 1));
}
END_TEST

/* More than the socket has room for, of which the last is reported again. */
START_TEST(changes_that_were_lost_are_not_spared)
{
    uint32_t before;

    banger_filter_watch_open();
    ck_assert(spares("nft add table inet other"));
    before = generation();
    ck_assert(!spares("nft add table ip banger; seq -f 'add chain inet other c%g' 5000 | "
                      "nft -f -"));
    ck_assert(spares("nft add table inet third"));
    network_do("nft add table inet fourth");
    ck_assert(!banger_filter_watch_spares(before, generation()));
    ck_assert(spares("nft add table inet fifth"));
    ck_assert(!spares("nft add table inet other; nft flush ruleset; nft add table ip banger; "
                      "seq -f 'add table inet t%g' 5000 | nft -f -; nft add table ip other"));
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/network-seams", argv, NULL);
    settings.network = banger_network_settings_new();
    suite = suite_create("network-seams");
    tcase = tcase_create("network-seams");
    tcase_add_checked_fixture(tcase, setup, network_forget);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, two_threads_with_one_name);
    tcase_add_test(tcase, two_threads_create_one);
    tcase_add_test(tcase, absent_resolved_is_noted_once);
    tcase_add_test(tcase, changes_of_others_spare_ours);
    tcase_add_test(tcase, changes_that_were_lost_are_not_spared);
    tcase_add_test(tcase, bridge_vanishes);
    tcase_add_test(tcase, tap_vanishes);
    tcase_add_loop_test(tcase, flushed_in_between, 0, (int)G_N_ELEMENTS(flush_steps));
    tcase_add_test(tcase, killed_in_the_middle);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/network-seams", suite);
}
