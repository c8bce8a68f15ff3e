/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-bridge/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/socket.h"

#define LOCK_TRIES 20
#define LOCK_RETRY_USEC (100 * G_USEC_PER_SEC / 1000)

bool
banger_listener_from_systemd(int *ret_fd, GError **error)
{
    int n = sd_listen_fds(1);

    if (n < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, -n,
                                "cannot take over the socket of the service manager");
    if (n > 1 || (n == 1 && sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "the service manager passed something other than one listening "
                                "Unix stream socket");
    *ret_fd = n == 1 ? SD_LISTEN_FDS_START : -1;
    return true;
}

/*
 * unix(7): an O_PATH descriptor of the file that a socket is bound to. <linux/un.h> has it, but
 * does not go together with <sys/un.h>.
 */
#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE 0x89e0
#endif

/* Removes a socket that a program left behind. */
static bool
remove_stale(const struct sockaddr_un *address, GError **error)
{
    struct stat status;

    if (lstat(address->sun_path, &status) < 0)
        return errno == ENOENT || banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                                   "cannot look at %s", address->sun_path);
    if (!S_ISSOCK(status.st_mode))
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS, "%s exists and is not a socket",
                                address->sun_path);
    if (!banger_socket_is_stale(address->sun_path))
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                "%s is in use by another program", address->sun_path);
    if (unlink(address->sun_path) < 0 && errno != ENOENT)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot remove %s",
                                address->sun_path);
    return true;
}

/* flock(2) for two seconds at most: any program that may open the folder may keep it locked. */
static int
lock_in_time(int fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        g_usleep(LOCK_RETRY_USEC);
    }
    errno = EWOULDBLOCK;
    return -1;
}

static int
lock_folder(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    banger_autofd int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || lock_in_time(fd) < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot lock %s",
                               folder);
        return -1;
    }
    return banger_steal_fd(&fd);
}

/* The mode has to be right from the first moment on, so it is the mask that makes it. */
static int
bind_private(int fd, const struct sockaddr_un *address)
{
    mode_t mask = umask(0177);
    int r = bind(fd, (const struct sockaddr *)address, sizeof *address);
    int saved_errno = errno;

    (void)umask(mask);
    errno = saved_errno;
    return r;
}

/*
 * Gives the bound socket's file to @uid and @gid. By the socket itself, since another program may
 * have put another file at the path meanwhile, where the folder is not root's.
 */
static int
give_away(int fd, uid_t uid, gid_t gid)
{
    banger_autofd int file = -1;

    if (uid == geteuid())
        return 0;
    file = ioctl(fd, SIOCUNIXFILE);
    return file < 0 ? -1 : fchownat(file, "", uid, gid, AT_EMPTY_PATH);
}

int
banger_listener_bind(const char *path, uid_t uid, gid_t gid, GError **error)
{
    banger_autofd int fd = -1;
    banger_autofd int lock = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (path[0] != '/' || strlen(path) >= sizeof address.sun_path) {
        (void)banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                               "%s is not an absolute path of at most %zu bytes", path,
                               sizeof address.sun_path - 1);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    lock = lock_folder(path, error);
    if (lock < 0 || !remove_stale(&address, error))
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind_private(fd, &address) < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot listen at %s",
                               path);
        return -1;
    }
    if (give_away(fd, uid, gid) < 0 || listen(fd, SOMAXCONN) < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot listen at %s",
                               path);
        (void)unlink(path);
        return -1;
    }
    return banger_steal_fd(&fd);
}
