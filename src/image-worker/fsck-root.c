/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image-worker/fsck-root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "image-worker/sandbox.h"

/* Any directory serves: the tmpfs covers it in this namespace only. */
#define MOUNT_POINT "/run"

static bool
refuse_root(BangerWorkerFailure *failure, const char *what)
{
    return banger_failure_set_errno(failure, errno, "the root of e2fsck: %s", what);
}

static bool
hold_program(BangerWorkerFailure *failure)
{
    int fd = open(BANGER_E2FSCK, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return refuse_root(failure, "cannot open " BANGER_E2FSCK);
    if (fd == BANGER_SANDBOX_FD_PROGRAM)
        return true;
    if (dup3(fd, BANGER_SANDBOX_FD_PROGRAM, O_CLOEXEC) < 0)
        return refuse_root(failure, "cannot keep open " BANGER_E2FSCK);
    (void)close(fd);
    return true;
}

/* Repeats the symbolic link @from at @to. */
static bool
repeat_link(const char *from, const char *to, BangerWorkerFailure *failure)
{
    char target[PATH_MAX] = "";
    ssize_t length = readlink(from, target, sizeof target - 1);

    if (length < 0 || symlink(target, to) < 0)
        return refuse_root(failure, "cannot show libraries");
    return true;
}

/* Shows the directory @name of the host, read-only, or repeats the link that it is there. */
static bool
show_node(const char *name, BangerWorkerFailure *failure)
{
    const unsigned long flags = MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
    char from[32], to[64];
    struct stat st;

    (void)snprintf(from, sizeof from, "/%s", name);
    (void)snprintf(to, sizeof to, MOUNT_POINT "/%s", name);
    if (lstat(from, &st) < 0)
        return errno == ENOENT || refuse_root(failure, "cannot look for libraries");
    if (S_ISLNK(st.st_mode))
        return repeat_link(from, to, failure);
    if (mkdir(to, 0755) < 0 || mount(from, to, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, to, NULL, MS_REMOUNT | flags, NULL) < 0)
        return refuse_root(failure, "cannot show libraries");
    return true;
}

static bool
make_nodes(int image_fd, uid_t uid, gid_t gid, BangerWorkerFailure *failure)
{
    static const char path[] = MOUNT_POINT BANGER_SANDBOX_DEVICE;
    struct stat st;

    if (fstat(image_fd, &st) < 0)
        return refuse_root(failure, "no image");
    if (!S_ISBLK(st.st_mode)) {
        errno = ENOTBLK;
        return refuse_root(failure, "no device");
    }
    /* Without a null device e2fsck complains before it starts. */
    if (mkdir(MOUNT_POINT "/dev", 0755) < 0 ||
        mknod(MOUNT_POINT "/dev/null", S_IFCHR | 0666, makedev(1, 3)) < 0 ||
        chmod(MOUNT_POINT "/dev/null", 0666) < 0)
        return refuse_root(failure, "cannot make the null device");
    if (mknod(path, S_IFBLK | 0600, st.st_rdev) < 0 || chown(path, uid, gid) < 0)
        return refuse_root(failure, "cannot make the image's device");
    return true;
}

/* The mount point becomes the root, the host's root goes. */
static bool
move_in(BangerWorkerFailure *failure)
{
    if (chdir(MOUNT_POINT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
        umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return refuse_root(failure, "cannot move in");
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL) < 0)
        return refuse_root(failure, "cannot make it read-only");
    return true;
}

bool
banger_fsck_root_enter(int image_fd, uid_t uid, gid_t gid, BangerWorkerFailure *failure)
{
    static const char *const directories[] = {"usr", "lib", "lib64"};

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return refuse_root(failure, "cannot part from the host's mounts");
    if (!hold_program(failure))
        return false;
    if (mount("tmpfs", MOUNT_POINT, "tmpfs", MS_NOSUID | MS_NOEXEC,
              "mode=0755,size=64k,nr_inodes=32") < 0)
        return refuse_root(failure, "cannot mount a tmpfs");
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
        if (!show_node(directories[i], failure))
            return false;
    return make_nodes(image_fd, uid, gid, failure) && move_in(failure);
}
