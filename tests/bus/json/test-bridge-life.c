/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of the bridge: its end, its socket, its user, its descriptors, and a bus that goes
 * away.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/json/json-client.h"
#include "json-bridge/bridge-limits.h"
#include "util/settings.h"

#define DELETE "{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":\"tap-fc-none\"}}"
#define DONE "{\"ok\":true,\"result\":{}}"
#define RPC_DELETE                                                                                 \
    "{\"jsonrpc\":\"2.0\",\"method\":\"priv.delete_tap\",\"params\":[\"tap-fc-none\"],\"id\":1}"

/* SIGTERM: no new requests, those in flight are answered, then the end. */
START_TEST(orderly_stop)
{
    pid_t bridge = client_start(NULL);
    int in_flight = client_connect(0);
    int batch = client_connect(0);
    int idle = client_connect(0);
    int half = client_connect(0);
    RigMonitor *monitor;
    pid_t helper;
    int status;

    client_send(idle, DELETE);
    client_expect_line(idle, DONE);
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    ck_assert_int_eq(kill(helper, SIGSTOP), 0);
    monitor = rig_monitor_new();
    client_send(in_flight, DELETE DELETE);
    client_send(batch, "[" RPC_DELETE "]");
    client_send(half, "{");
    /* An answer here means that what was sent before has been read. */
    client_send(idle, "{\"method\":\"nope\"}");
    client_expect_words(idle, "unknown_method");
    rig_monitor_wait_calls(monitor, "DeleteTap", 2);
    rig_monitor_free(monitor);
    ck_assert_int_eq(kill(bridge, SIGTERM), 0);
    client_expect_end(idle);
    client_expect_end(half);
    ck_assert_int_eq(waitpid(bridge, &status, WNOHANG), 0);
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    client_expect_line(in_flight, DONE);
    client_expect_end(in_flight);
    client_expect_line(batch, "[{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":1}]");
    client_expect_end(batch);
    ck_assert_int_eq(waitpid(bridge, &status, 0), bridge);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

static bool
nobody_listens(void *data)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = BRIDGE_SOCKET};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_refused = connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 &&
                      (errno == ECONNREFUSED || errno == ENOENT);

    (void)data;
    (void)close(fd);
    return is_refused;
}

/*
 * One of the older protocol that waits for those before it is no longer begun, and is answered so.
 */
START_TEST(stop_before_waiting)
{
    pid_t bridge = client_start(NULL);
    int fd = client_connect(0);
    pid_t helper;
    int status;

    client_check(DELETE, DONE);
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    ck_assert_int_eq(kill(helper, SIGSTOP), 0);
    /* One piece is read at once: with this answer here, what is behind it has come too. */
    client_send(fd, RPC_DELETE "{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":2}"
                               "{\"method\":\"priv.delete_tap\",\"params\":{\"tap_name\":"
                               "\"tap-fc-none\"},\"op_id\":\"op-late\"}");
    client_expect_words(fd, "\"id\":2");
    client_check("{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":1}",
                 "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,"
                 "\"message\":\"Method not found\"},\"id\":1}");
    ck_assert_int_eq(kill(bridge, SIGTERM), 0);
    rig_wait_for(nobody_listens, NULL, "the bridge still listens");
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    client_expect_line(fd, "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":1}");
    client_expect_line(fd, "{\"ok\":false,\"error\":{\"code\":\"operation_failed\",\"message\":"
                           "\"the bridge is stopping\",\"op_id\":\"op-late\"}}");
    client_expect_end(fd);
    ck_assert_int_eq(waitpid(bridge, &status, 0), bridge);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

/* Members of a batch that wait for others to end are no longer begun. */
START_TEST(stop_within_batch)
{
    pid_t bridge = client_start(NULL);
    int fd = client_connect(0);
    g_autoptr(GString) batch = g_string_new("[");
    g_autofree char *answer = NULL;
    g_auto(GStrv) refused = NULL;
    g_auto(GStrv) done = NULL;
    unsigned int n_done;
    RigMonitor *monitor;
    pid_t helper;
    int status;

    client_check(DELETE, DONE);
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    ck_assert_int_eq(kill(helper, SIGSTOP), 0);
    for (unsigned int i = 0; i < BANGER_CALLS_PER_CONNECTION_MAX + 3; i++)
        g_string_append_printf(batch,
                               "%s{\"jsonrpc\":\"2.0\",\"method\":\"priv.delete_tap\",\"params\":"
                               "[\"tap-fc-none\"],\"id\":%u}",
                               i > 0 ? "," : "", i);
    monitor = rig_monitor_new();
    client_send(fd, g_string_append_c(batch, ']')->str);
    client_check("{\"jsonrpc\":\"2.0\",\"method\":\"nope\",\"id\":1}",
                 "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,"
                 "\"message\":\"Method not found\"},\"id\":1}");
    rig_monitor_wait_calls(monitor, "DeleteTap", BANGER_CALLS_PER_CONNECTION_MAX);
    rig_monitor_free(monitor);
    ck_assert_int_eq(kill(bridge, SIGTERM), 0);
    rig_wait_for(nobody_listens, NULL, "the bridge still listens");
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    answer = client_read_line(fd);
    ck_assert_ptr_nonnull(answer);
    refused = g_strsplit(answer, "the bridge is stopping\",\"data\"", -1);
    done = g_strsplit(answer, "\"result\":{}", -1);
    n_done = g_strv_length(done) - 1;
    ck_assert_uint_ge(n_done, 1);
    ck_assert_uint_le(n_done, BANGER_CALLS_PER_CONNECTION_MAX);
    ck_assert_uint_eq(g_strv_length(refused) - 1, BANGER_CALLS_PER_CONNECTION_MAX + 3 - n_done);
    client_expect_end(fd);
    ck_assert_int_eq(waitpid(bridge, &status, 0), bridge);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

START_TEST(live_listener)
{
    static const char *const arguments[] = {"--socket", BRIDGE_SOCKET, NULL};
    pid_t bridge = client_start(NULL);

    client_check_refuses(arguments,
                         "banger-helper-bridge: " BRIDGE_SOCKET " is in use by another program\n");
    client_check(DELETE, DONE);
    client_stop(bridge);
}
END_TEST

/* A socket that a program left behind is replaced. */
START_TEST(stale_socket)
{
    pid_t bridge = client_start(NULL);

    ck_assert_int_eq(kill(bridge, SIGKILL), 0);
    ck_assert_int_eq(waitpid(bridge, NULL, 0), bridge);
    ck_assert_int_eq(access(BRIDGE_SOCKET, F_OK), 0);
    bridge = client_start(NULL);
    client_check(DELETE, DONE);
    client_stop(bridge);
}
END_TEST

/* A process that keeps the folder locked does not keep the bridge waiting for ever. */
START_TEST(locked_folder)
{
    static const char *const arguments[] = {"--socket", BRIDGE_SOCKET, NULL};
    int folder;

    (void)mkdir("/run/banger-root", 0755);
    folder = open("/run/banger-root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(folder, 0);
    ck_assert_int_eq(flock(folder, LOCK_EX), 0);
    client_check_refuses(
        arguments,
        "banger-helper-bridge: cannot lock /run/banger-root: Resource temporarily unavailable\n");
    (void)close(folder);
}
END_TEST

START_TEST(no_socket_there)
{
    static const char *const file[] = {"--socket", "/run/banger-root/file", NULL};
    static const char *const folder[] = {"--socket", "/run/banger-no/file", NULL};
    static const char *const relative[] = {"--socket", "file", NULL};
    static const char *const none[] = {NULL};
    static const char *const nobody[] = {"--socket", "/run/x", "--user", "no-such-user", NULL};
    static const char *const root[] = {"--socket", "/run/x", "--user", "root", NULL};

    (void)mkdir("/run/banger-root", 0755);
    ck_assert(g_file_set_contents("/run/banger-root/file", "precious", -1, NULL));
    client_check_refuses(
        file, "banger-helper-bridge: /run/banger-root/file exists and is not a socket\n");
    ck_assert_int_eq(access("/run/banger-root/file", F_OK), 0);
    client_check_refuses(folder,
                         "banger-helper-bridge: cannot lock /run/banger-no: No such file or "
                         "directory\n");
    client_check_refuses(
        relative, "banger-helper-bridge: file is not an absolute path of at most 107 bytes\n");
    client_check_refuses(none,
                         "banger-helper-bridge: systemd passed no socket; use --socket PATH\n");
    client_check_refuses(nobody, "banger-helper-bridge: there is no user no-such-user\n");
    client_check_refuses(
        root, "banger-helper-bridge: the bridge does not run as root; use --user NAME\n");
    ck_assert_int_ne(access("/run/x", F_OK), 0);
}
END_TEST

/* Started by root, it is the owner's process and can gain nothing by any program. */
START_TEST(without_rights)
{
    pid_t bridge = client_start(NULL);
    g_autofree char *path = g_strdup_printf("/proc/%d/status", bridge);
    g_autofree char *text = NULL;

    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    ck_assert_ptr_nonnull(strstr(text, "\nUid:\t64001\t64001\t64001\t64001\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nGid:\t64001\t64001\t64001\t64001\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nGroups:\t64001 \n"));
    ck_assert_ptr_nonnull(strstr(text, "\nCapPrm:\t0000000000000000\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nCapEff:\t0000000000000000\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nNoNewPrivs:\t1\n"));
    client_stop(bridge);
}
END_TEST

static unsigned int
count_descriptors(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", pid);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    unsigned int n = 0;

    ck_assert_ptr_nonnull(folder);
    while (g_dir_read_name(folder) != NULL)
        n++;
    return n;
}

/* As the owner, whose process @bridge is: that takes no capability. */
static void
limit_descriptors(pid_t bridge, unsigned int n)
{
    const struct rlimit limit = {n, n};
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(setgid(RIG_UID_OWNER) < 0 || setuid(RIG_UID_OWNER) < 0 ||
              prlimit(bridge, RLIMIT_NOFILE, &limit, NULL) < 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

/*
 * Whether the bridge answers @fd. Not within half a second while it has no descriptor left: that is
 * a no; with one left it is only slow.
 */
static bool
is_answered(pid_t bridge, int fd, unsigned int limit)
{
    struct pollfd answer = {.fd = fd, .events = POLLIN};

    do {
        if (poll(&answer, 1, 500) == 1)
            return true;
    } while (count_descriptors(bridge) < limit);
    return false;
}

/* Who cannot be accepted for want of a descriptor is when there is one again. */
START_TEST(no_descriptor_left)
{
    pid_t bridge = client_start(NULL);
    unsigned int limit = count_descriptors(bridge) + 1;
    int fds[8];
    size_t n = 0;

    /* Nothing has reached the bus yet, and so nothing has set a timer. */
    limit_descriptors(bridge, limit);
    fds[n++] = client_connect(0);
    client_send(fds[0], "{\"method\":\"nope\"}");
    client_expect_words(fds[0], "unknown_method");
    do {
        ck_assert_uint_lt(n, G_N_ELEMENTS(fds));
        fds[n] = client_connect(0);
        client_send(fds[n], "{\"method\":\"nope\"}");
    } while (is_answered(bridge, fds[n++], limit));
    (void)close(fds[0]);
    client_expect_words(fds[n - 1], "unknown_method");
    while (n > 1)
        (void)close(fds[--n]);
    client_stop(bridge);
}
END_TEST

/* Starts the bridge as systemd does: with the listening socket as descriptor 3. */
static pid_t
start_activated(int listener)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        g_autofree char *self = g_strdup_printf("%d", getpid());

        (void)dup2(listener, 3);
        (void)setenv("LISTEN_PID", self, 1);
        (void)setenv("LISTEN_FDS", "1", 1);
        (void)execl(BRIDGE_PROGRAM, BRIDGE_PROGRAM, "--idle-timeout", "1", NULL);
        _exit(127);
    }
    return pid;
}

static void
wait_end(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* It ends when no peer needs it, and who comes meanwhile is served by the next one. */
START_TEST(socket_activation)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = BRIDGE_SOCKET};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    gint64 begun;
    pid_t bridge;
    int fd;

    (void)mkdir("/run/banger-root", 0755);
    (void)unlink(BRIDGE_SOCKET);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 5), 0);
    fd = client_connect(0);
    client_send(fd, DELETE);
    for (int i = 0; i < 2; i++) {
        bridge = start_activated(listener);
        client_expect_line(fd, DONE);
        /* As long as there is a connection it stays. */
        g_usleep(1500000);
        client_send(fd, DELETE);
        client_expect_line(fd, DONE);
        begun = g_get_monotonic_time();
        (void)close(fd);
        wait_end(bridge);
        ck_assert_int_ge(g_get_monotonic_time() - begun, 900000);
        ck_assert_int_eq(access(BRIDGE_SOCKET, F_OK), 0);
        fd = client_connect(0);
        client_send(fd, DELETE);
    }
    (void)close(fd);
    (void)close(listener);
}
END_TEST

/*
 * Forwards another socket to the rig's bus, as the owner, for whom the bus takes the bridge then.
 */
static pid_t
start_forwarding(const char *real)
{
    g_autofree char *to = g_strdup_printf("UNIX-CONNECT:%s", real);
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)setpgid(0, 0);
        if (setgid(RIG_UID_OWNER) == 0 && setuid(RIG_UID_OWNER) == 0)
            (void)execlp("socat", "socat", "UNIX-LISTEN:" BANGER_RUNTIME_DIRECTORY "/bus,fork", to,
                         NULL);
        _exit(127);
    }
    return pid;
}

static void
stop_forwarding(pid_t pid)
{
    ck_assert_int_eq(kill(-pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(unlink(BANGER_RUNTIME_DIRECTORY "/bus"), 0);
}

/*
 * The bus cannot be reached: there is an answer all the same, and once it can be the next request
 * works. The connection to it is lost in the middle of a call: the same.
 */
START_TEST(bus_comes_and_goes)
{
    RigMonitor *monitor;
    static const char forwarded[] = BANGER_RUNTIME_DIRECTORY "/bus";
    g_autofree char *real = g_strdup(strstr(g_getenv("DBUS_SYSTEM_BUS_ADDRESS"), "path=") + 5);
    pid_t bridge, forwarder, helper;
    g_autofree char *unreachable = NULL;
    g_autofree char *lost = NULL;
    g_autofree char *address = NULL;
    int fd;

    ck_assert(
        g_setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=" BANGER_RUNTIME_DIRECTORY "/bus", TRUE));
    bridge = client_start(NULL);
    fd = client_connect(0);
    client_send(fd, DELETE);
    unreachable = client_read_line(fd);
    ck_assert_msg(
        g_str_has_prefix(unreachable,
                         "{\"ok\":false,\"error\":{\"code\":\"operation_failed\",\"message\":"
                         "\"cannot reach the system bus: "),
        "%s", unreachable);
    forwarder = start_forwarding(real);
    rig_wait_listening(forwarded);
    client_send(fd, DELETE);
    client_expect_line(fd, DONE);

    address = g_strdup_printf("unix:path=%s", real);
    ck_assert(g_setenv("DBUS_SYSTEM_BUS_ADDRESS", address, TRUE));
    helper = rig_pid_of(BANGER_BUS_NAME);
    ck_assert_int_gt(helper, 0);
    ck_assert_int_eq(kill(helper, SIGSTOP), 0);
    monitor = rig_monitor_new();
    client_send(fd, DELETE);
    rig_monitor_wait_calls(monitor, "DeleteTap", 1);
    rig_monitor_free(monitor);
    stop_forwarding(forwarder);
    lost = client_read_line(fd);
    ck_assert_msg(g_str_has_prefix(
                      lost, "{\"ok\":false,\"error\":{\"code\":\"operation_failed\",\"message\":"),
                  "%s", lost);
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    forwarder = start_forwarding(real);
    rig_wait_listening(forwarded);
    client_send(fd, DELETE);
    client_expect_line(fd, DONE);
    (void)close(fd);
    client_stop(bridge);
    stop_forwarding(forwarder);
}
END_TEST

int
main(int argc, char **argv)
{
    Suite *suite;
    TCase *tcase;

    (void)argc;
    rig_enter("bus/bridge-life", argv, NULL);
    suite = suite_create("bridge-life");
    tcase = tcase_create("life");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, orderly_stop);
    tcase_add_test(tcase, stop_before_waiting);
    tcase_add_test(tcase, stop_within_batch);
    tcase_add_test(tcase, live_listener);
    tcase_add_test(tcase, stale_socket);
    tcase_add_test(tcase, locked_folder);
    tcase_add_test(tcase, no_socket_there);
    tcase_add_test(tcase, without_rights);
    tcase_add_test(tcase, no_descriptor_left);
    tcase_add_test(tcase, bus_comes_and_goes);
    tcase_add_test(tcase, socket_activation);
    suite_add_tcase(suite, tcase);
    return harness_run("bus/bridge-life", suite);
}
