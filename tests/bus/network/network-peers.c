/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/network/network-peers-private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/network/network-fixture.h"
#include "util/fd.h"

#define DOCKER                                                                                     \
    "%s -P FORWARD DROP; %s -N DOCKER-USER; %s -A FORWARD -j DOCKER-USER; "                        \
    "%s -A DOCKER-USER -m comment --comment theirs -m conntrack --ctstate INVALID -j DROP; "       \
    "%s -A DOCKER-USER -j RETURN"

#define ATTEMPTS 5
#define ANSWER_MSEC 200
#define PATIENCE 15 /* so many seconds for an answer that must come */

static pid_t programs[16];
static size_t n_programs;

/* What peers_await_silence() asks. */
typedef struct {
    int fd;
    char *what;
} SilentFlow;

static SilentFlow silent[32];
static size_t n_silent;

pid_t
peers_start_program(int ready[2])
{
    pid_t child;

    ck_assert_uint_lt(n_programs, G_N_ELEMENTS(programs));
    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        return 0;
    }
    programs[n_programs++] = child;
    return child;
}

void
peers_await_program(int ready[2])
{
    char byte = 0;

    (void)close(ready[1]);
    ck_assert_msg(read(ready[0], &byte, 1) == 1, "a program of the peers did not start");
    (void)close(ready[0]);
}

bool
peers_enter(const char *name)
{
    g_autofree char *path = NULL;
    banger_autofd int fd = -1;

    if (name == NULL)
        return true;
    path = g_strdup_printf("/run/netns/%s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && setns(fd, CLONE_NEWNET) == 0;
}

/* Answers one datagram, from the address that it was sent to. */
static void
answer(int fd)
{
    union {
        struct cmsghdr header;
        char space[256];
    } control;
    struct sockaddr_in6 sender;
    char text[INET6_ADDRSTRLEN];
    const char *bare = text;
    struct iovec data = {text, 1};
    struct msghdr message = {.msg_name = &sender,
                             .msg_namelen = sizeof sender,
                             .msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};

    if (recvmsg(fd, &message, 0) < 0)
        return;
    (void)inet_ntop(AF_INET6, &sender.sin6_addr, text, sizeof text);
    if (g_str_has_prefix(text, "::ffff:"))
        bare = text + strlen("::ffff:");
    data = (struct iovec){(void *)(gsize)bare, strlen(bare)};
    (void)sendmsg(fd, &message, 0);
}

/* An IPv6 socket that hears IPv4 too. */
static void
serve(const char *name, int ready)
{
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PEERS_PORT)};
    const int on = 1;
    int fd = -1;

    if (!peers_enter(name) || (fd = socket(AF_INET6, SOCK_DGRAM, 0)) < 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&any, sizeof any) != 0 || write(ready, "", 1) != 1)
        _exit(1);
    for (;;)
        answer(fd);
}

void
peers_serve(const char *name)
{
    int ready[2];

    if (peers_start_program(ready) == 0)
        serve(name, ready[1]);
    peers_await_program(ready);
}

void
peers_make(void)
{
    network_do(
        "ip netns add outside && ip link add uplink type veth peer name eth0 netns outside && "
        "ip addr add " PEERS_HOST "/24 dev uplink && "
        "ip addr add " PEERS_HOST6 "/64 dev uplink nodad && ip link set uplink up && "
        "ip -n outside addr add " PEERS_ADDRESS "/24 dev eth0 && "
        "ip -n outside addr add " PEERS_ADDRESS6 "/64 dev eth0 nodad && "
        "ip -n outside link set eth0 up && ip -n outside link set lo up");
    peers_serve("outside");
}

static int
open_tap(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    (void)g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    return fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0 ? fd : -1;
}

static void
carry(const char *name, const char *tap, int ready)
{
    struct pollfd ends[2] = {{.events = POLLIN}, {.events = POLLIN}};

    ends[0].fd = open_tap(tap);
    if (ends[0].fd < 0 || !peers_enter(name))
        _exit(1);
    ends[1].fd = open_tap("eth0");
    if (ends[1].fd < 0 || write(ready, "", 1) != 1)
        _exit(1);
    for (;;) {
        (void)poll(ends, 2, -1);
        for (int i = 0; i < 2; i++) {
            char frame[65536];
            ssize_t length;

            if (!(ends[i].revents & POLLIN))
                continue;
            length = read(ends[i].fd, frame, sizeof frame);
            if (length > 0)
                (void)!write(ends[1 - i].fd, frame, (size_t)length);
        }
    }
}

void
peers_make_guest(const char *name, const char *tap, const char *address, const char *gateway)
{
    int ready[2];

    if (!network_true("test -e /run/netns/%s", name)) {
        network_do("ip netns add %s", name);
        if (peers_start_program(ready) == 0)
            carry(name, tap, ready[1]);
        peers_await_program(ready);
        network_do("ip -n %s link set lo up && ip -n %s link set eth0 up", name, name);
    }
    network_do("ip -n %s addr add %s dev eth0 %s && ip -n %s route add default via %s", name,
               address, strchr(address, ':') != NULL ? "nodad" : "", name, gateway);
}

/* A socket of the namespace that this process is in. */
static int
open_flow(const char *address)
{
    g_auto(GStrv) parts = g_strsplit(address, "#", 2);
    const uint16_t port = htons(parts[1] != NULL ? (uint16_t)atoi(parts[1]) : PEERS_PORT);
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = port};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = port};
    bool v4 = inet_pton(AF_INET, parts[0], &to4.sin_addr) == 1;
    banger_autofd int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    if (v4) {
        /* Without a route there will be no answer. */
        (void)connect(fd, (const struct sockaddr *)&to4, sizeof to4);
    } else {
        ck_assert_int_eq(inet_pton(AF_INET6, parts[0], &to6.sin6_addr), 1);
        (void)connect(fd, (const struct sockaddr *)&to6, sizeof to6);
    }
    return banger_steal_fd(&fd);
}

int
peers_open_flow(const char *name, const char *address)
{
    banger_autofd int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int fd;

    ck_assert_int_ge(home, 0);
    ck_assert_msg(peers_enter(name), "no namespace %s", name);
    fd = open_flow(address);
    ck_assert_int_eq(setns(home, CLONE_NEWNET), 0);
    return fd;
}

const char *
peers_ask_again(int flow)
{
    static char text[INET6_ADDRSTRLEN + 1];

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct pollfd event = {.fd = flow, .events = POLLIN};
        ssize_t length;

        (void)send(flow, "?", 1, 0);
        if (poll(&event, 1, ANSWER_MSEC) != 1)
            continue;
        length = recv(flow, text, sizeof text - 1, 0);
        if (length > 0) {
            text[length] = '\0';
            return text;
        }
    }
    return "";
}

void
peers_assert_flow(int flow, const char *expected)
{
    const char *text = "";

    for (int attempt = 0; text[0] == '\0' && attempt < PATIENCE; attempt++)
        text = peers_ask_again(flow);
    if (expected != NULL)
        ck_assert_str_eq(text, expected);
    else
        ck_assert_str_ne(text, "");
}

void
peers_assert_answer(const char *name, const char *address, const char *expected)
{
    banger_autofd int flow = peers_open_flow(name, address);

    peers_assert_flow(flow, expected);
}

const char *
peers_ask(const char *name, const char *address)
{
    banger_autofd int flow = peers_open_flow(name, address);

    return peers_ask_again(flow);
}

void
peers_expect_silence(const char *name, const char *address)
{
    ck_assert_uint_lt(n_silent, G_N_ELEMENTS(silent));
    silent[n_silent].fd = peers_open_flow(name, address);
    silent[n_silent].what = g_strdup_printf("%s reaches %s", name, address);
    n_silent++;
}

/* Fails because of @what; the log has the flows and the rules that let it pass. */
static void
abort_for_answer(const char *what)
{
    (void)fprintf(stderr, "%s\n", network_run("cat /proc/net/nf_conntrack; nft list ruleset"));
    ck_abort_msg("%s", what);
}

/* Asks on all flows, and takes what arrives on them for ANSWER_MSEC. */
static void
ask_silent_flows(void)
{
    gint64 end_usec = g_get_monotonic_time() + ANSWER_MSEC * 1000;
    struct pollfd events[G_N_ELEMENTS(silent)];
    gint64 left_usec;

    for (size_t i = 0; i < n_silent; i++) {
        events[i] = (struct pollfd){.fd = silent[i].fd, .events = POLLIN};
        (void)send(silent[i].fd, "?", 1, 0);
    }
    while ((left_usec = end_usec - g_get_monotonic_time()) > 0) {
        if (poll(events, n_silent, (int)(left_usec / 1000 + 1)) <= 0)
            continue;
        for (size_t i = 0; i < n_silent; i++) {
            char byte;

            /* What is refused is not reached either. */
            if (events[i].revents != 0 && recv(silent[i].fd, &byte, 1, MSG_DONTWAIT) > 0)
                abort_for_answer(silent[i].what);
        }
    }
}

void
peers_expect(const char *name, const char *address, const char *expected, bool wanted)
{
    if (wanted)
        peers_assert_answer(name, address, expected);
    else
        peers_expect_silence(name, address);
}

void
peers_await_silence(void)
{
    for (int attempt = 0; attempt < ATTEMPTS; attempt++)
        ask_silent_flows();
    for (; n_silent > 0; n_silent--) {
        (void)close(silent[n_silent - 1].fd);
        g_free(silent[n_silent - 1].what);
    }
}

void
peers_nat(sd_bus *bus, const char *guest, const char *tap, bool enable)
{
    rig_call_ok(bus, "EnsureNAT", "ssbs", guest, tap, (int)enable, "");
}

void
peers_make_with_guest(sd_bus *bus)
{
    peers_make();
    network_bridge_and_tap(bus, "tap-fc-1");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "fd00:16::1", "64", "");
    peers_make_guest("guest", "tap-fc-1", PEERS_GUEST "/24", "172.16.0.1");
    peers_make_guest("guest", "tap-fc-1", PEERS_GUEST6 "/64", "fd00:16::1");
    /* The guest reaches the host: what follows fails for no want of a wire. */
    peers_serve(NULL);
    peers_assert_answer("guest", "172.16.0.1", PEERS_GUEST);
    peers_assert_answer("guest", "fd00:16::1", PEERS_GUEST6);
}

void
peers_make_three_guests(sd_bus *bus)
{
    static const struct {
        const char *name, *tap, *address, *gateway;
    } more[] = {
        {"other", "tap-fc-2", PEERS_OTHER "/24", "172.16.0.1"},
        {"other", "tap-fc-2", PEERS_OTHER6 "/64", "fd00:16::1"},
        {"far", "tap-fc-3", PEERS_FAR "/24", "172.17.0.1"},
        {"far", "tap-fc-3", PEERS_FAR6 "/64", "fd00:17::1"},
    };

    peers_make_with_guest(bus);
    peers_nat(bus, PEERS_GUEST, "tap-fc-1", true);
    peers_nat(bus, PEERS_GUEST6, "tap-fc-1", true);
    network_bridge_and_tap(bus, "tap-fc-2");
    rig_call_ok(bus, "CreateTap", "sssss", "br-two", "172.17.0.1", "24", "tap-fc-3", "");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-two", "fd00:17::1", "64", "");
    for (size_t i = 0; i < G_N_ELEMENTS(more); i++) {
        g_auto(GStrv) parts = g_strsplit(more[i].address, "/", 2);

        peers_make_guest(more[i].name, more[i].tap, more[i].address, more[i].gateway);
        peers_nat(bus, parts[0], more[i].tap, true);
    }
    peers_serve("guest");
    peers_serve("other");
    peers_serve("far");
}

void
peers_docker_chains(const char *iptables)
{
    network_do(DOCKER, iptables, iptables, iptables, iptables, iptables);
}

void
peers_assert_no_rules(void)
{
    network_assert_lacks(network_run("nft list ruleset"), "banger");
    network_assert_lacks(network_run("iptables -S; ip6tables -S"), "banger");
}

const char *
peers_foreign_rules(void)
{
    return network_run("nft -sa list ruleset | grep -v '\"org.banger.Helper1/' | "
                       "awk '/^table (inet|bridge) banger/ {skip=1} !skip {print} /^}/ {skip=0}'");
}

void
peers_end(void)
{
    ck_assert_msg(n_silent == 0, "it was not looked whether %s",
                  n_silent == 0 ? "" : silent[0].what);
    while (n_programs > 0) {
        pid_t child = programs[--n_programs];

        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
    peers_forget_traffic();
}
