/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <glib.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bus/network/network-peers-private.h"
#include "lib/harness.h"

#define LOST_SEC                                                                                   \
    20 /* a datagram that is not back after so long was lost, however busy the machine */
#define PAUSE_USEC 2000
#define FLOWS_MAX 8
#define MORE 20 /* round trips that peers_assert_traffic() waits for */

/* In memory that the programs share: round trips so far. */
typedef struct {
    atomic_uint tcp, udp;
    atomic_bool ended;
    char what[64]; /* why */
} Flow;

static Flow *flows;
static size_t n_flows;

static void
end(Flow *flow, const char *what)
{
    (void)g_strlcpy(flow->what, what, sizeof flow->what);
    atomic_store(&flow->ended, true);
    _exit(1);
}

static int
connect_to(const char *address, int type)
{
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(PEERS_PORT)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(PEERS_PORT)};
    const struct timeval wait = {.tv_sec = LOST_SEC};
    bool v4 = inet_pton(AF_INET, address, &to4.sin_addr) == 1;
    int fd = socket(v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);

    if (!v4)
        (void)inet_pton(AF_INET6, address, &to6.sin6_addr);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0 ||
        connect(fd, v4 ? (const struct sockaddr *)&to4 : (const struct sockaddr *)&to6,
                v4 ? sizeof to4 : sizeof to6) != 0)
        return -1;
    return fd;
}

static void
go_on(Flow *flow, const char *address, int ready)
{
    int tcp = connect_to(address, SOCK_STREAM);
    int udp = connect_to(address, SOCK_DGRAM);
    char text[INET6_ADDRSTRLEN];

    if (tcp < 0 || udp < 0 || write(ready, "", 1) != 1)
        end(flow, "cannot connect");
    for (;;) {
        if (send(tcp, "?", 1, MSG_NOSIGNAL) != 1 || recv(tcp, text, 1, 0) != 1)
            end(flow, "the TCP connection broke");
        (void)atomic_fetch_add(&flow->tcp, 1);
        if (send(udp, "?", 1, 0) != 1 || recv(udp, text, sizeof text, 0) <= 0)
            end(flow, "a datagram was lost");
        (void)atomic_fetch_add(&flow->udp, 1);
        (void)usleep(PAUSE_USEC);
    }
}

/* Sends back what comes by TCP connections, of which there are at most FLOWS_MAX. */
static void
send_back(const char *name, int ready)
{
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PEERS_PORT)};
    struct pollfd ends[1 + FLOWS_MAX] = {{.events = POLLIN}};
    nfds_t n = 1;

    if (!peers_enter(name) || (ends[0].fd = socket(AF_INET6, SOCK_STREAM, 0)) < 0 ||
        bind(ends[0].fd, (const struct sockaddr *)&any, sizeof any) != 0 ||
        listen(ends[0].fd, FLOWS_MAX) != 0 || write(ready, "", 1) != 1)
        _exit(1);
    for (;;) {
        char byte;

        (void)poll(ends, n, -1);
        for (nfds_t i = 1; i < n; i++)
            if (ends[i].revents != 0 && recv(ends[i].fd, &byte, 1, 0) == 1)
                (void)send(ends[i].fd, &byte, 1, MSG_NOSIGNAL);
        if (ends[0].revents != 0 && n < G_N_ELEMENTS(ends))
            ends[n++] = (struct pollfd){.fd = accept(ends[0].fd, NULL, NULL), .events = POLLIN};
    }
}

static void
make_other_end(void)
{
    int ready[2];

    flows = mmap(NULL, FLOWS_MAX * sizeof *flows, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(flows, MAP_FAILED);
    if (peers_start_program(ready) == 0)
        send_back("outside", ready[1]);
    peers_await_program(ready);
}

void
peers_start_traffic(const char *name, const char *address)
{
    int ready[2];

    if (flows == NULL)
        make_other_end();
    ck_assert_uint_lt(n_flows, FLOWS_MAX);
    if (peers_start_program(ready) == 0) {
        if (!peers_enter(name))
            _exit(1);
        go_on(&flows[n_flows], address, ready[1]);
    }
    peers_await_program(ready);
    n_flows++;
}

void
peers_forget_traffic(void)
{
    if (flows != NULL)
        (void)munmap(flows, FLOWS_MAX * sizeof *flows);
    flows = NULL;
    n_flows = 0;
}

/* Waits until @count has grown by MORE. */
static void
await_more(const Flow *flow, const atomic_uint *count)
{
    unsigned int wanted = atomic_load(count) + MORE;

    while (!atomic_load(&flow->ended) && (int)(wanted - atomic_load(count)) > 0)
        (void)usleep(PAUSE_USEC);
    ck_assert_msg(!atomic_load(&flow->ended), "%s", flow->what);
}

void
peers_assert_traffic(void)
{
    for (size_t i = 0; i < n_flows; i++) {
        await_more(&flows[i], &flows[i].tcp);
        await_more(&flows[i], &flows[i].udp);
    }
}
