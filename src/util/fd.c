/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/fd.h"

#include <errno.h>
#include <stdio.h>

BangerFdPath
banger_fd_path(int fd)
{
    BangerFdPath path;

    (void)snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
    return path;
}

void
banger_close_fd(int *fd)
{
    int saved_errno = errno;

    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = saved_errno;
}
