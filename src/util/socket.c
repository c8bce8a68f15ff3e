/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/fd.h"

int
banger_socket_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    banger_autofd int fd = -1;

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return banger_steal_fd(&fd);
}

bool
banger_socket_is_stale(const char *path)
{
    banger_autofd int fd = banger_socket_connect(path);

    return fd < 0 && errno == ECONNREFUSED;
}
