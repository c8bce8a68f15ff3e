/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/spawning.h"
#include "vmm/file-access.h"
#include "vmm/process-scan.h"
#include "vmm/snapshot-directory.h"

#define HEX_DIGITS 16

bool
banger_jail_name(const BangerSettings *settings, const char *vm_id, BangerJail *ret_jail,
                 GError **error)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, vm_id, -1);
    struct group entry;
    struct group *found = NULL;
    char buffer[16384];

    if (getgrnam_r(BANGER_JAIL_GROUP, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL)
        return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED,
                                "there is no group " BANGER_JAIL_GROUP
                                ", which systemd-sysusers(8) makes of the package's file");
    *ret_jail = (BangerJail)BANGER_JAIL_INIT;
    ret_jail->settings = settings;
    ret_jail->vm_id = g_strdup(vm_id);
    ret_jail->group = entry.gr_gid;
    ret_jail->user = g_strdup_printf("bvm-%.*s", HEX_DIGITS, digest);
    ret_jail->directory =
        g_strdup_printf("%s/" BANGER_JAIL_DIRECTORY "/%s", settings->runtime_directory, vm_id);
    ret_jail->snapshots = banger_snapshot_directory_path(settings, vm_id);
    return true;
}

void
banger_jail_clear(BangerJail *jail)
{
    g_clear_pointer(&jail->vm_id, g_free);
    g_clear_pointer(&jail->user, g_free);
    g_clear_pointer(&jail->directory, g_free);
    g_clear_pointer(&jail->snapshots, g_free);
    banger_close_fd(&jail->fd);
    banger_close_fd(&jail->snapshots_fd);
}

char *
banger_jail_outside(const BangerJail *jail, const char *path)
{
    return g_strconcat(jail->directory, path + strlen(jail->settings->runtime_directory), NULL);
}

/* Opens @path as the process whose root directory @root_fd is would. Nothing is a link there. */
static int
open_inside(int root_fd, const char *path)
{
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);
}

static bool
check_inside(int root_fd, const char *path, const struct stat *wanted, GError **error)
{
    banger_autofd int fd = open_inside(root_fd, path);
    struct stat st;
    bool same;

    if (fd < 0 || fstat(fd, &st) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot examine %s in the virtual machine's root directory", path);
    same = S_ISBLK(wanted->st_mode) ? S_ISBLK(st.st_mode) && st.st_rdev == wanted->st_rdev
                                    : st.st_dev == wanted->st_dev && st.st_ino == wanted->st_ino;
    return same || banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                    "%s was exchanged after it had been checked", path);
}

static int
open_root(const BangerProcess *process, GError **error)
{
    int fd = openat(process->directory, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                               "cannot examine process %d", process->pid);
    return fd;
}

bool
banger_jail_check_path(const BangerProcess *process, const char *path, const struct stat *wanted,
                       GError **error)
{
    banger_autofd int root_fd = open_root(process, error);

    return root_fd >= 0 && check_inside(root_fd, path, wanted, error);
}

/* Compares the two directories that are the jail's own. */
static bool
check_directories(const BangerJail *jail, int root_fd, GError **error)
{
    struct stat sockets, snapshots;

    if (fstat(jail->fd, &sockets) < 0 || fstat(jail->snapshots_fd, &snapshots) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot examine %s",
                                jail->directory);
    return check_inside(root_fd, jail->settings->runtime_directory, &sockets, error) &&
           check_inside(root_fd, jail->snapshots, &snapshots, error);
}

bool
banger_jail_check(BangerJail *jail, const BangerProcess *process, const BangerVmFile *files,
                  size_t n_files, GError **error)
{
    banger_autofd int root_fd = open_root(process, error);
    struct stat st;

    if (root_fd < 0)
        return false;
    if (fstat(process->directory, &st) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot examine process %d", process->pid);
    if (!banger_file_access_is_dynamic(st.st_uid))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "process %d runs as uid %u, which is no user of its own",
                                process->pid, st.st_uid);
    jail->uid = st.st_uid;
    if (!check_directories(jail, root_fd, error))
        return false;
    for (size_t i = 0; i < n_files; i++)
        if (!check_inside(root_fd, files[i].path, &files[i].st, error))
            return false;
    return true;
}

/* Whether @uid, of the dynamic range, is neither that of a VM that runs nor a user's. */
static bool
is_stale(uid_t uid, void *user_data)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[4096];

    (void)user_data;
    return !banger_process_uid_may_have_unit(uid) &&
           getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found == NULL;
}

/* Whether all VMMs can read root's file @file as it is. */
static bool
check_roots_file(const BangerJail *jail, const BangerVmFile *file, GError **error)
{
    const struct stat *st = &file->st;

    if ((st->st_mode & S_IROTH) != 0 || ((st->st_mode & S_IRGRP) != 0 && st->st_gid == jail->group))
        return true;
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "%s belongs to root, and virtual machines cannot read it: make it "
                            "readable to all or to the group " BANGER_JAIL_GROUP,
                            file->path);
}

bool
banger_jail_grant(const BangerJail *jail, const BangerVmFile *files, size_t n_files, GError **error)
{
    const BangerStaleUids stale = {is_stale, NULL};

    for (size_t i = 0; i < n_files; i++) {
        const BangerVmFile *file = &files[i];
        bool granted;

        if (file->writable || S_ISBLK(file->st.st_mode))
            granted = banger_file_access_grant_user(file->fd, file->path, jail->uid, file->writable,
                                                    &stale, error);
        else if (file->st.st_uid == 0 && jail->settings->owner_uid != 0)
            granted = check_roots_file(jail, file, error);
        else
            granted =
                banger_file_access_grant_group(file->fd, file->path, jail->group, &stale, error);
        if (!granted)
            return false;
    }
    return true;
}

void
banger_jail_revoke(const BangerJail *jail, const BangerVmFile *files, size_t n_files)
{
    for (size_t i = 0; i < n_files; i++)
        if (files[i].writable || S_ISBLK(files[i].st.st_mode))
            banger_file_access_revoke_user(files[i].fd, jail->uid);
}

bool
banger_jail_own_tap(const char *name, uid_t uid, gid_t gid, GError **error)
{
    banger_autofd_everywhere int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};

    (void)g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 ||
        ioctl(fd, TUNSETOWNER, (unsigned long)uid) < 0 ||
        ioctl(fd, TUNSETGROUP, (unsigned long)gid) < 0)
        return banger_set_errno(error,
                                errno == EBUSY ? BANGER_ERROR_BUSY : BANGER_ERROR_OPERATION_FAILED,
                                errno, "cannot hand the TAP %s to uid %u", name, uid);
    return true;
}

bool
banger_jail_has_tap(const BangerSettings *settings, const char *name)
{
    g_autofree char *path = g_strdup_printf("/sys/class/net/%s/owner", name);
    g_autofree char *text = NULL;
    uid_t owner;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    owner = (uid_t)g_ascii_strtoull(text, NULL, 10);
    return owner != settings->owner_uid && banger_file_access_is_dynamic(owner);
}
