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
#define BUNDLE_MAX 12 /* so that the answers to all have room in the socket's buffer */
#define N_SPARES 4    /* of each protocol: an operation has two open, and others run beside it */

struct BangerNetlink {
    struct nl_sock *socket;
    int protocol;
    bool broken; /* an answer may still come, or never */
    char *words;
    unsigned char *buffer; /* of RECEIVE_BUFFER bytes */
};

/* A request that was sent, and what has become of it. */
typedef struct {
    uint32_t number;
    BangerNetlinkReply *reply;
    void *user_data;
    bool is_single; /* answered with one message, or with an error */
    bool *found;    /* where not to be there (ENOENT) is an answer too; or NULL */
    bool interrupted;
    bool done;
    int errnum;
} Request;

struct BangerNetlinkBundle {
    GByteArray *messages;
    GArray *requests; /* of Request */
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
    g_free(netlink->buffer);
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
    nl_socket_disable_auto_ack(netlink->socket);
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
    netlink->buffer = g_malloc(RECEIVE_BUFFER);
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

/* Whether @header ends the answer to @request, whose errnum then says how. */
static bool
ends_answer(BangerNetlink *netlink, struct nlmsghdr *header, Request *request)
{
    int errnum = 0;

    if (header->nlmsg_type == NLMSG_DONE) {
        if (nlmsg_datalen(header) >= (int)sizeof(int))
            memcpy(&errnum, nlmsg_data(header), sizeof errnum);
        errnum = errnum < 0 ? -errnum : 0;
        if (errnum == 0 && request->interrupted)
            errnum = EINTR;
        request->errnum = errnum == 0 ? 0 : keep_refusal(netlink, errnum, NULL);
        return true;
    }
    if (header->nlmsg_type == NLMSG_ERROR) {
        if (nlmsg_datalen(header) < (int)sizeof(struct nlmsgerr))
            request->errnum = give_up(netlink, EPROTO, NULL);
        else if ((errnum = -((struct nlmsgerr *)nlmsg_data(header))->error) == 0)
            request->errnum = 0;
        else if (errnum == ENOENT && request->found != NULL)
            *request->found = false;
        else
            request->errnum = keep_refusal(netlink, errnum, extended_words(header));
        return true;
    }
    return false;
}

/* Takes one message of the kernel's: the answer to @request, or a part of it. */
static void
take_message(BangerNetlink *netlink, struct nlmsghdr *header, Request *request)
{
    request->interrupted |= (header->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    request->done = ends_answer(netlink, header, request);
    if (request->done || header->nlmsg_type < NLMSG_MIN_TYPE)
        return;
    if (request->reply != NULL)
        request->reply(header, request->user_data);
    request->done = request->is_single;
}

/*
 * Reads one datagram into the buffer; its length, or the errno, negative, of what is wrong with the
 * socket, which is then not used again.
 */
static int
receive_datagram(BangerNetlink *netlink, bool *ret_of_kernel)
{
    struct sockaddr_nl sender = {0};
    socklen_t size = sizeof sender;
    ssize_t length;

    do
        length = recvfrom(nl_socket_get_fd(netlink->socket), netlink->buffer, RECEIVE_BUFFER,
                          MSG_TRUNC, (struct sockaddr *)&sender, &size);
    while (length < 0 && errno == EINTR);
    *ret_of_kernel = sender.nl_pid == 0;
    if (length < 0)
        return -give_up(netlink, errno == EAGAIN ? ETIMEDOUT : errno, NULL);
    if (length == 0 || length > RECEIVE_BUFFER)
        return -give_up(netlink, EPROTO, NULL);
    return (int)length;
}

/*
 * Reads the answers to the @n @requests, whose numbers follow one another, until each has its own:
 * the acknowledgement or the end of a dump, or, if neither was asked for, the one message. 0, or
 * the errno of what is wrong with the socket.
 */
static int
receive_answers(BangerNetlink *netlink, Request *requests, unsigned int n)
{
    for (unsigned int left = n; left > 0;) {
        struct nlmsghdr *header = (struct nlmsghdr *)(void *)netlink->buffer;
        bool of_kernel;
        int length = receive_datagram(netlink, &of_kernel);

        if (length < 0)
            return -length;
        for (; of_kernel && nlmsg_ok(header, length); header = nlmsg_next(header, &length)) {
            uint32_t at = header->nlmsg_seq - requests[0].number;

            /* Not what is left of the answer to an earlier request. */
            if (at >= n || requests[at].done)
                continue;
            take_message(netlink, header, &requests[at]);
            left -= requests[at].done ? 1 : 0;
        }
    }
    return 0;
}

int
banger_netlink_run(BangerNetlink *netlink, struct nl_msg *message, BangerNetlinkReply *reply,
                   void *user_data)
{
    struct nlmsghdr *header = nlmsg_hdr(message);
    Request request = {.reply = reply, .user_data = user_data};
    int result;

    /* What is asked for with one message is answered with one, or with an error. */
    if (reply == NULL)
        header->nlmsg_flags |= NLM_F_ACK;
    request.is_single = !(header->nlmsg_flags & (NLM_F_ACK | NLM_F_DUMP));
    result = nl_send_auto(netlink->socket, message);
    if (result < 0)
        return give_up(netlink, EIO, nl_geterror(result));
    request.number = header->nlmsg_seq;
    result = receive_answers(netlink, &request, 1);
    return result != 0 ? result : request.errnum;
}

void
banger_netlink_append(GByteArray *messages, const struct nl_msg *message)
{
    static const uint8_t padding[NLMSG_ALIGNTO];
    const struct nlmsghdr *header = nlmsg_hdr((struct nl_msg *)(gsize)message);

    g_byte_array_append(messages, (const guint8 *)header, header->nlmsg_len);
    g_byte_array_append(messages, padding, NLMSG_ALIGN(header->nlmsg_len) - header->nlmsg_len);
}

/* Completes the message at @at of @messages; where the next one begins. */
static unsigned int
complete_message(BangerNetlink *netlink, GByteArray *messages, unsigned int at, uint32_t number)
{
    struct nlmsghdr *header = (struct nlmsghdr *)(void *)(messages->data + at);

    header->nlmsg_seq = number;
    header->nlmsg_pid = nl_socket_get_local_port(netlink->socket);
    return at + NLMSG_ALIGN(header->nlmsg_len);
}

int
banger_netlink_run_batch(BangerNetlink *netlink, GByteArray *messages)
{
    /* One number for all: whatever is refused, the first answer with it is the one that counts. */
    Request request = {.number = nl_socket_use_seq(netlink->socket)};
    int result;

    for (unsigned int at = 0; at < messages->len;)
        at = complete_message(netlink, messages, at, request.number);
    result = nl_sendto(netlink->socket, messages->data, messages->len);
    if (result < 0)
        return give_up(netlink, EIO, nl_geterror(result));
    result = receive_answers(netlink, &request, 1);
    return result != 0 ? result : request.errnum;
}

BangerNetlinkBundle *
banger_netlink_bundle_new(void)
{
    BangerNetlinkBundle *bundle = g_new0(BangerNetlinkBundle, 1);

    bundle->messages = g_byte_array_new();
    bundle->requests = g_array_new(FALSE, TRUE, sizeof(Request));
    return bundle;
}

void
banger_netlink_bundle_free(BangerNetlinkBundle *bundle)
{
    g_byte_array_unref(bundle->messages);
    g_array_unref(bundle->requests);
    g_free(bundle);
}

void
banger_netlink_bundle_add(BangerNetlinkBundle *bundle, const struct nl_msg *message,
                          BangerNetlinkReply *reply, void *user_data, bool *ret_found)
{
    const Request request = {
        .reply = reply, .user_data = user_data, .is_single = true, .found = ret_found};

    banger_netlink_append(bundle->messages, message);
    g_array_append_val(bundle->requests, request);
    if (ret_found != NULL)
        *ret_found = true;
}

/* Sends @requests[@n], the messages of which begin at *@at, and takes the answers. */
static int
run_some(BangerNetlink *netlink, BangerNetlinkBundle *bundle, Request *requests, unsigned int n,
         unsigned int *at)
{
    unsigned int end = *at;
    int result;

    for (unsigned int i = 0; i < n; i++) {
        requests[i].number = nl_socket_use_seq(netlink->socket);
        end = complete_message(netlink, bundle->messages, end, requests[i].number);
    }
    result = nl_sendto(netlink->socket, bundle->messages->data + *at, end - *at);
    *at = end;
    return result < 0 ? give_up(netlink, EIO, nl_geterror(result))
                      : receive_answers(netlink, requests, n);
}

int
banger_netlink_bundle_run(BangerNetlink *netlink, BangerNetlinkBundle *bundle)
{
    int errnum = 0;
    unsigned int at = 0;

    for (unsigned int i = 0; errnum == 0 && i < bundle->requests->len; i += BUNDLE_MAX)
        errnum = run_some(netlink, bundle, &g_array_index(bundle->requests, Request, i),
                          MIN(bundle->requests->len - i, BUNDLE_MAX), &at);
    /* The last one: it is that of banger_netlink_words(). */
    for (unsigned int i = 0; !netlink->broken && i < bundle->requests->len; i++) {
        const Request *request = &g_array_index(bundle->requests, Request, i);

        errnum = request->errnum != 0 ? request->errnum : errnum;
    }
    return errnum;
}

const char *
banger_netlink_words(const BangerNetlink *netlink)
{
    return netlink->words != NULL ? netlink->words : "";
}
