/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk/dm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <syslog.h>
#include <unistd.h>

#include "disk/dm-private.h"
#include "model/names.h"
#include "util/error.h"
#include "util/fd.h"

#define REMOVE_TIMEOUT_USEC (5 * G_USEC_PER_SEC)
#define REMOVE_INTERVAL_USEC (100 * 1000)
/*
 * Twice this, for a device that is made and removed again, is less than the 25 s that a D-Bus
 * caller waits by default; what polkit takes comes before.
 */
#define UDEV_TIMEOUT_USEC (10 * G_USEC_PER_SEC)
#define UDEV_INTERVAL_USEC (2 * 1000)

/*
 * What udev may do with the device: make its node and set the owner. The file system in it is a
 * guest's: no program of the host shall look into it.
 */
#define UDEV_FLAGS                                                                                 \
    (DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG |                      \
     DM_UDEV_DISABLE_OTHER_RULES_FLAG)

static GMutex lock;
static char last_words[256]; /* under the lock: the first thing libdevmapper complained of */

static void __attribute__((format(printf, 5, 6)))
listen_to_library(int level, const char *file, int line, int errnum, const char *format, ...)
{
    va_list arguments;

    (void)file;
    (void)line;
    (void)errnum;
    /* The level's lowest bits are a priority of syslog(3). */
    if ((level & 7) > LOG_ERR || last_words[0] != '\0')
        return;
    va_start(arguments, format);
    (void)g_vsnprintf(last_words, sizeof last_words, format, arguments);
    va_end(arguments);
}

/* The node may be there without a driver behind it; opening it loads the driver's module. */
static bool
has_driver(void)
{
    banger_autofd int fd = -1;

    if (access("/sys/class/misc/device-mapper", F_OK) == 0)
        return true;
    fd = open(BANGER_DM_DIRECTORY "control", O_RDWR | O_CLOEXEC);
    return fd >= 0;
}

static bool
is_supported(GError **error)
{
    char version[64];

    last_words[0] = '\0';
    dm_log_with_errno_init(listen_to_library);
    if (!has_driver())
        return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED,
                                "this host's kernel has no device-mapper");
    if (!dm_driver_version(version, sizeof version))
        return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED,
                                "this host's device-mapper does not answer: %s", last_words);
    last_words[0] = '\0';
    return true;
}

bool
banger_dm_lock(GError **error)
{
    g_mutex_lock(&lock);
    if (is_supported(error))
        return true;
    g_mutex_unlock(&lock);
    return false;
}

void
banger_dm_unlock(void)
{
    g_mutex_unlock(&lock);
}

void
banger_dm_task_free(struct dm_task **task)
{
    if (*task != NULL)
        dm_task_destroy(*task);
}

struct dm_task *
banger_dm_task_new(int type, const char *name)
{
    struct dm_task *task = dm_task_create(type);

    if (task != NULL && !dm_task_set_name(task, name)) {
        dm_task_destroy(task);
        task = NULL;
    }
    return task;
}

bool
banger_dm_refuse(struct dm_task *task, const char *what, const char *name, GError **error)
{
    int errnum = task != NULL ? dm_task_get_errno(task) : ENOMEM;

    if (errnum == 0)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED, "cannot %s %s: %s", what,
                                name, last_words[0] != '\0' ? last_words : "libdevmapper refused");
    return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errnum, "cannot %s %s%s%s", what,
                            name, last_words[0] != '\0' ? ": " : "", last_words);
}

/* "<base> <cow> <P|N> <chunk size>", the devices as major:minor, of a snapshot's table. */
static bool
parse_snapshot(const char *parameters, BangerDmInfo *info)
{
    unsigned int base_major, base_minor, cow_major, cow_minor;

    if (sscanf(parameters, "%u:%u %u:%u %*s %u", &base_major, &base_minor, &cow_major, &cow_minor,
               &info->chunk_sectors) != 5)
        return false;
    info->base = makedev(base_major, base_minor);
    info->cow = makedev(cow_major, cow_minor);
    return true;
}

static void
read_table(struct dm_task *task, BangerDmInfo *info)
{
    uint64_t start = 0, length = 0;
    char *type = NULL, *parameters = NULL;
    void *next = dm_get_next_target(task, NULL, &start, &length, &type, &parameters);

    info->has_table = type != NULL;
    info->sectors = length;
    info->is_snapshot = type != NULL && next == NULL && start == 0 &&
                        g_str_equal(type, "snapshot") && parse_snapshot(parameters, info);
}

static bool
get_info_locked(const char *name, BangerDmInfo *ret_info, GError **error)
{
    banger_auto_dm_task *task = banger_dm_task_new(DM_DEVICE_TABLE, name);
    BangerDmInfo result = {0};
    struct dm_info info = {0};
    const char *uuid;

    if (task == NULL || !dm_task_run(task)) {
        if (task == NULL || dm_task_get_errno(task) != ENXIO)
            return banger_dm_refuse(task, "examine", name, error);
    } else if (!dm_task_get_info(task, &info)) {
        return banger_dm_refuse(task, "examine", name, error);
    }
    if (info.exists) {
        g_autofree char *expected = g_strconcat(BANGER_DM_UUID_PREFIX, name, NULL);

        uuid = dm_task_get_uuid(task);
        result.exists = true;
        result.is_banger = uuid != NULL && g_str_equal(uuid, expected);
        result.open_count = (unsigned int)MAX(info.open_count, 0);
        result.number = makedev(info.major, info.minor);
        read_table(task, &result);
    }
    *ret_info = result;
    return true;
}

bool
banger_dm_get_info(const char *name, BangerDmInfo *ret_info, GError **error)
{
    bool done;

    g_mutex_lock(&lock);
    done = is_supported(error) && get_info_locked(name, ret_info, error);
    g_mutex_unlock(&lock);
    return done;
}

bool
banger_dm_get_snapshot(const char *name, BangerDmInfo *ret_info, GError **error)
{
    if (!banger_dm_get_info(name, ret_info, error))
        return false;
    if (!ret_info->exists)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND,
                                BANGER_DM_DIRECTORY "%s does not exist", name);
    return ret_info->is_snapshot ||
           banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                            BANGER_DM_DIRECTORY "%s is not a snapshot", name);
}

/*
 * Waits for udev to finish with @cookie. dm_udev_wait() would wait for ever for a udevd that hangs,
 * and under the lock. @name is for the message.
 */
static bool
wait_for_udev(uint32_t cookie, const char *name, GError **error)
{
    gint64 deadline_usec = g_get_monotonic_time() + UDEV_TIMEOUT_USEC;
    int ready = 0;

    for (;;) {
        bool answered;

        g_mutex_lock(&lock);
        answered = dm_udev_wait_immediate(cookie, &ready) != 0;
        if (answered && ready)
            dm_task_update_nodes();
        g_mutex_unlock(&lock);
        if (!answered)
            return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                    "cannot wait for udev to handle %s", name);
        if (ready)
            return true;
        if (g_get_monotonic_time() >= deadline_usec)
            break;
        g_usleep(UDEV_INTERVAL_USEC);
    }
    g_mutex_lock(&lock);
    (void)dm_udev_complete(cookie);
    (void)dm_udev_wait_immediate(cookie, &ready);
    g_mutex_unlock(&lock);
    return banger_set_error(error, BANGER_ERROR_TIMEOUT, "udev did not handle %s within %d s", name,
                            (int)(UDEV_TIMEOUT_USEC / G_USEC_PER_SEC));
}

/* Runs @task with a udev cookie. The caller has the lock. */
static bool
run_with_cookie(struct dm_task *task, uint32_t *ret_cookie)
{
    uint32_t cookie = 0;
    bool done;

    if (!dm_task_set_cookie(task, &cookie, UDEV_FLAGS))
        return false;
    done = dm_task_run(task);
    /* A failed run took its share of the cookie back; what is left is ours. */
    *ret_cookie = cookie;
    return done;
}

static void
give_up_cookie(uint32_t cookie)
{
    int ready;

    if (cookie != 0)
        (void)dm_udev_wait_immediate(cookie, &ready);
}

static bool
create_locked(const char *name, const char *parameters, uint64_t sectors, uid_t uid, gid_t gid,
              uint32_t *ret_cookie, GError **error)
{
    banger_auto_dm_task *task = banger_dm_task_new(DM_DEVICE_CREATE, name);
    g_autofree char *uuid = g_strconcat(BANGER_DM_UUID_PREFIX, name, NULL);
    uint32_t cookie = 0;
    BangerDmInfo info;

    if (task == NULL || !dm_task_set_uuid(task, uuid) ||
        !dm_task_add_target(task, 0, sectors, "snapshot", parameters) ||
        !dm_task_set_uid(task, uid) || !dm_task_set_gid(task, gid) ||
        !dm_task_set_mode(task, 0600) || !dm_task_set_add_node(task, DM_ADD_NODE_ON_RESUME))
        return banger_dm_refuse(task, "prepare", name, error);
    if (!run_with_cookie(task, &cookie)) {
        give_up_cookie(cookie);
        /* The library makes, loads and resumes in one, and does not say which of them failed. */
        if (get_info_locked(name, &info, NULL) && info.exists)
            return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS, "the dm name %s is taken",
                                    name);
        return banger_dm_refuse(task, "create", name, error);
    }
    *ret_cookie = cookie;
    return true;
}

bool
banger_dm_create_snapshot(const char *name, dev_t base, dev_t cow, uint64_t sectors, uid_t uid,
                          gid_t gid, GError **error)
{
    g_autofree char *parameters = g_strdup_printf("%u:%u %u:%u P %d", major(base), minor(base),
                                                  major(cow), minor(cow), BANGER_DM_CHUNK_SECTORS);
    uint32_t cookie = 0;
    bool done;

    g_mutex_lock(&lock);
    done =
        is_supported(error) && create_locked(name, parameters, sectors, uid, gid, &cookie, error);
    g_mutex_unlock(&lock);
    if (!done)
        return false;
    if (!wait_for_udev(cookie, name, error)) {
        (void)banger_dm_remove(name, NULL);
        return false;
    }
    return true;
}

/* One attempt; *@ret_busy asks for another one. */
static bool
remove_once(const char *name, bool *ret_busy, GError **error)
{
    uint32_t cookie = 0;
    int errnum = 0;
    bool done;

    *ret_busy = false;
    g_mutex_lock(&lock);
    done = is_supported(error);
    if (done) {
        banger_auto_dm_task *task = banger_dm_task_new(DM_DEVICE_REMOVE, name);

        done = task != NULL && run_with_cookie(task, &cookie);
        if (!done) {
            errnum = task != NULL ? dm_task_get_errno(task) : ENOMEM;
            give_up_cookie(cookie);
            cookie = 0;
            if (errnum != ENXIO && errnum != EBUSY)
                (void)banger_dm_refuse(task, "remove", name, error);
        }
    }
    g_mutex_unlock(&lock);
    if (errnum == ENXIO) /* gone already */
        return true;
    *ret_busy = errnum == EBUSY;
    return done && wait_for_udev(cookie, name, error);
}

bool
banger_dm_remove(const char *name, GError **error)
{
    gint64 deadline_usec = g_get_monotonic_time() + REMOVE_TIMEOUT_USEC;
    bool busy;

    for (;;) {
        if (remove_once(name, &busy, error))
            return true;
        if (!busy)
            return false;
        if (g_get_monotonic_time() >= deadline_usec)
            return banger_set_error(error, BANGER_ERROR_BUSY, "%s is in use", name);
        g_usleep(REMOVE_INTERVAL_USEC);
    }
}

int
banger_dm_open(const char *name, int flags, GError **error)
{
    g_autofree char *path = g_strconcat(BANGER_DM_DIRECTORY, name, NULL);
    banger_autofd int fd = -1;
    BangerDmInfo info;
    struct stat st;

    if (!banger_dm_get_snapshot(name, &info, error))
        return -1;
    /* The node, or udev's link to it: /dev is root's. What counts is the number. */
    fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        (void)banger_set_errno(error,
                               errno == EBUSY ? BANGER_ERROR_BUSY : BANGER_ERROR_OPERATION_FAILED,
                               errno, "cannot open %s", path);
        return -1;
    }
    if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != info.number) {
        (void)banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                               "the node %s is not that of the device", path);
        return -1;
    }
    return banger_steal_fd(&fd);
}
