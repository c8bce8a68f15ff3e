/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/object-claim.h"
#include "util/path.h"
#include "vmm/own-directory.h"
#include "vmm/snapshot-directory.h"
#include "vmm/unit-list.h"

/*
 * The directory in which one VMM binds its sockets, until its guest runs, and the one in which it
 * writes snapshots.
 */

#define SWEEP_USEC G_USEC_PER_SEC
#define SWEPT_AGE_S 120 /* more than a launch takes before there is a unit */
#define SWEPT_OFTEN 64  /* with more directories than these there is a pause after a sweep */
#define SWEEP_PAUSE_USEC (60 * G_USEC_PER_SEC)
#define OPEN_MODE 0770   /* owner, and the VMs' group: the VMM binds its sockets */
#define CLOSED_MODE 0710 /* it has bound them, and connects to listeners */

/* Opens the directory of all jails, or -1. */
static int
open_all(const BangerJail *jail)
{
    const char *name;
    banger_autofd int fd =
        banger_path_open_parent(jail->settings, BANGER_PATH_RUNTIME, jail->directory, &name, NULL);

    return banger_steal_fd(&fd);
}

/*
 * Makes the directories of the socket @path of the runtime directory below the VM's own, or sets
 * the @mode of those that are there.
 */
static bool
make_parents(const BangerJail *jail, const char *path, mode_t mode, GError **error)
{
    const BangerSettings *settings = jail->settings;
    g_auto(GStrv) names = g_strsplit(path + strlen(settings->runtime_directory) + 1, "/", -1);
    banger_autofd int fd = dup(jail->fd);

    for (char **name = names; fd >= 0 && name[1] != NULL; name++) {
        int below = banger_own_directory_make(fd, *name, settings->owner_uid, jail->group, mode);

        banger_close_fd(&fd);
        fd = below;
    }
    return fd >= 0 ||
           banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                            "cannot make a directory for %s below %s", path, jail->directory);
}

/* Whether @name, below @parent, is older than a launch takes until there is a unit, without one. */
static bool
is_left(int parent, const char *name, gint64 now_s)
{
    struct stat st;

    return fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           now_s - st.st_mtim.tv_sec >= SWEPT_AGE_S && !banger_unit_exists(name);
}

/* Removes the directories of the VM @name, below @parent, if it has ended. */
static void
sweep_directory(const BangerSettings *settings, int parent, const char *name, gint64 now_s)
{
    g_autoptr(BangerObjectClaim) claim = NULL;
    banger_autofd int own = -1;
    banger_autofd int snapshots = -1;

    if (!is_left(parent, name, now_s))
        return;
    /* Not while a launch makes them anew; one that did so until now has a unit. */
    claim = banger_object_claim("vm", name);
    if (claim == NULL || !is_left(parent, name, now_s))
        return;
    own = banger_own_directory_open(parent, name);
    if (own < 0)
        return;
    banger_own_directory_remove(parent, name, own);
    snapshots = banger_snapshot_directory_open(settings, name);
    if (snapshots >= 0)
        banger_snapshot_directory_remove(settings, name, snapshots);
}

/*
 * Removes the directories of VMs that ended by themselves. @parent is open on the directory of all
 * jails. Returns how many were looked at.
 */
static unsigned int
sweep_directories(const BangerSettings *settings, int parent)
{
    banger_autofd int fd = banger_own_directory_open(parent, ".");
    g_autoptr(GDir) dir = fd >= 0 ? g_dir_open(banger_fd_path(fd).text, 0, NULL) : NULL;
    gint64 deadline_usec = g_get_monotonic_time() + SWEEP_USEC;
    gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;
    unsigned int n = 0;
    const char *name;

    while (dir != NULL && g_get_monotonic_time() < deadline_usec &&
           (name = g_dir_read_name(dir)) != NULL) {
        n++;
        sweep_directory(settings, parent, name, now_s);
    }
    return n;
}

/*
 * Sweeps, unless another launch is just doing it or the last sweep of many was a moment ago: what a
 * launch takes is not to grow with the number of VMs.
 */
static void
sweep_at_times(const BangerSettings *settings, int parent)
{
    static GMutex lock;
    static gint64 pause_end_usec;

    if (!g_mutex_trylock(&lock))
        return;
    if (g_get_monotonic_time() >= pause_end_usec &&
        sweep_directories(settings, parent) > SWEPT_OFTEN)
        pause_end_usec = g_get_monotonic_time() + SWEEP_PAUSE_USEC;
    g_mutex_unlock(&lock);
}

static bool
make_sockets_directory(BangerJail *jail, const char *const *sockets, GError **error)
{
    const BangerSettings *settings = jail->settings;
    const char *name;
    g_autofree char *all =
        g_build_filename(settings->runtime_directory, BANGER_JAIL_DIRECTORY, NULL);
    banger_autofd int runtime =
        banger_path_open_parent(settings, BANGER_PATH_RUNTIME, all, &name, error);
    banger_autofd int parent = -1;
    banger_autofd int former = -1;

    if (runtime < 0)
        return false;
    parent = banger_own_directory_make(runtime, BANGER_JAIL_DIRECTORY, 0, 0, 0711);
    if (parent >= 0)
        sweep_at_times(settings, parent);
    former = parent >= 0 ? banger_own_directory_open(parent, jail->vm_id) : -1;
    /* A new one, which no process that had the former one open can reach. */
    if (former >= 0)
        banger_own_directory_remove(parent, jail->vm_id, former);
    if (parent < 0 || mkdirat(parent, jail->vm_id, 0700) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot make %s",
                                jail->directory);
    jail->fd =
        banger_own_directory_make(parent, jail->vm_id, settings->owner_uid, jail->group, OPEN_MODE);
    if (jail->fd < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot make %s",
                                jail->directory);
    for (; *sockets != NULL; sockets++)
        if (**sockets != '\0' && !make_parents(jail, *sockets, OPEN_MODE, error))
            return false;
    return true;
}

bool
banger_jail_make_directory(BangerJail *jail, const char *const *sockets, GError **error)
{
    jail->snapshots_fd = banger_snapshot_directory_make(jail->settings, jail->vm_id, error);
    if (jail->snapshots_fd >= 0 && make_sockets_directory(jail, sockets, error))
        return true;
    banger_jail_remove_directory(jail);
    return false;
}

bool
banger_jail_close_directory(const BangerJail *jail, const char *const *sockets, GError **error)
{
    for (; *sockets != NULL; sockets++)
        if (**sockets != '\0' && !make_parents(jail, *sockets, CLOSED_MODE, error))
            return false;
    return fchmod(jail->fd, CLOSED_MODE) == 0 ||
           banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot close %s",
                            jail->directory);
}

bool
banger_jail_open_directory(BangerJail *jail)
{
    banger_autofd int parent = open_all(jail);

    jail->fd = parent >= 0 ? banger_own_directory_open(parent, jail->vm_id) : -1;
    if (jail->fd >= 0)
        jail->snapshots_fd = banger_snapshot_directory_open(jail->settings, jail->vm_id);
    return jail->fd >= 0;
}

void
banger_jail_remove_directory(const BangerJail *jail)
{
    banger_autofd int parent = open_all(jail);

    if (parent >= 0 && jail->fd >= 0)
        banger_own_directory_remove(parent, jail->vm_id, jail->fd);
    if (jail->snapshots_fd >= 0)
        banger_snapshot_directory_remove(jail->settings, jail->vm_id, jail->snapshots_fd);
}

bool
banger_jail_move_socket(const BangerJail *jail, const char *path, GError **error)
{
    g_autofree char *outside = banger_jail_outside(jail, path);
    const char *from_name, *to_name;
    banger_autofd int from =
        banger_path_open_parent(jail->settings, BANGER_PATH_RUNTIME, outside, &from_name, error);
    banger_autofd int to = -1;

    if (from < 0)
        return false;
    to = banger_path_open_parent(jail->settings, BANGER_PATH_RUNTIME, path, &to_name, error);
    if (to < 0)
        return false;
    if (renameat2(from, from_name, to, to_name, RENAME_NOREPLACE) == 0)
        return true;
    return banger_set_errno(
        error, errno == EEXIST ? BANGER_ERROR_ALREADY_EXISTS : BANGER_ERROR_OPERATION_FAILED, errno,
        "cannot put the socket of the virtual machine at %s", path);
}
