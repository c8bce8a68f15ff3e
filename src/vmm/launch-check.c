/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "disk/dm.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"
#include "vmm/executable.h"
#include "vmm/launch-private.h"
#include "vmm/process-scan.h"
#include "vmm/unix-socket.h"

/* Takes @fd, which is open on @path, among what the VMM may open. */
static void
add_file(Launch *launch, const char *path, int fd, const struct stat *st, bool writable)
{
    launch->files[launch->n_files++] = (BangerVmFile){path, fd, *st, writable, false};
}

/*
 * The root drive @drive on a dm device: one of the managed snapshots, and nothing else that is
 * there.
 */
static bool
check_device(Launch *launch, const BangerDrive *drive, GError **error)
{
    banger_autofd int fd = open(drive->image.path, O_PATH | O_CLOEXEC);
    struct stat st;
    BangerDmInfo info;

    if (fd < 0 || fstat(fd, &st) < 0)
        return banger_set_errno(
            error, errno == ENOENT ? BANGER_ERROR_NOT_FOUND : BANGER_ERROR_OPERATION_FAILED, errno,
            "drive %s: cannot examine %s", drive->id, drive->image.path);
    if (!banger_dm_get_info(drive->image.dm_name, &info, error))
        return false;
    if (!S_ISBLK(st.st_mode) || !info.exists || info.number != st.st_rdev || !info.is_banger ||
        !info.is_snapshot)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "drive %s: %s is not a snapshot of banger", drive->id,
                                drive->image.path);
    if (!drive->read_only &&
        !banger_dm_check_host_room(launch->settings, drive->image.dm_name, error)) {
        g_prefix_error(error, "drive %s: ", drive->id);
        return false;
    }
    add_file(launch, drive->image.path, banger_steal_fd(&fd), &st, !drive->read_only);
    return true;
}

static bool
check_file(Launch *launch, const char *path, bool writable, const char *what, GError **error)
{
    struct stat st;
    banger_autofd int fd =
        banger_path_open_file(launch->settings, BANGER_PATH_STATE, path, O_RDONLY, &st, error);

    if (fd < 0 || (writable && !banger_path_check_writable(launch->settings, &st, path, error))) {
        g_prefix_error(error, "%s: ", what);
        return false;
    }
    add_file(launch, path, banger_steal_fd(&fd), &st, writable);
    return true;
}

static bool
check_drive(Launch *launch, const BangerDrive *drive, GError **error)
{
    g_autofree char *what = NULL;

    if (drive->image.dm_name != NULL)
        return check_device(launch, drive, error);
    what = g_strdup_printf("drive %s", drive->id);
    return check_file(launch, drive->image.path, !drive->read_only, what, error);
}

/* Whether there is a directory to bind the socket @path in, which is not that of the jails. */
static bool
check_socket_directory(const Launch *launch, const char *path, GError **error)
{
    const char *name;
    banger_autofd int fd =
        banger_path_open_parent(launch->settings, BANGER_PATH_RUNTIME, path, &name, error);
    const char *below = path + strlen(launch->settings->runtime_directory) + 1;

    if (fd >= 0 && g_str_has_prefix(below, BANGER_JAIL_DIRECTORY "/"))
        return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                "%s is in the directory where virtual machines bind their sockets",
                                path);
    return fd >= 0;
}

static bool
check_sources(Launch *launch, GError **error)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    const BangerLoadSnapshot *load = &request->options.load_snapshot;

    for (unsigned int i = 0; i < request->drives->len; i++) {
        const BangerDrive *drive = &g_array_index(request->drives, BangerDrive, i);

        if (!(launch->made.root && drive->is_root) && !check_drive(launch, drive, error))
            return false;
    }
    launch->n_drives = launch->n_files;
    if (request->options.has_load_snapshot)
        return check_file(launch, load->mem_file_path, false, "memory file", error) &&
               check_file(launch, load->snapshot_path, false, "snapshot", error);
    return check_file(launch, request->kernel_image_path, false, "kernel", error) &&
           (request->initrd_path[0] == '\0' ||
            check_file(launch, request->initrd_path, false, "initrd", error));
}

GPtrArray *
banger_launch_taps(const Launch *launch)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    const GArray *more = request->options.network_interfaces;
    const GArray *overrides = request->options.load_snapshot.network_overrides;
    GPtrArray *taps = g_ptr_array_new();

    g_ptr_array_add(taps, request->tap_device);
    for (unsigned int i = 0; i < more->len; i++)
        g_ptr_array_add(taps, g_array_index(more, BangerInterface, i).tap_device);
    for (unsigned int i = 0; i < overrides->len; i++) {
        char *tap = g_array_index(overrides, BangerNetworkOverride, i).tap_device;

        if (!g_str_equal(tap, request->tap_device))
            g_ptr_array_add(taps, tap);
    }
    return taps;
}

/* firecracker would make a TAP that is not there, if it could. */
static bool
check_taps(const Launch *launch, GError **error)
{
    g_autoptr(GPtrArray) taps = banger_launch_taps(launch);

    /* The first is that of eth0, which CreateMachine has not made yet. */
    for (unsigned int i = launch->made.tap ? 1 : 0; i < taps->len; i++)
        if (if_nametoindex(taps->pdata[i]) == 0)
            return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "there is no TAP %s",
                                    (const char *)taps->pdata[i]);
    return true;
}

bool
banger_launch_check(Launch *launch, GError **error)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    pid_t pid;

    /* By its name it is known again, to be found and killed: nothing else of root's is a VMM. */
    if (!banger_executable_resolve(request->binary_path, &launch->binary, error) ||
        !banger_executable_check_vmm(launch->binary, error) || !check_sources(launch, error) ||
        !check_socket_directory(launch, request->socket_path, error) ||
        (request->vsock_path[0] != '\0' &&
         !check_socket_directory(launch, request->vsock_path, error)) ||
        !check_taps(launch, error))
        return false;
    if (launch->part != NULL)
        return true;
    if (!banger_process_find_machine(launch->settings, request->vm_id, &pid, error))
        return false;
    if (pid != 0)
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                "the virtual machine %s runs already, as process %d",
                                request->vm_id, pid);
    return true;
}

/* Whether the log and metrics files can be written to, and no process listens at the sockets. */
static bool
check_outputs(const Launch *launch, GError **error)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    const BangerSettings *settings = launch->settings;
    bool exists;

    return banger_path_check_create(settings, BANGER_PATH_STATE, request->log_path,
                                    settings->owner_uid, &exists, error) &&
           banger_path_check_create(settings, BANGER_PATH_STATE, request->metrics_path,
                                    settings->owner_uid, &exists, error) &&
           banger_unix_socket_check_stale(settings, request->socket_path, error) &&
           (request->vsock_path[0] == '\0' ||
            banger_unix_socket_check_stale(settings, request->vsock_path, error));
}

/* Whether a guest can run. A launch leaves it to the VMM to say (launch-explain.c). */
static bool
check_kvm(GError **error)
{
    struct stat st;

    return stat("/dev/kvm", &st) == 0 || errno != ENOENT ||
           banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED, "this host has no /dev/kvm");
}

/* Whether what a jail needs is there, where there is to be one. */
static bool
check_jail(const Launch *launch, GError **error)
{
    g_auto(BangerJail) jail = BANGER_JAIL_INIT;

    if (!launch->settings->jail || sd_booted() <= 0)
        return true;
    if (!banger_jail_name(launch->settings, launch->request->vm_id, &jail, error))
        return false;
    return access(BANGER_VM_ROOT, F_OK) == 0 ||
           banger_set_errno(error, BANGER_ERROR_NOT_SUPPORTED, errno,
                            "this host lacks the root directory of virtual machines, %s",
                            BANGER_VM_ROOT);
}

bool
banger_launch_check_host(const BangerSettings *settings, const BangerLaunchMade *made,
                         const BangerLaunchFirecrackerRequest *request, bool claim, GError **error)
{
    g_auto(Launch) launch = {.settings = settings,
                             .request = request,
                             .made = *made,
                             .log_fd = -1,
                             .jail = BANGER_JAIL_INIT};

    return banger_launch_check(&launch, error) && check_outputs(&launch, error) &&
           check_jail(&launch, error) &&
           (!claim || (banger_launch_claim(&launch, error) && check_kvm(error)));
}

typedef struct {
    const BangerSettings *settings;
    const char *path;
    int fd;
} CreatedFile;

static void
remove_file(void *user_data)
{
    const CreatedFile *file = user_data;

    (void)banger_path_unlink(file->settings, BANGER_PATH_STATE, file->path, file->fd, NULL);
}

/* Adds the log or metrics file @path, open as @fd, to what the VMM may open. */
static bool
note_file(Launch *launch, int fd, const char *path, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot examine %s",
                                path);
    add_file(launch, path, fd, &st, true);
    launch->files[launch->n_files - 1].is_log = true;
    return true;
}

static bool
create_file(Launch *launch, const char *path, BangerUndo *undo, GError **error)
{
    const BangerSettings *settings = launch->settings;
    bool created = false;
    banger_autofd int fd =
        banger_path_create_file(settings, BANGER_PATH_STATE, path, settings->owner_uid,
                                settings->owner_gid, 0640, &created, error);

    if (fd < 0)
        return false;
    if (!note_file(launch, fd, path, error)) {
        if (created)
            (void)banger_path_unlink(settings, BANGER_PATH_STATE, path, fd, NULL);
        return false;
    }
    if (created) {
        CreatedFile *file = g_new(CreatedFile, 1);

        *file = (CreatedFile){settings, path, fd};
        banger_undo_push(undo, remove_file, file, g_free);
    }
    (void)banger_steal_fd(&fd); /* of @launch's files now */
    return true;
}

bool
banger_launch_create_files(Launch *launch, BangerUndo *undo, GError **error)
{
    if (!create_file(launch, launch->request->log_path, undo, error))
        return false;
    launch->log_fd = launch->files[launch->n_files - 1].fd;
    launch->log_start = lseek(launch->log_fd, 0, SEEK_END);
    return create_file(launch, launch->request->metrics_path, undo, error);
}

bool
banger_launch_claim(Launch *launch, GError **error)
{
    BangerDisk disks[BANGER_LAUNCH_FILES_MAX];

    for (size_t i = 0; i < launch->n_files; i++) {
        const BangerVmFile *file = &launch->files[i];
        BangerDiskMode mode = file->writable ? BANGER_DISK_WRITE : BANGER_DISK_READ;
        bool has_lease = S_ISREG(file->st.st_mode);

        disks[i] = (BangerDisk){file->path, file->st, file->is_log ? BANGER_DISK_LOG : mode,
                                has_lease ? file->fd : -1};
    }
    launch->claim = banger_disk_claim(launch->settings, disks, launch->n_files, error);
    return launch->claim != NULL;
}
