/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "network/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/spawning.h"

#define TUN_DEVICE "/dev/net/tun"

int
banger_tap_open_driver(GError **error)
{
    int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int errnum = errno;

    if (fd < 0)
        (void)banger_set_errno(error,
                               errnum == ENOENT || errnum == ENODEV || errnum == ENXIO
                                   ? BANGER_ERROR_NOT_SUPPORTED
                                   : BANGER_ERROR_OPERATION_FAILED,
                               errnum, "no %s", TUN_DEVICE);
    return fd < 0 ? -errnum : fd;
}

/* Opens /dev/net/tun and ties it to the TAP @name; 0, or the errno of what failed. */
static int
attach_tap(const char *name, unsigned int flags, int *ret_fd, GError **error)
{
    banger_autofd int fd = banger_tap_open_driver(error);
    struct ifreq request = {0};

    if (fd < 0) {
        g_prefix_error(error, "cannot create the TAP %s: ", name);
        return -fd;
    }
    request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags);
    (void)g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        int errnum = errno;

        (void)banger_set_errno(
            error, errnum == EBUSY ? BANGER_ERROR_ALREADY_EXISTS : BANGER_ERROR_OPERATION_FAILED,
            errnum, "cannot create the TAP %s", name);
        return errnum;
    }
    *ret_fd = banger_steal_fd(&fd);
    return 0;
}

bool
banger_tap_create(const char *name, uid_t owner, gid_t group, int *ret_fd, GError **error)
{
    banger_autofd int fd = -1;

    if (attach_tap(name, IFF_TUN_EXCL, &fd, error) != 0)
        return false;
    /* Without an owner any uid could attach to it, so it never exists without one for long. */
    if (ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0 ||
        ioctl(fd, TUNSETGROUP, (unsigned long)group) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot set the owner of the TAP %s to uid %u, gid %u", name, owner,
                                group);
    *ret_fd = banger_steal_fd(&fd);
    return true;
}

bool
banger_tap_set_owner(const char *name, uid_t owner, gid_t group, GError **error)
{
    banger_autofd_everywhere int fd = -1;
    g_autoptr(GError) refusal = NULL;
    int errnum = attach_tap(name, 0, &fd, &refusal);

    if (errnum != 0 || ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0 ||
        ioctl(fd, TUNSETGROUP, (unsigned long)group) < 0)
        return banger_set_errno(
            error, errnum == EBUSY ? BANGER_ERROR_BUSY : BANGER_ERROR_OPERATION_FAILED,
            errnum != 0 ? errnum : errno, "cannot make uid %u, gid %u those of the TAP %s", owner,
            group, name);
    return true;
}

bool
banger_tap_persist(int fd, const char *name, GError **error)
{
    if (ioctl(fd, TUNSETPERSIST, 1UL) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot make the TAP %s persistent", name);
    return true;
}
