/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"

bool
banger_sysctl_ensure(const char *path, const char *value, char **ret_previous, GError **error)
{
    g_autofree char *full = g_build_filename("/proc/sys", path, NULL);
    char previous[64] = "";
    size_t length = strlen(value);
    banger_autofd int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got;

    if (fd < 0)
        return banger_set_errno(
            error, errno == ENOENT ? BANGER_ERROR_NOT_FOUND : BANGER_ERROR_OPERATION_FAILED, errno,
            "cannot read the kernel setting %s", path);
    got = read(fd, previous, sizeof previous - 1);
    if (got < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot read the kernel setting %s", path);
    previous[got] = '\0';
    g_strchomp(previous);
    if (g_str_equal(previous, value)) {
        if (ret_previous != NULL)
            *ret_previous = NULL;
        return true;
    }
    banger_close_fd(&fd);
    fd = open(full, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || write(fd, value, length) != (ssize_t)length)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot set the kernel setting %s to %s", path, value);
    if (ret_previous != NULL)
        *ret_previous = g_strdup(previous);
    return true;
}
