/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/unix-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sys/path.h"
#include "util/error.h"
#include "util/fd.h"

#define LISTEN_DELAY_MAX_MS 20

int
banger_unix_socket_connect(int path_fd, pid_t *ret_peer)
{
    banger_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer;
    socklen_t length = sizeof peer;

    if (fd < 0)
        return -1;
    g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", path_fd);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 || fcntl(fd, F_SETFL, 0) < 0)
        return -1;
    if (ret_peer != NULL)
        *ret_peer = peer.pid;
    return banger_steal_fd(&fd);
}

bool
banger_unix_socket_remove_stale(const BangerSettings *settings, const char *path, GError **error)
{
    g_autoptr(GError) failure = NULL;
    banger_autofd int path_fd =
        banger_path_open_socket(settings, BANGER_PATH_RUNTIME, path, &failure);
    banger_autofd int fd = -1;

    if (path_fd < 0) {
        if (g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND))
            return true;
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    fd = banger_unix_socket_connect(path_fd, NULL);
    if (fd >= 0 || errno != ECONNREFUSED)
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                "the socket %s is in use: a process listens there", path);
    return banger_path_unlink(settings, BANGER_PATH_RUNTIME, path, path_fd, error);
}

typedef enum {
    SOCKET_ABSENT,
    SOCKET_BOUND, /* between its bind(2) and its listen(2) */
    SOCKET_LISTENS,
    SOCKET_FAILED, /* and it is not going to be the process's */
} SocketState;

/* Looks whether @process listens at @path yet; if so *@ret_path_fd is an O_PATH descriptor of it.
 */
static SocketState
look_at_socket(const BangerSettings *settings, const char *path, const BangerProcess *process,
               int *ret_path_fd, GError **error)
{
    g_autoptr(GError) failure = NULL;
    banger_autofd int path_fd =
        banger_path_open_socket(settings, BANGER_PATH_RUNTIME, path, &failure);
    banger_autofd int fd = -1;
    pid_t peer;

    if (path_fd < 0) {
        if (g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND))
            return SOCKET_ABSENT;
        g_propagate_error(error, g_steal_pointer(&failure));
        return SOCKET_FAILED;
    }
    fd = banger_unix_socket_connect(path_fd, &peer);
    if (fd < 0 && errno == ECONNREFUSED)
        return SOCKET_BOUND;
    if (fd < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot connect to %s",
                               path);
        return SOCKET_FAILED;
    }
    if (peer != process->pid) {
        (void)banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                               "process %d, and not the new process %d, listens at %s", peer,
                               process->pid, path);
        return SOCKET_FAILED;
    }
    *ret_path_fd = banger_steal_fd(&path_fd);
    return SOCKET_LISTENS;
}

/* An inotify(7) descriptor that tells of new names in the directory of @path. */
static int
watch_directory(const BangerSettings *settings, const char *path, GError **error)
{
    const char *name;
    banger_autofd int directory =
        banger_path_open_parent(settings, BANGER_PATH_RUNTIME, path, &name, error);
    banger_autofd int inotify = -1;
    char directory_path[sizeof "/proc/self/fd/" + 11];

    if (directory < 0)
        return -1;
    g_snprintf(directory_path, sizeof directory_path, "/proc/self/fd/%d", directory);
    inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (inotify < 0 || inotify_add_watch(inotify, directory_path, IN_CREATE | IN_MOVED_TO) < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                               "cannot watch the directory of %s", path);
        return -1;
    }
    return banger_steal_fd(&inotify);
}

int
banger_unix_socket_wait(const BangerSettings *settings, const char *path,
                        const BangerProcess *process, int timeout_ms, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    banger_autofd int inotify = watch_directory(settings, path, error);
    int delay_ms = 1;
    int path_fd;

    if (inotify < 0)
        return -1;
    for (;;) {
        struct pollfd pollfds[] = {{.fd = process->pidfd, .events = POLLIN},
                                   {.fd = inotify, .events = POLLIN}};
        SocketState state = look_at_socket(settings, path, process, &path_fd, error);
        int left_ms = (int)MAX((deadline - g_get_monotonic_time()) / 1000, 0);
        char events[4096];

        if (state == SOCKET_LISTENS)
            return path_fd;
        if (state == SOCKET_FAILED)
            return -1;
        if (left_ms == 0)
            break;
        /* inotify tells of bind(2). Nothing tells of the listen(2) that follows: look again soon.
         */
        if (state == SOCKET_BOUND) {
            left_ms = MIN(left_ms, delay_ms);
            delay_ms = MIN(delay_ms * 2, LISTEN_DELAY_MAX_MS);
        }
        (void)poll(pollfds, G_N_ELEMENTS(pollfds), left_ms);
        (void)!read(inotify, events, sizeof events);
        if (pollfds[0].revents != 0) {
            (void)banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                   "the process ended before it listened at %s", path);
            return -1;
        }
    }
    (void)banger_set_error(error, BANGER_ERROR_TIMEOUT,
                           "the process did not listen at %s within %d s", path, timeout_ms / 1000);
    return -1;
}

bool
banger_unix_socket_give(const BangerSettings *settings, const char *path, GError **error)
{
    banger_autofd int path_fd = banger_path_open_socket(settings, BANGER_PATH_RUNTIME, path, error);

    return path_fd >= 0 &&
           banger_path_give(path_fd, path, settings->owner_uid, settings->owner_gid, 0600, error);
}
