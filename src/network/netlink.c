/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "util/error.h"

#define RECEIVE_BUFFER 32768 /* what the kernel fills at most in one part of a dump */
#define WAIT_SEC 10
#define N_SPARES 4 /* of each protocol: an operation has two open, and others run beside it */

struct BangerNetlink {
    struct nl_sock *socket;
    int protocol;
    bool broken; /* an answer may still come, or never */
    char *words;
};

static GMutex spares_lock;
static BangerNetlink *spares[MAX_LINKS][N_SPARES]; /* by protocol; NULL where there is none */

static BangerNetlink *
take_spare(int protocol)
{
    BangerNetlink *netlink = NULL;

    g_mutex_lock(&spares_lock);
    for (size_t i = 0; netlink == NULL && i < N_SPARES; i++)
        netlink = g_steal_pointer(&spares[protocol][i]);
    g_mutex_unlock(&spares_lock);
    return netlink;
}

/* Whether @netlink is kept. */
static bool
keep_spare(BangerNetlink *netlink)
{
    bool kept = false;

    if (netlink->broken)
        return false;
    g_mutex_lock(&spares_lock);
    for (size_t i = 0; !kept && i < N_SPARES; i++)
        if (spares[netlink->protocol][i] == NULL) {
            spares[netlink->protocol][i] = netlink;
            kept = true;
        }
    g_mutex_unlock(&spares_lock);
    return kept;
}

static void
free_netlink(BangerNetlink *netlink)
{
    if (netlink->socket != NULL)
        nl_socket_free(netlink->socket);
    g_free(netlink->words);
    g_free(netlink);
}

/* Whether the socket could be made what banger_netlink_run() needs. */
static bool
connect_socket(BangerNetlink *netlink, GError **error)
{
    const struct timeval wait = {.tv_sec = WAIT_SEC};
    const int on = 1;
    int result, fd;

    /* Port 0: the kernel picks one. libnl's own choice is a table that all threads share. */
    nl_socket_set_local_port(netlink->socket, 0);
    result = nl_connect(netlink->socket, netlink->protocol);
    if (result < 0)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "cannot open a netlink socket: %s", nl_geterror(result));
    nl_socket_disable_msg_peek(netlink->socket);
    nl_socket_disable_auto_ack(netlink->socket);
    (void)nl_socket_set_msg_buf_size(netlink->socket, RECEIVE_BUFFER);
    fd = nl_socket_get_fd(netlink->socket);
    /* All three only add comfort: without them the answers are longer, or say less. */
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot bound the wait of a netlink socket");
    return true;
}

BangerNetlink *
banger_netlink_open(int protocol, GError **error)
{
    BangerNetlink *netlink = take_spare(protocol);

    if (netlink != NULL)
        return netlink;
    netlink = g_new0(BangerNetlink, 1);
    netlink->protocol = protocol;
    netlink->socket = nl_socket_alloc();
    if (netlink->socket == NULL)
        g_error("out of memory");
    if (connect_socket(netlink, error))
        return netlink;
    free_netlink(netlink);
    return NULL;
}

void
banger_netlink_close(BangerNetlink *netlink)
{
    if (netlink != NULL && !keep_spare(netlink))
        free_netlink(netlink);
}

struct nl_msg *
banger_netlink_message(int type, int flags, const void *header, size_t size)
{
    struct nl_msg *message = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

    if (message == NULL || nlmsg_append(message, (void *)(gsize)header, size, NLMSG_ALIGNTO) < 0)
        g_error("out of memory");
    return message;
}

static int
keep_refusal(BangerNetlink *netlink, int errnum, const char *words)
{
    g_free(netlink->words);
    netlink->words = words == NULL ? g_strdup(g_strerror(errnum))
                                   : g_strdup_printf("%s (%s)", g_strerror(errnum), words);
    return errnum;
}

/* As keep_refusal(), where the fault is the socket's or the wait's: it is not used again. */
static int
give_up(BangerNetlink *netlink, int errnum, const char *words)
{
    netlink->broken = true;
    return keep_refusal(netlink, errnum, words);
}

/* The extended acknowledgement's text in an NLMSG_ERROR, or NULL. */
static const char *
extended_words(struct nlmsghdr *header)
{
    struct nlmsgerr *failure = nlmsg_data(header);
    size_t skip = sizeof *failure;
    struct nlattr *words;

    if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
        return NULL;
    if (!(header->nlmsg_flags & NLM_F_CAPPED))
        skip += failure->msg.nlmsg_len - sizeof failure->msg;
    if (skip >= (size_t)nlmsg_datalen(header))
        return NULL;
    words = nla_find((struct nlattr *)(void *)((char *)failure + NLMSG_ALIGN(skip)),
                     nlmsg_datalen(header) - (int)NLMSG_ALIGN(skip), NLMSGERR_ATTR_MSG);
    if (words == NULL || strnlen(nla_data(words), (size_t)nla_len(words)) == (size_t)nla_len(words))
        return NULL;
    return nla_data(words);
}

/* Whether @header ends the answer; *@ret_errnum says how. */
static bool
ends_answer(BangerNetlink *netlink, struct nlmsghdr *header, bool interrupted, int *ret_errnum)
{
    int errnum = 0;

    if (header->nlmsg_type == NLMSG_DONE) {
        if (nlmsg_datalen(header) >= (int)sizeof(int))
            memcpy(&errnum, nlmsg_data(header), sizeof errnum);
        errnum = errnum < 0 ? -errnum : 0;
        if (errnum == 0 && interrupted)
            errnum = EINTR;
        *ret_errnum = errnum == 0 ? 0 : keep_refusal(netlink, errnum, NULL);
        return true;
    }
    if (header->nlmsg_type == NLMSG_ERROR) {
        if (nlmsg_datalen(header) < (int)sizeof(struct nlmsgerr))
            *ret_errnum = give_up(netlink, EPROTO, NULL);
        else if ((errnum = -((struct nlmsgerr *)nlmsg_data(header))->error) == 0)
            *ret_errnum = 0;
        else
            *ret_errnum = keep_refusal(netlink, errnum, extended_words(header));
        return true;
    }
    return false;
}

/*
 * Reads one datagram of the answer to @request. True if it was the last: that with an
 * acknowledgement or the end of a dump, or, if neither was asked for, with the one message.
 */
static bool
receive_part(BangerNetlink *netlink, const struct nlmsghdr *request, BangerNetlinkReply *reply,
             void *user_data, bool *interrupted, int *ret_errnum)
{
    bool is_single = !(request->nlmsg_flags & (NLM_F_ACK | NLM_F_DUMP));
    struct sockaddr_nl sender;
    unsigned char *buffer = NULL;
    int length = nl_recv(netlink->socket, &sender, &buffer, NULL);
    struct nlmsghdr *header;

    if (length <= 0) {
        *ret_errnum = length == -NLE_AGAIN ? give_up(netlink, ETIMEDOUT, NULL)
                                           : give_up(netlink, EIO, nl_geterror(length));
        return true;
    }
    header = (struct nlmsghdr *)(void *)buffer;
    bool last = false;

    /* Only the kernel's (port 0) and only the answer to this request. */
    for (; !last && nlmsg_ok(header, length); header = nlmsg_next(header, &length)) {
        if (sender.nl_pid != 0 || header->nlmsg_seq != request->nlmsg_seq)
            continue;
        *interrupted |= (header->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        last = ends_answer(netlink, header, *interrupted, ret_errnum);
        if (!last && header->nlmsg_type >= NLMSG_MIN_TYPE) {
            if (reply != NULL)
                reply(header, user_data);
            last = is_single;
        }
    }
    free(buffer);
    return last;
}

int
banger_netlink_run(BangerNetlink *netlink, struct nl_msg *message, BangerNetlinkReply *reply,
                   void *user_data)
{
    struct nlmsghdr *request = nlmsg_hdr(message);
    bool interrupted = false;
    int errnum = 0;
    int result;

    /* What is asked for with one message is answered with one, or with an error. */
    if (reply == NULL)
        request->nlmsg_flags |= NLM_F_ACK;
    result = nl_send_auto(netlink->socket, message);
    if (result < 0)
        return give_up(netlink, EIO, nl_geterror(result));
    while (!receive_part(netlink, request, reply, user_data, &interrupted, &errnum))
        ;
    return errnum;
}

int
banger_netlink_run_batch(BangerNetlink *netlink, GByteArray *messages)
{
    /* One number for all: whatever is refused, the first answer with it is the one that counts. */
    const struct nlmsghdr request = {.nlmsg_flags = NLM_F_ACK,
                                     .nlmsg_seq = nl_socket_use_seq(netlink->socket)};
    uint32_t port = nl_socket_get_local_port(netlink->socket);
    bool interrupted = false;
    int errnum = 0;
    int result;

    for (unsigned int at = 0; at < messages->len;) {
        struct nlmsghdr *header = (struct nlmsghdr *)(void *)(messages->data + at);

        header->nlmsg_seq = request.nlmsg_seq;
        header->nlmsg_pid = port;
        at += NLMSG_ALIGN(header->nlmsg_len);
    }
    result = nl_sendto(netlink->socket, messages->data, messages->len);
    if (result < 0)
        return give_up(netlink, EIO, nl_geterror(result));
    while (!receive_part(netlink, &request, NULL, NULL, &interrupted, &errnum))
        ;
    return errnum;
}

const char *
banger_netlink_words(const BangerNetlink *netlink)
{
    return netlink->words != NULL ? netlink->words : "";
}
