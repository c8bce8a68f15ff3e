/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/unix-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"
#include "util/socket.h"
#include "vmm/name-watch.h"

#define LISTEN_DELAY_USEC 100 /* at first, and then twice as long each time, up to … */
#define LISTEN_DELAY_MAX_USEC 20000

int
banger_unix_socket_connect(int path_fd, pid_t *ret_peer)
{
    banger_autofd int fd = banger_socket_connect(banger_fd_path(path_fd).text);
    struct ucred peer;
    socklen_t length = sizeof peer;

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ||
        fcntl(fd, F_SETFL, 0) < 0)
        return -1;
    if (ret_peer != NULL)
        *ret_peer = peer.pid;
    return banger_steal_fd(&fd);
}

/*
 * Opens the socket @path if it is there; *@ret_path_fd is -1 if not. One that is in use is refused.
 */
static bool
find_stale(const BangerSettings *settings, const char *path, int *ret_path_fd, GError **error)
{
    g_autoptr(GError) failure = NULL;
    banger_autofd int path_fd =
        banger_path_open_socket(settings, BANGER_PATH_RUNTIME, path, &failure);

    if (path_fd < 0 && !g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    if (path_fd >= 0 && !banger_socket_is_stale(banger_fd_path(path_fd).text))
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                "the socket %s is in use: a process listens there", path);
    *ret_path_fd = banger_steal_fd(&path_fd);
    return true;
}

bool
banger_unix_socket_check_stale(const BangerSettings *settings, const char *path, GError **error)
{
    banger_autofd int path_fd = -1;

    return find_stale(settings, path, &path_fd, error);
}

bool
banger_unix_socket_remove_stale(const BangerSettings *settings, const char *path, GError **error)
{
    banger_autofd int path_fd = -1;

    return find_stale(settings, path, &path_fd, error) &&
           (path_fd < 0 || banger_path_unlink(settings, BANGER_PATH_RUNTIME, path, path_fd, error));
}

int
banger_unix_socket_open(const BangerSettings *settings, const char *path, uid_t uid,
                        unsigned int links_max, GError **error)
{
    const char *name;
    banger_autofd int directory =
        banger_path_open_parent(settings, BANGER_PATH_RUNTIME, path, &name, error);
    banger_autofd int fd = -1;
    struct stat st;

    if (directory < 0)
        return -1;
    fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)banger_set_errno(
            error, errno == ENOENT ? BANGER_ERROR_NOT_FOUND : BANGER_ERROR_OPERATION_FAILED, errno,
            "cannot open %s", path);
        return -1;
    }
    if (!S_ISSOCK(st.st_mode) || st.st_uid != uid || st.st_nlink > links_max) {
        (void)banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                               "%s is not a socket of uid %u with at most %u hard links", path, uid,
                               links_max);
        return -1;
    }
    return banger_steal_fd(&fd);
}

typedef enum {
    SOCKET_ABSENT,
    SOCKET_BOUND, /* between its bind(2) and its listen(2) */
    SOCKET_LISTENS,
    SOCKET_FAILED, /* and it is not going to be the process's */
} SocketState;

/*
 * Looks whether @process listens at @path yet; if so *@ret_path_fd is an O_PATH descriptor of it.
 */
static SocketState
look_at_socket(const BangerSettings *settings, const char *path, const BangerProcess *process,
               uid_t uid, int *ret_path_fd, GError **error)
{
    g_autoptr(GError) failure = NULL;
    banger_autofd int path_fd = banger_unix_socket_open(settings, path, uid, 1, &failure);
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

/* Watches for new names in the directory of @path. */
static bool
watch_directory(const BangerSettings *settings, const char *path, BangerNameWatch *ret_watch,
                GError **error)
{
    const char *name;
    banger_autofd int directory =
        banger_path_open_parent(settings, BANGER_PATH_RUNTIME, path, &name, error);

    if (directory < 0)
        return false;
    return banger_name_watch_begin(directory, ret_watch) ||
           banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                            "cannot watch the directory of %s", path);
}

int
banger_unix_socket_wait(const BangerSettings *settings, const char *path,
                        const BangerProcess *process, uid_t uid, int timeout_ms, BangerJob *job,
                        GError **error)
{
    gint64 deadline_usec = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    g_auto(BangerNameWatch) watch = BANGER_NAME_WATCH_INIT;
    gint64 delay_usec = LISTEN_DELAY_USEC;
    int path_fd = -1;

    if (!watch_directory(settings, path, &watch, error))
        return -1;
    for (;;) {
        struct pollfd pollfds[] = {{.fd = process->pidfd, .events = POLLIN},
                                   {.fd = watch.fd, .events = POLLIN},
                                   {.fd = banger_job_get_cancel_fd(job), .events = POLLIN}};
        SocketState state = look_at_socket(settings, path, process, uid, &path_fd, error);
        gint64 left_usec = MAX(deadline_usec - g_get_monotonic_time(), 0);
        struct timespec left;

        if (state == SOCKET_LISTENS)
            return path_fd;
        if (state == SOCKET_FAILED)
            return -1;
        if (left_usec == 0)
            break;
        /*
         * The watch reports bind(2). Nothing reports the listen(2) that follows: look again soon.
         */
        if (state == SOCKET_BOUND) {
            left_usec = MIN(left_usec, delay_usec);
            delay_usec = MIN(delay_usec * 2, LISTEN_DELAY_MAX_USEC);
        }
        left = (struct timespec){left_usec / G_USEC_PER_SEC, left_usec % G_USEC_PER_SEC * 1000};
        (void)ppoll(pollfds, G_N_ELEMENTS(pollfds), &left, NULL);
        (void)banger_name_watch_take(&watch);
        if (!banger_job_check(job, error))
            return -1;
        if (pollfds[0].revents != 0) {
            (void)banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                   "the process ended before it listened at %s", path);
            return -1;
        }
    }
    (void)banger_set_error(error, BANGER_ERROR_TIMEOUT,
                           "the process did not listen at %s within %d ms", path, timeout_ms);
    return -1;
}

/*
 * Whether the socket that @path_fd is open on may become the owner's. One of root's may be any
 * service's, unless a VMM listens there, of a time when they ran as root.
 */
static bool
check_root(const BangerSettings *settings, int path_fd, const char *path, GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    banger_autofd int fd = -1;
    struct stat st;
    pid_t peer = 0;

    if (fstat(path_fd, &st) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot examine %s",
                                path);
    if (st.st_uid != 0)
        return true;
    fd = banger_unix_socket_connect(path_fd, &peer);
    return (fd >= 0 && banger_process_open((uint32_t)peer, &process, NULL) &&
            banger_process_check_ours(&process, settings, NULL)) ||
           banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                            "%s belongs to root, and no VMM listens there", path);
}

bool
banger_unix_socket_give(const BangerSettings *settings, const char *path, GError **error)
{
    banger_autofd int path_fd = banger_path_open_socket(settings, BANGER_PATH_RUNTIME, path, error);

    return path_fd >= 0 && check_root(settings, path_fd, path, error) &&
           banger_path_give(path_fd, path, settings->owner_uid, settings->owner_gid, 0600, error);
}
