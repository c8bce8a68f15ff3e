/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/disk/fuse-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/harness.h"
#include "rig/rig-client.h"

#define FILE_NODE 2
#define REQUEST_MAX (FUSE_MIN_READ_BUFFER + (128u << 10))

static struct {
    int fd;
    pthread_t thread;
    atomic_bool is_silent;
} server = {.fd = -1};

int
fuse_mount_silent(const char *path, uid_t uid)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    g_autofree char *options =
        g_strdup_printf("fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other", fd, uid, uid);

    if (fd >= 0 && mount("fuse", path, "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static void
answer(const struct fuse_in_header *request, int error, void *data, size_t length)
{
    struct fuse_out_header header = {(uint32_t)(sizeof header + length), error, request->unique};
    struct iovec parts[] = {{&header, sizeof header}, {data, length}};

    (void)!writev(server.fd, parts, 2);
}

static struct fuse_attr
attributes_of(uint64_t node)
{
    return (struct fuse_attr){.ino = node,
                              .size = node == FILE_NODE ? FUSE_FILE_SIZE : 0,
                              .mode = node == FILE_NODE ? S_IFREG | 0666 : S_IFDIR | 0755,
                              .nlink = 1,
                              .blksize = 4096};
}

/* Attributes are valid for no time: each look at them is a question. */
static void
serve_one(const struct fuse_in_header *request)
{
    switch (request->opcode) {
    case FUSE_INIT: {
        struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION,
                                    .minor = FUSE_KERNEL_MINOR_VERSION,
                                    .max_write = 64u << 10};

        answer(request, 0, &out, sizeof out);
        break;
    }
    case FUSE_LOOKUP: {
        struct fuse_entry_out out = {.nodeid = FILE_NODE, .attr = attributes_of(FILE_NODE)};

        if (!server.is_silent)
            answer(request, 0, &out, sizeof out);
        break;
    }
    case FUSE_GETATTR: {
        struct fuse_attr_out out = {.attr = attributes_of(request->nodeid)};

        if (!server.is_silent)
            answer(request, 0, &out, sizeof out);
        break;
    }
    case FUSE_OPEN: {
        struct fuse_open_out out = {0};

        answer(request, 0, &out, sizeof out);
        break;
    }
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        break;
    default:
        answer(request, -ENOSYS, NULL, 0);
    }
}

static void *
serve(void *data)
{
    static union {
        struct fuse_in_header header;
        char bytes[REQUEST_MAX];
    } request;

    for (;;) {
        ssize_t n = read(server.fd, &request, sizeof request);

        if (n >= (ssize_t)sizeof request.header)
            serve_one(&request.header);
        else if (n >= 0 || (errno != EINTR && errno != EAGAIN && errno != ENOENT))
            return data; /* it is no longer mounted */
    }
}

bool
fuse_mount_served(const char *path, uid_t uid)
{
    server.is_silent = false;
    server.fd = fuse_mount_silent(path, uid);
    if (server.fd < 0)
        return false;
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
    return true;
}

void
fuse_fall_silent(void)
{
    server.is_silent = true;
}

static bool
unmount(void *path)
{
    return umount2(path, MNT_FORCE) == 0;
}

/*
 * Another test that looks at all loop devices may wait for us at one that is on our file. It ends
 * its wait with the first attempt, and lets the device go then.
 */
void
fuse_end(const char *path)
{
    rig_wait_for(unmount, (void *)path, "the file system is in use");
    ck_assert_int_eq(pthread_join(server.thread, NULL), 0);
    (void)close(server.fd);
    server.fd = -1;
}
