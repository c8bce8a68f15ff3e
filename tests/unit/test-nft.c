/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading nftables when the kernel refuses, and when there is nothing. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>

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
    bool exists;

    if (netlink == NULL) {
        harness_skip("no NETLINK_NETFILTER in this kernel");
        return;
    }
    g_autofree char *comment = NULL;

    answer = failures[_i].answer;
    ck_assert_ptr_null(banger_nft_rules(netlink, NFPROTO_INET, "banger", NULL, &of_rules));
    ck_assert_msg(g_error_matches(of_rules, BANGER_ERROR, code), "%s", of_rules->message);
    ck_assert(
        !banger_nft_find_table(netlink, NFPROTO_INET, "banger", &exists, &comment, &of_table));
    ck_assert_msg(g_error_matches(of_table, BANGER_ERROR, code), "%s", of_table->message);
}
END_TEST

/* What is not there has no rules, and is no failure. */
START_TEST(nothing_there)
{
    g_autoptr(BangerNetlink) netlink = banger_netlink_open(NETLINK_NETFILTER, NULL);
    g_autoptr(GPtrArray) rules = NULL;
    bool exists = true;

    if (netlink == NULL) {
        harness_skip("no NETLINK_NETFILTER in this kernel");
        return;
    }
    g_autofree char *comment = NULL;

    answer = ENOENT;
    rules = banger_nft_rules(netlink, NFPROTO_INET, "banger", NULL, NULL);
    ck_assert_ptr_nonnull(rules);
    ck_assert_uint_eq(rules->len, 0);
    ck_assert(banger_nft_find_table(netlink, NFPROTO_INET, "banger", &exists, &comment, NULL));
    ck_assert(!exists);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("nft");
    TCase *tcase = tcase_create("nft");

    tcase_add_loop_test(tcase, failure_of_a_look, 0, (int)G_N_ELEMENTS(failures));
    tcase_add_test(tcase, nothing_there);
    suite_add_tcase(suite, tcase);
    return harness_run("unit/nft", suite);
}
