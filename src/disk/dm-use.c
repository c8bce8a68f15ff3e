/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "disk/dm-private.h"
#include "model/names.h"
#include "util/fd.h"

/*
 * How often the device @number is open, and its name; false if it is none of device-mapper's. Under
 * the lock.
 */
static bool
get_open_count(dev_t number, int *ret_count, char **ret_name)
{
    banger_auto_dm_task *task = dm_task_create(DM_DEVICE_INFO);
    struct dm_info info = {0};

    if (task == NULL || !dm_task_set_major_minor(task, (int)major(number), (int)minor(number), 0) ||
        !dm_task_run(task) || !dm_task_get_info(task, &info) || !info.exists)
        return false;
    *ret_count = info.open_count;
    *ret_name = g_strdup(dm_task_get_name(task));
    return true;
}

/* Whether the kernel has the device for itself: then it is not to be had exclusively. */
static bool
is_taken(const char *name)
{
    g_autofree char *path = g_strconcat(BANGER_DM_DIRECTORY, name, NULL);
    banger_autofd int fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);

    return fd < 0 && errno == EBUSY;
}

BangerDiskUse
banger_disk_find_dm(const BangerSettings *settings, const struct stat *st, BangerDiskMode mode,
                    char **ret_who)
{
    g_autofree char *name = NULL;
    bool found;
    int count = 0;

    (void)settings;
    if (!S_ISBLK(st->st_mode) || !banger_dm_lock(NULL))
        return BANGER_DISK_UNUSED;
    found = get_open_count(st->st_rdev, &count, &name);
    banger_dm_unlock();
    if (!found)
        return BANGER_DISK_UNUSED;
    if (count <= 0)
        return BANGER_DISK_FREE;
    if (mode == BANGER_DISK_READ) {
        if (!is_taken(name))
            return BANGER_DISK_UNUSED;
        *ret_who = g_strdup("a mount or another device");
        return BANGER_DISK_IN_USE;
    }
    *ret_who = g_strdup_printf("a process or a device that has it open (%d times)", count);
    return BANGER_DISK_PASSING;
}
