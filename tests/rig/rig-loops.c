/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rig/rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "util/fd.h"

static GHashTable *files; /* "device:inode" of the files in the directory */

static char *
file_key(guint64 device, guint64 inode)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, device, inode);
}

static int
remember(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path;
    (void)ftw;
    if (type == FTW_F)
        g_hash_table_add(files, file_key(st->st_dev, st->st_ino));
    return 0;
}

/* By device and inode: the path that sysfs shows depends on the mount namespace. */
static void
detach_if_ours(const char *name)
{
    g_autofree char *path = g_build_filename("/dev", name, NULL);
    banger_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct loop_info64 info;
    g_autofree char *key = NULL;

    if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) != 0)
        return;
    key = file_key(info.lo_device, info.lo_inode);
    if (!g_hash_table_contains(files, key))
        return;
    g_printerr("rig: detaching %s, left over by the test\n", path);
    (void)ioctl(fd, LOOP_CLR_FD, 0);
}

void
rig_loops_detach(const char *directory)
{
    g_autoptr(GDir) block = g_dir_open("/sys/block", 0, NULL);
    const char *name;

    files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    (void)nftw(directory, remember, 16, FTW_PHYS);
    while (block != NULL && (name = g_dir_read_name(block)) != NULL)
        if (g_str_has_prefix(name, "loop"))
            detach_if_ours(name);
    g_clear_pointer(&files, g_hash_table_unref);
}
