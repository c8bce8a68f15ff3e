/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/machine-snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/disk-use.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/path.h"
#include "vmm/file-access.h"
#include "vmm/firecracker-api.h"
#include "vmm/jail.h"
#include "vmm/own-directory.h"
#include "vmm/snapshot-directory.h"
#include "vmm/stop.h"

/*
 * A snapshot of a machine that runs. Its VMM, which its guest may have taken over, writes two files
 * into a directory that is its own for no longer than that takes. What is there then is looked at,
 * made the owner's and moved to where it was asked for, where its name was taken before anything
 * else was done.
 */

#define SNAPSHOT_MS (600 * 1000) /* a terabyte of memory takes its time */
#define RESUME_MS 5000
#define ENDS_MS 100 /* a connection that broke is often the first sign of an end */

typedef struct {
    const char *name; /* in the directory */
    const char *path; /* where it goes */
    int place_fd;     /* of the empty file that is there meanwhile */
    int fd;           /* of what the VMM wrote */
    struct stat st;   /* of that */
} Part;

typedef struct {
    const BangerSettings *settings;
    const BangerSnapshotMachineRequest *request;
    BangerProcess process;
    uid_t uid; /* of the VMM */
    char *api_socket;
    int path_fd; /* of it */
    char *directory;
    int directory_fd;
    bool is_jailed; /* the directory is made and removed with the jail */
    Part parts[2];
} Snapshot;

static void
snapshot_clear(Snapshot *snapshot)
{
    for (size_t i = 0; i < G_N_ELEMENTS(snapshot->parts); i++) {
        banger_close_fd(&snapshot->parts[i].place_fd);
        banger_close_fd(&snapshot->parts[i].fd);
    }
    if (snapshot->directory_fd >= 0 && !snapshot->is_jailed)
        banger_snapshot_directory_remove(snapshot->settings, snapshot->request->vm_id,
                                         snapshot->directory_fd);
    banger_close_fd(&snapshot->directory_fd);
    banger_close_fd(&snapshot->path_fd);
    banger_process_close(&snapshot->process);
    g_free(snapshot->api_socket);
    g_free(snapshot->directory);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Snapshot, snapshot_clear)

/* Finds the machine, and opens its VMM and its API socket. */
static bool
open_machine(Snapshot *snapshot, GError **error)
{
    const char *vm_id = snapshot->request->vm_id;
    g_autoptr(BangerMachineInfo) machine = NULL;
    g_autofree char *unit = NULL;
    struct stat st;
    bool found;

    if (!banger_machine_find(snapshot->settings, vm_id, &snapshot->process, &machine, &found,
                             error))
        return false;
    if (!found)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "there is no virtual machine %s",
                                vm_id);
    if (fstat(snapshot->process.directory, &st) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot examine process %d", snapshot->process.pid);
    snapshot->api_socket = g_strdup(machine->api_socket);
    snapshot->uid = st.st_uid;
    unit = banger_process_vm_id(&snapshot->process);
    snapshot->is_jailed = unit != NULL && st.st_uid != snapshot->settings->owner_uid;
    snapshot->path_fd = banger_path_open_socket(snapshot->settings, BANGER_PATH_RUNTIME,
                                                snapshot->api_socket, error);
    return snapshot->path_fd >= 0;
}

/* Opens the directory that the VMM is to write in: in a jail that which it sees. */
static bool
open_directory(Snapshot *snapshot, GError **error)
{
    const char *vm_id = snapshot->request->vm_id;
    struct stat st;

    snapshot->directory = banger_snapshot_directory_path(snapshot->settings, vm_id);
    if (!snapshot->is_jailed) {
        snapshot->directory_fd = banger_snapshot_directory_make(snapshot->settings, vm_id, error);
        return snapshot->directory_fd >= 0;
    }
    snapshot->directory_fd = banger_snapshot_directory_open(snapshot->settings, vm_id);
    if (snapshot->directory_fd < 0 || fstat(snapshot->directory_fd, &st) < 0 ||
        !banger_jail_check_path(&snapshot->process, snapshot->directory, &st, NULL))
        return banger_set_error(error, BANGER_ERROR_NOT_SUPPORTED,
                                "%s was started without %s, where it would write the snapshot: "
                                "start it again",
                                vm_id, snapshot->directory);
    return true;
}

/* Takes the name of @part where it goes, by an empty file of the owner's. */
static bool
take_place(const Snapshot *snapshot, Part *part, GError **error)
{
    const BangerSettings *settings = snapshot->settings;
    struct stat here, there;
    bool created = false;
    banger_autofd int fd =
        banger_path_create_file(settings, BANGER_PATH_STATE, part->path, settings->owner_uid,
                                settings->owner_gid, 0600, &created, error);

    if (fd < 0)
        return false;
    if (!created)
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS, "%s exists already",
                                part->path);
    part->place_fd = banger_steal_fd(&fd);
    if (fstat(part->place_fd, &there) == 0 && fstat(snapshot->directory_fd, &here) == 0 &&
        here.st_dev == there.st_dev)
        return true;
    return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                            "%s is not on the file system of the state directory %s", part->path,
                            settings->state_directory);
}

/* Removes what is at the places: the files, once they are there. */
static void
leave_places(const Snapshot *snapshot)
{
    for (size_t i = 0; i < G_N_ELEMENTS(snapshot->parts); i++) {
        const Part *part = &snapshot->parts[i];

        if (part->place_fd >= 0)
            (void)banger_path_unlink(snapshot->settings, BANGER_PATH_STATE, part->path,
                                     part->place_fd, NULL);
        if (part->fd >= 0)
            (void)banger_path_unlink(snapshot->settings, BANGER_PATH_STATE, part->path, part->fd,
                                     NULL);
    }
}

/* Has the VMM write the two files. The directory is root's again afterwards, come what may. */
static bool
write_files(const Snapshot *snapshot, BangerFirecrackerApi *api, GError **error)
{
    const BangerSnapshotFiles *files = &snapshot->request->snapshot;
    g_autofree char *state = g_strconcat(snapshot->directory, "/", snapshot->parts[0].name, NULL);
    g_autofree char *memory = g_strconcat(snapshot->directory, "/", snapshot->parts[1].name, NULL);
    g_autoptr(BangerFirecrackerRequest) create =
        banger_firecracker_create_snapshot(files->type, state, memory);
    bool written = banger_snapshot_directory_grant(snapshot->directory_fd, snapshot->directory,
                                                   snapshot->uid, error) &&
                   banger_firecracker_api_request(api, create, error);

    return banger_snapshot_directory_revoke(snapshot->directory_fd, snapshot->directory,
                                            written ? error : NULL) &&
           written;
}

/*
 * Opens what the VMM wrote as @part and makes it the owner's, and his alone. Nothing that the VMM
 * still has open of it may matter: it is made another user's before it is looked at.
 */
static bool
take_file(const Snapshot *snapshot, Part *part, GError **error)
{
    const BangerSettings *settings = snapshot->settings;
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    };
    banger_autofd int fd =
        (int)syscall(SYS_openat2, snapshot->directory_fd, part->name, &how, sizeof how);

    if (fd < 0 || fstat(fd, &part->st) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot open what the virtual machine wrote for %s", part->path);
    if (!S_ISREG(part->st.st_mode) || part->st.st_uid != snapshot->uid || part->st.st_nlink != 1)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "what the virtual machine wrote for %s is not one file of its own",
                                part->path);
    if (!banger_path_give(fd, part->path, settings->owner_uid, settings->owner_gid, 0600, error))
        return false;
    if (!banger_file_access_clear(fd))
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot take the access control list off %s", part->path);
    part->fd = banger_path_reopen(fd, part->path, O_RDONLY, error);
    return part->fd >= 0;
}

/* Makes sure that no process can write to the files any more. */
static bool
check_writers(Snapshot *snapshot, GError **error)
{
    BangerDisk disks[G_N_ELEMENTS(snapshot->parts)];
    g_autoptr(BangerDiskClaim) claim = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(disks); i++)
        disks[i] = (BangerDisk){snapshot->parts[i].path, snapshot->parts[i].st, BANGER_DISK_READ,
                                snapshot->parts[i].fd};
    claim = banger_disk_claim(snapshot->settings, disks, G_N_ELEMENTS(disks), error);
    return claim != NULL;
}

/* Puts @part in its place. */
static bool
place_file(const Snapshot *snapshot, const Part *part, GError **error)
{
    const char *name;
    banger_autofd int parent =
        banger_path_open_parent(snapshot->settings, BANGER_PATH_STATE, part->path, &name, error);

    if (parent < 0)
        return false;
    return renameat(snapshot->directory_fd, part->name, parent, name) == 0 ||
           banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot put %s in place",
                            part->path);
}

static bool
set_running(const Snapshot *snapshot, bool running, int timeout_ms, GError **error)
{
    g_autoptr(BangerFirecrackerRequest) request = banger_firecracker_set_running(running);
    g_autoptr(BangerFirecrackerApi) api = banger_firecracker_api_new(
        snapshot->path_fd, snapshot->api_socket, &snapshot->process, timeout_ms, NULL, error);

    if (api == NULL)
        return false;
    if (banger_firecracker_api_request(api, request, error))
        return true;
    banger_firecracker_api_await_end(api);
    return false;
}

/* All that is done while the guest stands still. */
static bool
take_snapshot(Snapshot *snapshot, BangerFirecrackerApi *api, GError **error)
{
    Part *parts = snapshot->parts;

    return write_files(snapshot, api, error) && take_file(snapshot, &parts[0], error) &&
           take_file(snapshot, &parts[1], error) && check_writers(snapshot, error) &&
           place_file(snapshot, &parts[0], error) && place_file(snapshot, &parts[1], error) &&
           (!snapshot->request->snapshot.resume || set_running(snapshot, true, RESUME_MS, error));
}

/* Has the guest stand still, takes the snapshot, and has a guest that ran run again. */
static bool
pause_and_take(Snapshot *snapshot, GError **error)
{
    g_autoptr(BangerFirecrackerApi) api = banger_firecracker_api_new(
        snapshot->path_fd, snapshot->api_socket, &snapshot->process, SNAPSHOT_MS, NULL, error);
    g_autoptr(GError) failure = NULL;
    g_autoptr(GError) left = NULL;
    bool was_paused;

    if (api == NULL || !banger_firecracker_api_get_paused(api, &was_paused, error))
        return false;
    if ((was_paused || set_running(snapshot, false, SNAPSHOT_MS, &failure)) &&
        take_snapshot(snapshot, api, &failure))
        return true;
    banger_firecracker_api_await_end(api);
    if (banger_process_wait_end(&snapshot->process, ENDS_MS))
        (void)banger_set_error(error, banger_error_code(failure), "%s; the process has ended",
                               failure->message);
    else if (was_paused || set_running(snapshot, true, RESUME_MS, &left))
        g_propagate_error(error, g_steal_pointer(&failure));
    else
        (void)banger_set_error(error, banger_error_code(failure),
                               "%s; the guest, which was to go on, may stand still: %s",
                               failure->message, left->message);
    return false;
}

bool
banger_op_snapshot_machine(const BangerSettings *settings, const BangerRequest *request,
                           BangerReply *reply, GError **error)
{
    const BangerSnapshotFiles *files = &request->snapshot_machine.snapshot;
    g_auto(Snapshot) snapshot = {
        .settings = settings,
        .request = &request->snapshot_machine,
        .process = BANGER_PROCESS_INIT,
        .path_fd = -1,
        .directory_fd = -1,
        .parts = {{"state", files->snapshot_path, -1, -1, {0}},
                  {"memory", files->mem_file_path, -1, -1, {0}}},
    };

    (void)reply;
    if (open_machine(&snapshot, error) && open_directory(&snapshot, error) &&
        take_place(&snapshot, &snapshot.parts[0], error) &&
        take_place(&snapshot, &snapshot.parts[1], error) && pause_and_take(&snapshot, error))
        return true;
    g_prefix_error(error, "cannot take a snapshot of %s: ", snapshot.request->vm_id);
    leave_places(&snapshot);
    if (snapshot.directory_fd >= 0)
        banger_own_directory_empty(snapshot.directory_fd);
    return false;
}
