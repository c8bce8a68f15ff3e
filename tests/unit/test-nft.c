/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading nftables when the kernel refuses, and when there is nothing; requests that go together.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "lib/harness.h"
#include "network/nft.h"
#include "util/error.h"

/*
 * Kernels that the tests do not run on: the linker puts this in front of the real function
 * (--wrap), and every request is answered with this errno.
 */
static int answer;

int __wrap_banger_netlink_run(BangerNetlink *netlink, struct nl_msg *message,
                              BangerNetlinkReply *reply, gpointer data);

int
__wrap_banger_netlink_run(BangerNetlink *netlink, struct nl_msg *message, BangerNetlinkReply *reply,
                          gpointer data)
{
    (void)netlink;
    (void)message;
    (void)reply;
    (void)data;
    return answer;
}

static const struct {
    int answer;
    BangerErrorCode code;
} failures[] = {
    {EINVAL, BANGER_ERROR_NOT_SUPPORTED}, /* no such subsystem of nfnetlink */
    {EOPNOTSUPP, BANGER_ERROR_NOT_SUPPORTED},
    {EIO, BANGER_ERROR_OPERATION_FAILED},
};

START_TEST(failure_of_a_look)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, NULL);
    g_autoptr(GError) of_rules = NULL, of_table = NULL;
    int code = (int)failures[_i].code;

    if (netlink == NULL) {
        harness_skip("no NETLINK_NETFILTER in this kernel");
        return;
    }
    g_auto(BangerNftTable) table = {0};

    answer = failures[_i].answer;
    ck_assert_ptr_null(banger_nft_rules(netlink, NFPROTO_INET, "banger", NULL, &of_rules));
    ck_assert_msg(g_error_matches(of_rules, BANGER_ERROR, code), "%s", of_rules->message);
    ck_assert(!banger_nft_find_table(netlink, NFPROTO_INET, "banger", &table, &of_table));
    ck_assert_msg(g_error_matches(of_table, BANGER_ERROR, code), "%s", of_table->message);
}
END_TEST

/* What is not there has no rules, and is no failure. */
START_TEST(nothing_there)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, NULL);
    g_autoptr(GPtrArray) rules = NULL;

    if (netlink == NULL) {
        harness_skip("no NETLINK_NETFILTER in this kernel");
        return;
    }
    g_auto(BangerNftTable) table = {.exists = true};

    answer = ENOENT;
    rules = banger_nft_rules(netlink, NFPROTO_INET, "banger", NULL, NULL);
    ck_assert_ptr_nonnull(rules);
    ck_assert_uint_eq(rules->len, 0);
    ck_assert(banger_nft_find_table(netlink, NFPROTO_INET, "banger", &table, NULL));
    ck_assert(!table.exists);
}
END_TEST

#define LOOPBACK_INDEX 1 /* in each network namespace */
#define N_TOGETHER 30    /* more than go in one datagram */

static void
take_index(struct nlmsghdr *header, void *user_data)
{
    int *index = user_data;

    ck_assert_int_eq(*index, 0);
    ck_assert_int_eq(header->nlmsg_type, RTM_NEWLINK);
    *index = ((struct ifinfomsg *)nlmsg_data(header))->ifi_index;
}

/* Each request has its own answer, also beside one that the kernel refuses. */
static void
run_together(BangerNetlink *netlink, int refused)
{
    g_autoptr(BangerNetlinkBundle) bundle = banger_netlink_bundle_new();
    int found[N_TOGETHER] = {0};

    for (int i = 0; i < N_TOGETHER; i++) {
        const struct ifinfomsg info = {.ifi_index = i == refused ? INT_MAX : LOOPBACK_INDEX};
        g_autoptr(BangerNetlinkMessage) message =
            banger_netlink_message(RTM_GETLINK, 0, &info, sizeof info);

        banger_netlink_bundle_add(bundle, message, take_index, &found[i], NULL);
    }
    ck_assert_int_eq(banger_netlink_bundle_run(netlink, bundle), refused < 0 ? 0 : ENODEV);
    if (refused >= 0)
        ck_assert_str_eq(banger_netlink_words(netlink), g_strerror(ENODEV));
    /* All are sent, whatever became of those before. */
    for (int i = 0; i < N_TOGETHER; i++)
        ck_assert_int_eq(found[i], i == refused ? 0 : LOOPBACK_INDEX);
}

START_TEST(together)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_ROUTE, NULL);

    ck_assert_ptr_nonnull(netlink);
    run_together(netlink, -1);
    run_together(netlink, 0);
    run_together(netlink, N_TOGETHER - 1);
    /* An answer that was not waited for would come now. */
    run_together(netlink, -1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("nft");
    TCase *tcase = tcase_create("nft");

    tcase_add_loop_test(tcase, failure_of_a_look, 0, (int)G_N_ELEMENTS(failures));
    tcase_add_test(tcase, nothing_there);
    tcase_add_test(tcase, together);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/nft", suite);
}
