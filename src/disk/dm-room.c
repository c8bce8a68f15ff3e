/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "disk/dm-private.h"
#include "disk/loop.h"
#include "model/bounds.h"
#include "util/error.h"
#include "util/fd.h"

#define EXCEPTION_SIZE 16u /* in the COW device, of a chunk that is there */

/* What the status of a snapshot says, in bytes. */
typedef struct {
    uint64_t allocated;
    uint64_t total;
} Fill;

/*
 * The status of a snapshot in use is "<allocated>/<total> …" sectors; else it is a name. Under the
 * lock.
 */
static bool
get_fill_locked(const char *name, Fill *ret_fill, GError **error)
{
    banger_auto_dm_task *task = banger_dm_task_new(DM_DEVICE_STATUS, name);
    uint64_t start = 0, length = 0;
    char *type = NULL, *status = NULL;
    Fill fill = {0};

    if (task == NULL || !dm_task_run(task))
        return banger_dm_refuse(task, "examine", name, error);
    (void)dm_get_next_target(task, NULL, &start, &length, &type, &status);
    if (status == NULL || sscanf(status, "%" SCNu64 "/%" SCNu64, &fill.allocated, &fill.total) != 2)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "the snapshot %s cannot be used any more: %s", name,
                                status != NULL ? status : "it has no table");
    *ret_fill = (Fill){fill.allocated * BANGER_DM_SECTOR, fill.total * BANGER_DM_SECTOR};
    return true;
}

static bool
get_fill(const char *name, Fill *ret_fill, GError **error)
{
    bool done;

    if (!banger_dm_lock(error))
        return false;
    done = get_fill_locked(name, ret_fill, error);
    banger_dm_unlock();
    return done;
}

/*
 * How many bytes more the host has for the COW device @number, of which @allocated are in use: as
 * much as one likes unless its file is sparse, or is not to be seen.
 */
static uint64_t
get_host_room(const BangerSettings *settings, dev_t number, uint64_t allocated)
{
    struct stat st;
    struct statvfs host;
    banger_autofd int fd = banger_loop_open_backing(settings, number, &st);
    uint64_t backed;

    if (fd < 0 || fstatvfs(fd, &host) < 0)
        return UINT64_MAX;
    backed = (uint64_t)st.st_blocks * BANGER_DM_SECTOR;
    if (backed >= (uint64_t)st.st_size)
        return UINT64_MAX;
    return (uint64_t)host.f_bfree * host.f_frsize + (backed > allocated ? backed - allocated : 0);
}

/*
 * What follows each chunk's worth of exceptions (16 bytes each) is a chunk for the next ones; and
 * the kernel asks for one chunk more than it takes.
 */
static uint64_t
count_chunks(uint64_t bytes, uint32_t chunk_size)
{
    uint64_t n = bytes / chunk_size;

    return n - MIN(n, n / (chunk_size / EXCEPTION_SIZE) + 2);
}

bool
banger_dm_get_room(const BangerSettings *settings, const char *name, BangerDmRoom *ret_room,
                   GError **error)
{
    BangerDmInfo info;
    Fill fill = {0};
    uint32_t chunk_size;
    uint64_t n, n_host;

    if (!banger_dm_get_snapshot(name, &info, error) || !get_fill(name, &fill, error))
        return false;
    chunk_size = info.chunk_sectors * BANGER_DM_SECTOR;
    n = count_chunks(fill.total - MIN(fill.allocated, fill.total), chunk_size);
    n_host = count_chunks(get_host_room(settings, info.cow, fill.allocated), chunk_size);
    *ret_room = (BangerDmRoom){.chunk_size = chunk_size,
                               .n_chunks = (uint32_t)MIN(MIN(n, n_host), UINT32_MAX),
                               .is_of_host = n_host < n};
    return true;
}

bool
banger_dm_check_host_room(const BangerSettings *settings, const char *name, GError **error)
{
    BangerDmRoom room;

    if (!banger_dm_get_room(settings, name, &room, error))
        return false;
    return !room.is_of_host || (uint64_t)room.n_chunks * room.chunk_size >= BANGER_COW_MIN ||
           banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                            "the COW file of the snapshot %s is sparse, and the host's file system "
                            "that it is on is full: make room there first, or the next change to "
                            "the snapshot loses all of it",
                            name);
}
