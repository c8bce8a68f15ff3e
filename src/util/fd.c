/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/fd.h"

#include <errno.h>

void
banger_close_fd(int *fd)
{
    int saved_errno = errno;

    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = saved_errno;
}
