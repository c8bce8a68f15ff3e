/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/reconcile-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/fd.h"
#include "vmm/jail.h"
#include "vmm/snapshot-directory.h"
#include "vmm/stop.h"
#include "vmm/unix-socket.h"

/* What is looked at of the runtime directory, which is the owner's. */
#define DEPTH_MAX 4
#define ENTRIES_MAX 16384

typedef struct {
    BangerSweep *sweep;
    unsigned int entries;
} Search;

static uint64_t
age_of(const struct stat *st)
{
    time_t now = time(NULL);

    return now > st->st_mtime ? (uint64_t)(now - st->st_mtime) : 0;
}

static bool
remove_socket(BangerSweep *sweep, const char *path, bool *ret_gone, GError **error)
{
    *ret_gone = banger_unix_socket_check_stale(sweep->settings, path, NULL);
    return !*ret_gone || banger_unix_socket_remove_stale(sweep->settings, path, error);
}

static void
take_socket(BangerSweep *sweep, const char *path, const struct stat *st)
{
    const char *name = strrchr(path, '/') + 1;
    g_autofree char *machine = g_strndup(name, strcspn(name, "."));

    if (st->st_uid == sweep->settings->owner_uid &&
        banger_unix_socket_check_stale(sweep->settings, path, NULL))
        (void)banger_sweep_take(
            sweep, &(BangerLeftover){"socket", path, machine, age_of(st), "path", remove_socket});
}

/* Looks through the directory @fd, which is @path. */
static void
search_directory(Search *found, int fd, const char *path, int depth)
{
    g_autoptr(GDir) names = g_dir_open(banger_fd_path(fd).text, 0, NULL);
    const char *name;

    while (names != NULL && found->entries < ENTRIES_MAX &&
           (name = g_dir_read_name(names)) != NULL) {
        g_autofree char *below = g_build_filename(path, name, NULL);
        banger_autofd int child = -1;
        struct stat st;

        found->entries++;
        if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISSOCK(st.st_mode))
            take_socket(found->sweep, below, &st);
        if (!S_ISDIR(st.st_mode) || depth == DEPTH_MAX || g_str_equal(name, BANGER_JAIL_DIRECTORY))
            continue;
        child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child >= 0)
            search_directory(found, child, below, depth + 1);
    }
}

/* The socket directory of a machine that does not run now either. */
static bool
remove_directory(BangerSweep *sweep, const char *vm_id, bool *ret_gone, GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    g_autoptr(BangerMachineInfo) machine = NULL;
    g_auto(BangerJail) jail = BANGER_JAIL_INIT;
    bool runs;

    *ret_gone = false;
    if (!banger_machine_find(sweep->settings, vm_id, &process, &machine, &runs, error))
        return false;
    if (runs)
        return true;
    if (!banger_jail_name(sweep->settings, vm_id, &jail, error))
        return false;
    if (banger_jail_open_directory(&jail)) {
        banger_jail_remove_directory(&jail);
        *ret_gone = true;
    }
    return true;
}

static void
search_jails(BangerSweep *sweep, int runtime)
{
    banger_autofd int fd =
        openat(runtime, BANGER_JAIL_DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    g_autoptr(GDir) names = fd >= 0 ? g_dir_open(banger_fd_path(fd).text, 0, NULL) : NULL;
    const char *name;

    while (names != NULL && (name = g_dir_read_name(names)) != NULL) {
        struct stat st;

        if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
            (void)banger_sweep_take(sweep, &(BangerLeftover){"socket-directory", name, name,
                                                             age_of(&st), "vm", remove_directory});
    }
}

/* The directory for snapshots of a machine that does not run now either. */
static bool
remove_snapshots(BangerSweep *sweep, const char *vm_id, bool *ret_gone, GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    g_autoptr(BangerMachineInfo) machine = NULL;
    banger_autofd int fd = -1;
    bool runs;

    *ret_gone = false;
    if (!banger_machine_find(sweep->settings, vm_id, &process, &machine, &runs, error))
        return false;
    fd = runs ? -1 : banger_snapshot_directory_open(sweep->settings, vm_id);
    if (fd >= 0) {
        banger_snapshot_directory_remove(sweep->settings, vm_id, fd);
        *ret_gone = true;
    }
    return true;
}

/*
 * Those that have no directory of sockets beside them, with which they go: this host was started
 * anew since, or a helper was killed while a VMM without a jail wrote a snapshot.
 */
static void
search_snapshots(BangerSweep *sweep, int runtime)
{
    banger_autofd int fd = banger_snapshot_directory_open_all(sweep->settings);
    g_autoptr(GDir) names = fd >= 0 ? g_dir_open(banger_fd_path(fd).text, 0, NULL) : NULL;
    const char *name;

    while (names != NULL && (name = g_dir_read_name(names)) != NULL) {
        g_autofree char *sockets = g_build_filename(BANGER_JAIL_DIRECTORY, name, NULL);
        struct stat st;

        if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
            faccessat(runtime, sockets, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
            (void)banger_sweep_take(sweep, &(BangerLeftover){"snapshot-directory", name, name,
                                                             age_of(&st), "vm", remove_snapshots});
    }
}

void
banger_sweep_sockets(BangerSweep *sweep)
{
    const char *path = sweep->settings->runtime_directory;
    banger_autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    Search found = {.sweep = sweep};

    if (fd < 0)
        return;
    search_directory(&found, fd, path, 0);
    search_jails(sweep, fd);
    search_snapshots(sweep, fd);
}
