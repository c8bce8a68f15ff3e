/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/filter-watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "network/filter-rules.h"
#include "util/fd.h"

#define N_BUFFERS 16
#define BUFFER_SIZE 8192    /* one datagram of the kernel's is no larger: NLMSG_GOODSIZE */
#define DATAGRAMS_MAX 10000 /* more than it has room for: others may add as fast as we read */
#define TABLE_NAME 1        /* NFTA_TABLE_NAME, and NFTA_…_TABLE of all that is in a table */

static int fd = -1;

/* What has been read since the question was put. */
typedef struct {
    uint32_t generation; /* the last one of which nothing is ours */
    bool ours;           /* that is in the reports since the last generation */
    bool unknown;        /* a report is missing */
} Reports;

void
banger_filter_watch_open(void)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                        .nl_groups = 1u << (NFNLGRP_NFTABLES - 1)};

    if (fd >= 0)
        return;
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        banger_close_fd(&fd);
}

/* Takes the end of a transaction: the generation that it made. */
static void
take_generation(struct nlmsghdr *header, Reports *reports)
{
    struct nlattr *id = nlmsg_find_attr(header, sizeof(struct nfgenmsg), NFTA_GEN_ID);
    uint32_t generation = id != NULL ? ntohl(nla_get_u32(id)) : 0;

    /* Not one that was known already, as those that we made are. */
    if (id == NULL || (int32_t)(generation - reports->generation) > 0) {
        reports->unknown |= reports->ours || generation != reports->generation + 1;
        reports->generation = generation;
    }
    reports->ours = false;
}

static void
take_message(struct nlmsghdr *header, Reports *reports)
{
    struct nlattr *table;

    if (header->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN)) {
        take_generation(header, reports);
        return;
    }
    table = nlmsg_find_attr(header, sizeof(struct nfgenmsg), TABLE_NAME);
    reports->ours |= table == NULL || nla_strcmp(table, BANGER_FILTER_TABLE) == 0;
}

/* Takes a datagram, which is in @buffer. */
static void
take_datagram(void *buffer, const struct mmsghdr *datagram, Reports *reports)
{
    const struct sockaddr_nl *sender = datagram->msg_hdr.msg_name;
    struct nlmsghdr *header = buffer;
    int left = (int)datagram->msg_len;

    /* Only the kernel's reports count. */
    if (sender->nl_pid != 0)
        return;
    reports->unknown |= (datagram->msg_hdr.msg_flags & MSG_TRUNC) != 0;
    for (; nlmsg_ok(header, left); header = nlmsg_next(header, &left))
        take_message(header, reports);
}

/* Reads the next datagrams. How many; 0 after the last one. */
static int
take_some(Reports *reports)
{
    static char buffers[N_BUFFERS][BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
    struct mmsghdr datagrams[N_BUFFERS] = {0};
    struct sockaddr_nl senders[N_BUFFERS] = {0};
    struct iovec parts[N_BUFFERS];
    int n;

    for (int i = 0; i < N_BUFFERS; i++) {
        parts[i] = (struct iovec){.iov_base = buffers[i], .iov_len = BUFFER_SIZE};
        datagrams[i].msg_hdr = (struct msghdr){
            .msg_name = &senders[i],
            .msg_namelen = sizeof senders[i],
            .msg_iov = &parts[i],
            .msg_iovlen = 1,
        };
    }
    n = recvmmsg(fd, datagrams, N_BUFFERS, 0, NULL);
    if (n < 0) {
        reports->unknown |= errno != EAGAIN;
        return errno == ENOBUFS ? 1 : 0;
    }
    for (int i = 0; i < n; i++)
        take_datagram(buffers[i], &datagrams[i], reports);
    return n;
}

bool
banger_filter_watch_spares(uint32_t from, uint32_t to)
{
    Reports reports = {.generation = from};
    int n = 0, some = 1;

    for (; fd >= 0 && n < DATAGRAMS_MAX && some > 0; n += some)
        some = take_some(&reports);
    /* Losses are reported once until all has been read: begin anew. */
    if (some > 0)
        banger_close_fd(&fd);
    return fd >= 0 && !reports.unknown && !reports.ours && reports.generation == to;
}
