/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/net-world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/net-aid.h"
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

/* Forks a program of the world in the namespace @name; in the child 0 is returned. */
static pid_t
start_program(int ready[2])
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

static void
await_program(int ready[2])
{
    char byte = 0;

    (void)close(ready[1]);
    ck_assert_msg(read(ready[0], &byte, 1) == 1, "a program of the world did not start");
    (void)close(ready[0]);
}

static bool
enter(const char *name)
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
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(WORLD_PORT)};
    const int on = 1;
    int fd = -1;

    if (!enter(name) || (fd = socket(AF_INET6, SOCK_DGRAM, 0)) < 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&any, sizeof any) != 0 || write(ready, "", 1) != 1)
        _exit(1);
    for (;;)
        answer(fd);
}

void
world_serve(const char *name)
{
    int ready[2];

    if (start_program(ready) == 0)
        serve(name, ready[1]);
    await_program(ready);
}

void
world_make(void)
{
    aid_do("ip netns add world && ip link add uplink type veth peer name eth0 netns world && "
           "ip addr add " WORLD_HOST "/24 dev uplink && "
           "ip addr add " WORLD_HOST6 "/64 dev uplink nodad && ip link set uplink up && "
           "ip -n world addr add " WORLD_ADDRESS "/24 dev eth0 && "
           "ip -n world addr add " WORLD_ADDRESS6 "/64 dev eth0 nodad && "
           "ip -n world link set eth0 up && ip -n world link set lo up");
    world_serve("world");
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
    if (ends[0].fd < 0 || !enter(name))
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
world_make_guest(const char *name, const char *tap, const char *address, const char *gateway)
{
    int ready[2];

    if (!aid_true("test -e /run/netns/%s", name)) {
        aid_do("ip netns add %s", name);
        if (start_program(ready) == 0)
            carry(name, tap, ready[1]);
        await_program(ready);
        aid_do("ip -n %s link set lo up && ip -n %s link set eth0 up", name, name);
    }
    aid_do("ip -n %s addr add %s dev eth0 %s && ip -n %s route add default via %s", name, address,
           strchr(address, ':') != NULL ? "nodad" : "", name, gateway);
}

/* A socket of the namespace that this process is in. */
static int
open_flow(const char *address)
{
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(WORLD_PORT)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(WORLD_PORT)};
    bool v4 = inet_pton(AF_INET, address, &to4.sin_addr) == 1;
    banger_autofd int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    if (v4) {
        /* Without a route there will be no answer. */
        (void)connect(fd, (const struct sockaddr *)&to4, sizeof to4);
    } else {
        ck_assert_int_eq(inet_pton(AF_INET6, address, &to6.sin6_addr), 1);
        (void)connect(fd, (const struct sockaddr *)&to6, sizeof to6);
    }
    return banger_steal_fd(&fd);
}

int
world_open_flow(const char *name, const char *address)
{
    banger_autofd int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int fd;

    ck_assert_int_ge(home, 0);
    ck_assert_msg(enter(name), "no namespace %s", name);
    fd = open_flow(address);
    ck_assert_int_eq(setns(home, CLONE_NEWNET), 0);
    return fd;
}

const char *
world_ask_again(int flow)
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
world_assert_flow(int flow, const char *expected)
{
    const char *text = "";

    for (int attempt = 0; text[0] == '\0' && attempt < PATIENCE; attempt++)
        text = world_ask_again(flow);
    ck_assert_str_eq(text, expected);
}

void
world_assert_answer(const char *name, const char *address, const char *expected)
{
    banger_autofd int flow = world_open_flow(name, address);

    world_assert_flow(flow, expected);
}

const char *
world_ask(const char *name, const char *address)
{
    banger_autofd int flow = world_open_flow(name, address);

    return world_ask_again(flow);
}

void
world_nat(sd_bus *bus, const char *guest, const char *tap, bool enable)
{
    rig_call_ok(bus, "EnsureNAT", "ssbs", guest, tap, (int)enable, "");
}

void
world_make_with_guest(sd_bus *bus)
{
    world_make();
    aid_bridge_and_tap(bus, "tap-fc-1");
    rig_call_ok(bus, "EnsureBridge", "ssss", "br-fc", "fd00:16::1", "64", "");
    world_make_guest("guest", "tap-fc-1", WORLD_GUEST "/24", "172.16.0.1");
    world_make_guest("guest", "tap-fc-1", WORLD_GUEST6 "/64", "fd00:16::1");
    /* The guest reaches the host: what follows fails for no want of a wire. */
    world_serve(NULL);
    world_assert_answer("guest", "172.16.0.1", WORLD_GUEST);
    world_assert_answer("guest", "fd00:16::1", WORLD_GUEST6);
}

void
world_docker_chains(const char *iptables)
{
    aid_do(DOCKER, iptables, iptables, iptables, iptables, iptables);
}

void
world_assert_no_rules(void)
{
    aid_assert_lacks(aid_run("nft list ruleset"), "banger");
    aid_assert_lacks(aid_run("iptables -S; ip6tables -S"), "banger");
}

const char *
world_foreign_rules(void)
{
    return aid_run("nft -sa list ruleset | grep -v '\"org.banger.Helper1/' | "
                   "awk '/^table inet banger/ {skip=1} !skip {print} /^}/ {skip=0}'");
}

void
world_end(void)
{
    while (n_programs > 0) {
        pid_t child = programs[--n_programs];

        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
}
