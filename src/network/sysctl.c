/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"

static int
open_setting(const char *path, int mode)
{
    g_autofree char *full = g_build_filename("/proc/sys", path, NULL);

    return open(full, mode | O_CLOEXEC | O_NOFOLLOW);
}

static int
code_of(int errnum)
{
    return errnum == ENOENT ? BANGER_ERROR_NOT_FOUND : BANGER_ERROR_OPERATION_FAILED;
}

bool
banger_sysctl_set(const char *path, const char *value, GError **error)
{
    banger_autofd int fd = open_setting(path, O_WRONLY);

    /* The kernel takes such a value whole or not at all. */
    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        return banger_set_errno(error, code_of(errno), errno,
                                "cannot set the kernel setting %s to %s", path, value);
    return true;
}

bool
banger_sysctl_set_if_there(const char *path, const char *value, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (banger_sysctl_set(path, value, &failure) ||
        g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_NOT_FOUND))
        return true;
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

bool
banger_sysctl_is(const char *path, const char *value, bool *ret_is, GError **error)
{
    char present[64] = "";
    banger_autofd int fd = open_setting(path, O_RDONLY);

    if (fd < 0 || read(fd, present, sizeof present - 1) < 0)
        return banger_set_errno(error, code_of(errno), errno, "cannot read the kernel setting %s",
                                path);
    *ret_is = g_str_equal(g_strchomp(present), value);
    return true;
}
