/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/mounts.h"
#include "util/path.h"

#define LOOP_MAJOR 7
#define ATTACH_TRIES 64
#define DETACH_TIMEOUT_USEC (5 * G_USEC_PER_SEC)
#define DETACH_INTERVAL_USEC (20 * 1000)
#define DELETED " (deleted)" /* what the kernel adds to the path of an unlinked file */

static int
open_loop(const char *loop, int flags)
{
    int fd;

    do
        fd = open(loop, flags | O_CLOEXEC | O_NOFOLLOW);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Opens the loop device @loop and makes sure that it is one. -1 with errno set otherwise. */
static int
open_checked(const char *loop, int flags)
{
    banger_autofd int fd = open_loop(loop, flags);
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0)
        return -1;
    if (!S_ISBLK(st.st_mode) || major(st.st_rdev) != LOOP_MAJOR) {
        errno = ENOTBLK;
        return -1;
    }
    return banger_steal_fd(&fd);
}

/* One attempt at the loop device @number. Returns its descriptor, or -1 with errno set. */
static int
configure_loop(int number, int backing_fd, const char *path, bool read_only, char **ret_device)
{
    g_autofree char *loop = g_strdup_printf("/dev/loop%d", number);
    banger_autofd int fd = open_checked(loop, read_only ? O_RDONLY : O_RDWR);
    struct loop_config config = {.fd = (__u32)backing_fd};

    if (fd < 0)
        return -1;
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? (__u32)LO_FLAGS_READ_ONLY : 0);
    g_strlcpy((char *)config.info.lo_file_name, path, sizeof config.info.lo_file_name);
    if (ioctl(fd, LOOP_CONFIGURE, &config) < 0)
        return -1;
    *ret_device = g_steal_pointer(&loop);
    return banger_steal_fd(&fd);
}

int
banger_loop_attach(int backing_fd, const char *path, bool read_only, char **ret_device,
                   GError **error)
{
    banger_autofd int control = open_loop("/dev/loop-control", O_RDWR);

    if (control < 0) {
        (void)banger_set_errno(error, BANGER_ERROR_NOT_SUPPORTED, errno,
                               "this host has no loop devices: cannot open /dev/loop-control");
        return -1;
    }
    for (int i = 0; i < ATTACH_TRIES; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        int fd;

        if (number < 0)
            break;
        fd = configure_loop(number, backing_fd, path, read_only, ret_device);
        if (fd >= 0)
            return fd;
        /* Another program was faster, or its node is not there yet. */
        if (errno != EBUSY && errno != ENOENT && errno != ENXIO)
            break;
        g_usleep(i < ATTACH_TRIES / 2 ? 500 : 20 * 1000);
    }
    (void)banger_set_errno(error,
                           errno == EBUSY ? BANGER_ERROR_BUSY : BANGER_ERROR_OPERATION_FAILED,
                           errno, "cannot attach %s to a loop device", path);
    return -1;
}

void
banger_loop_clear(int fd)
{
    (void)ioctl(fd, LOOP_CLR_FD);
}

/* The kernel's own path of the backing file of @loop, or NULL. */
static char *
read_backing_path(const char *loop)
{
    g_autofree char *attribute =
        g_strdup_printf("/sys/block/%s/loop/backing_file", loop + strlen("/dev/"));
    char *path = NULL;

    return g_file_get_contents(attribute, &path, NULL, NULL) ? g_strchomp(path) : NULL;
}

/*
 * Whether the backing file of @loop is on a file system that a user serves (FUSE): no file of the
 * state directory is, and the status of a loop device asks the file system, which might never
 * answer.
 */
static bool
is_of_user(const char *loop)
{
    g_autofree char *path = read_backing_path(loop);
    g_autofree char *mount = path != NULL ? banger_mount_describe_path(path, NULL) : NULL;

    return mount != NULL && banger_mount_is_of_user(mount);
}

/* Reads the status of @loop; false if it is not attached, not there, or not to be asked for. */
static bool
read_status(const char *loop, struct loop_info64 *ret_info)
{
    banger_autofd int fd = open_checked(loop, O_RDONLY);

    return fd >= 0 && !is_of_user(loop) && ioctl(fd, LOOP_GET_STATUS64, ret_info) == 0;
}

static bool
is_backed_by(const struct loop_info64 *info, dev_t device, ino_t inode)
{
    return info->lo_device == device && info->lo_inode == inode;
}

/* Whether the file or block device of @st is what a loop with @info is made of. */
static bool
is_made_of(const struct loop_info64 *info, const struct stat *st)
{
    return S_ISBLK(st->st_mode) ? info->lo_rdevice == st->st_rdev
                                : is_backed_by(info, st->st_dev, st->st_ino);
}

/* The dm device that is made of @loop ("loopN"), or NULL; an empty string if it has no name. */
static char *
holder_of(const char *loop)
{
    g_autofree char *path = g_strdup_printf("/sys/block/%s/holders", loop);
    g_autoptr(GDir) holders = g_dir_open(path, 0, NULL);
    const char *holder = holders != NULL ? g_dir_read_name(holders) : NULL;
    g_autofree char *attribute = NULL;
    char *name = NULL;

    if (holder == NULL)
        return NULL;
    attribute = g_strdup_printf("/sys/block/%s/dm/name", holder);
    if (!g_file_get_contents(attribute, &name, NULL, NULL))
        return g_strdup("");
    return g_strchomp(name);
}

/* What the loop @name ("loopN"), with @info, means for who wants its backing file. */
static BangerDiskUse
describe_use(const char *name, const struct loop_info64 *info, char **ret_who)
{
    g_autofree char *holder = holder_of(name);

    *ret_who = holder != NULL && holder[0] != '\0'
                   ? g_strdup_printf("the snapshot %s (loop device /dev/%s)", holder, name)
                   : g_strdup_printf("the loop device /dev/%s", name);
    return holder == NULL && (info->lo_flags & LO_FLAGS_AUTOCLEAR) != 0 ? BANGER_DISK_DETACHING
                                                                        : BANGER_DISK_IN_USE;
}

BangerDiskUse
banger_disk_find_loop(const BangerSettings *settings, const struct stat *st, BangerDiskMode mode,
                      char **ret_who)
{
    g_autoptr(GDir) directory = g_dir_open("/sys/block", 0, NULL);
    const char *name;

    (void)settings;
    while (directory != NULL && (name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *attached = g_strdup_printf("/sys/block/%s/loop/backing_file", name);
        g_autofree char *loop = g_strdup_printf("/dev/%s", name);
        struct loop_info64 info;

        if (g_str_has_prefix(name, "loop") && access(attached, F_OK) == 0 &&
            read_status(loop, &info) && is_made_of(&info, st) &&
            (mode != BANGER_DISK_READ || (info.lo_flags & LO_FLAGS_READ_ONLY) == 0))
            return describe_use(name, &info, ret_who);
    }
    return BANGER_DISK_UNUSED;
}

/* The path of the loop device @number, or NULL. */
static char *
path_of_number(dev_t number)
{
    g_autofree char *link = NULL, *target = NULL, *name = NULL;

    if (major(number) != LOOP_MAJOR)
        return NULL;
    /* The number of the name is the minor only where loops have no partitions: ask. */
    link = g_strdup_printf("/sys/dev/block/%u:%u", major(number), minor(number));
    target = g_file_read_link(link, NULL);
    if (target == NULL)
        return NULL;
    name = g_path_get_basename(target);
    return g_strdup_printf("/dev/%s", name);
}

char *
banger_loop_path_if_backed_by(dev_t number, dev_t device, ino_t inode)
{
    g_autofree char *loop = path_of_number(number);
    struct loop_info64 info;

    if (loop == NULL || !read_status(loop, &info) || !is_backed_by(&info, device, inode))
        return NULL;
    return g_steal_pointer(&loop);
}

int
banger_loop_open_backing(const BangerSettings *settings, dev_t number, struct stat *ret_stat)
{
    g_autofree char *loop = path_of_number(number);
    g_autofree char *path = loop != NULL ? read_backing_path(loop) : NULL;
    banger_autofd int fd = -1;
    struct loop_info64 info;

    if (path == NULL || !read_status(loop, &info))
        return -1;
    fd = banger_path_open_file(settings, BANGER_PATH_STATE, path, O_PATH, ret_stat, NULL);
    return fd >= 0 && is_backed_by(&info, ret_stat->st_dev, ret_stat->st_ino) ? banger_steal_fd(&fd)
                                                                              : -1;
}

/*
 * Whether the backing file of @loop lies in the state directory: the kernel's own path of it says
 * so, and, unless it is unlinked, the file there is the very one.
 */
static bool
is_managed(const BangerSettings *settings, const char *loop, const struct loop_info64 *info)
{
    g_autofree char *path = read_backing_path(loop);
    g_autofree char *directory = g_strconcat(settings->state_directory, "/", NULL);
    banger_autofd int fd = -1;
    struct stat st;

    if (path == NULL || !g_str_has_prefix(path, directory))
        return false;
    if (g_str_has_suffix(path, DELETED))
        return true;
    fd = banger_path_open_file(settings, BANGER_PATH_STATE, path, O_PATH, &st, NULL);
    return fd >= 0 && is_backed_by(info, st.st_dev, st.st_ino);
}

/* LOOP_CLR_FD succeeds on a device in use, and only sets AUTOCLEAR: so look until it is gone. */
static bool
wait_until_gone(const char *loop, const struct loop_info64 *was, GError **error)
{
    gint64 deadline_usec = g_get_monotonic_time() + DETACH_TIMEOUT_USEC;
    struct loop_info64 info;

    while (read_status(loop, &info) && is_backed_by(&info, was->lo_device, was->lo_inode)) {
        if (g_get_monotonic_time() >= deadline_usec)
            return banger_set_error(error, BANGER_ERROR_BUSY,
                                    "%s is in use: it will be detached at its last close", loop);
        g_usleep(DETACH_INTERVAL_USEC);
    }
    return true;
}

static bool
refuse_foreign(const BangerSettings *settings, const char *loop, GError **error)
{
    return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                            "%s is left alone: its backing file is not in %s", loop,
                            settings->state_directory);
}

/* *@ret_gone: there was nothing to detach. @fd must not stay open while waiting for the end. */
static bool
clear_loop(const BangerSettings *settings, const char *loop, struct loop_info64 *ret_info,
           bool *ret_gone, GError **error)
{
    banger_autofd int fd = open_checked(loop, O_RDONLY);
    g_autofree char *holder = NULL;

    if (fd >= 0 && is_of_user(loop))
        return refuse_foreign(settings, loop, error);
    *ret_gone = (fd < 0 && (errno == ENOENT || errno == ENXIO)) ||
                (fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, ret_info) < 0 && errno == ENXIO);
    if (*ret_gone)
        return true;
    if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, ret_info) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot examine %s",
                                loop);
    if (!is_managed(settings, loop, ret_info))
        return refuse_foreign(settings, loop, error);
    holder = holder_of(loop + strlen("/dev/"));
    if (holder != NULL)
        return banger_set_error(error, BANGER_ERROR_BUSY, "%s is part of another device", loop);
    if (ioctl(fd, LOOP_CLR_FD) < 0 && errno != ENXIO)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot detach %s",
                                loop);
    return true;
}

bool
banger_loop_detach(const BangerSettings *settings, const char *loop, GError **error)
{
    struct loop_info64 info = {0};
    bool gone = false;

    if (!clear_loop(settings, loop, &info, &gone, error))
        return false;
    return gone || wait_until_gone(loop, &info, error);
}
