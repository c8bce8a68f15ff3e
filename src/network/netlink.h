/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <errno.h>
#include <glib.h>
#include <netlink/msg.h>
#include <stdbool.h>

#include "util/error.h"

/*
 * One netlink socket for one operation, on libnl: requests, their answers, and the kernel's own
 * reason when it refuses. A socket is used by one thread at a time: an operation opens one, and
 * closes it. A few of each protocol stay open for the next operations. That saves a dozen system
 * calls, and a wait: closing a socket of NETLINK_NETFILTER waits until the kernel has freed what
 * was deleted, which is after an RCU grace period (nft_rcv_nl_event() in nf_tables_api.c), some 10
 * ms.
 */
typedef struct BangerNetlink BangerNetlink;

/* Opens a socket of @protocol (NETLINK_ROUTE, NETLINK_NETFILTER). NULL with OperationFailed. */
BangerNetlink *banger_netlink_open(int protocol, GError **error);

void banger_netlink_close(BangerNetlink *netlink);

/*
 * Called with each message of an answer; its payload is only valid during the call, which must not
 * use the socket.
 */
typedef void BangerNetlinkReply(struct nlmsghdr *header, void *user_data);

/*
 * Sends @message, whose flags decide what kind of request it is (NLM_F_DUMP or not), and waits for
 * the end of the answer, at most 10 s. Each message of the answer goes to @reply; NULL if the
 * answer is only whether it was done. A dump that others changed meanwhile ends in EINTR: ask
 * again.
 *
 * Returns 0, or the positive errno of the kernel's refusal; banger_netlink_words() has its text.
 */
int banger_netlink_run(BangerNetlink *netlink, struct nl_msg *message, BangerNetlinkReply *reply,
                       void *user_data);

/*
 * Sends @messages, whole messages one after the other of which only the last asks for an
 * acknowledgement, in one datagram, and waits for that or for the first refusal of one of them, at
 * most 10 s. Their sequence numbers are set here. Returns as banger_netlink_run().
 */
int banger_netlink_run_batch(BangerNetlink *netlink, GByteArray *messages);

/* Appends a copy of @message to @messages, for banger_netlink_run_batch(). */
void banger_netlink_append(GByteArray *messages, const struct nl_msg *message);

/*
 * Requests that are sent together, a dozen in one datagram: the kernel takes one after the other,
 * and the caller waits once. Free with banger_netlink_bundle_free().
 */
typedef struct BangerNetlinkBundle BangerNetlinkBundle;

BangerNetlinkBundle *banger_netlink_bundle_new(void);

void banger_netlink_bundle_free(BangerNetlinkBundle *bundle);

/*
 * Adds a copy of @message, which asks for one thing, not for a dump; the answer goes to @reply.
 * *@ret_found is false after banger_netlink_bundle_run() if the kernel says ENOENT; with NULL that
 * is a refusal as all others.
 */
void banger_netlink_bundle_add(BangerNetlinkBundle *bundle, const struct nl_msg *message,
                               BangerNetlinkReply *reply, void *user_data, bool *ret_found);

/* Sends all of @bundle, once, and waits for all answers. Returns as banger_netlink_run(). */
int banger_netlink_bundle_run(BangerNetlink *netlink, BangerNetlinkBundle *bundle);

/* Called before a list is asked for: takes back what an earlier attempt has collected. */
typedef void BangerNetlinkRestart(void *user_data);

/*
 * As banger_netlink_run() for @message with NLM_F_DUMP, once more where others changed the list
 * meanwhile, up to 20 times. @restart and @reply are called with @user_data.
 */
int banger_netlink_dump(BangerNetlink *netlink, struct nl_msg *message,
                        BangerNetlinkRestart *restart, BangerNetlinkReply *reply, void *user_data);

/*
 * The text of the last refusal: the kernel's extended acknowledgement where there is one
 * (netlink(7), NETLINK_EXT_ACK), or else the text of the errno. Valid until the next request.
 */
const char *banger_netlink_words(const BangerNetlink *netlink);

/* The error code of an errno of banger_netlink_run() that means nothing special to the caller. */
static inline BangerErrorCode
banger_netlink_code(int errnum)
{
    return errnum == ETIMEDOUT ? BANGER_ERROR_TIMEOUT : BANGER_ERROR_OPERATION_FAILED;
}

/*
 * A new message of @type (with NLM_F_REQUEST and @flags) whose payload begins with the @size bytes
 * of @header, the fixed header that the family of @type wants. Free with nlmsg_free().
 */
struct nl_msg *banger_netlink_message(int type, int flags, const void *header, size_t size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerNetlink, banger_netlink_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerNetlinkBundle, banger_netlink_bundle_free)

typedef struct nl_msg BangerNetlinkMessage;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BangerNetlinkMessage, nlmsg_free)
