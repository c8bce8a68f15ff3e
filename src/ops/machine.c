/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ops/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/limits.h"
#include "model/names.h"
#include "ops/log-tail.h"
#include "sys/dm.h"
#include "sys/executable.h"
#include "sys/firecracker-api.h"
#include "sys/firecracker-config.h"
#include "sys/path.h"
#include "sys/process-scan.h"
#include "sys/unit.h"
#include "sys/unix-socket.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/undo.h"

/* Together, with what undoing takes, less than the 25 s that a caller of the bus waits by default.
 */
#define SOCKET_WAIT_MS 10000
#define API_MS 10000

#define FILES_MAX                                                                                  \
    (BANGER_DRIVES_MAX + 4) /* and the kernel, the initrd, the log and the metrics                 \
                             */

/* A launch under way. */
typedef struct {
    const BangerSettings *settings;
    const BangerLaunchFirecrackerRequest *request;
    const char *op_id;
    char *binary; /* its real path */
    struct stat files[FILES_MAX];
    size_t n_drives; /* the first of @files */
    size_t n_files;
    BangerUnitDevice devices[BANGER_DRIVES_MAX];
    size_t n_devices;
    int log_fd;
    off_t log_start; /* how long the log was before */
    int metrics_fd;
    BangerUnit *unit;
} Launch;

static void
launch_clear(Launch *launch)
{
    g_clear_pointer(&launch->unit, banger_unit_free);
    banger_close_fd(&launch->log_fd);
    banger_close_fd(&launch->metrics_fd);
    g_free(launch->binary);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Launch, launch_clear)

/* The root drive @drive on a dm device: one of banger's snapshots, and nothing else that is there.
 */
static bool
check_device(Launch *launch, const BangerDrive *drive, struct stat *ret_stat, GError **error)
{
    BangerDmInfo info;

    if (stat(drive->path, ret_stat) < 0)
        return banger_set_errno(
            error, errno == ENOENT ? BANGER_ERROR_NOT_FOUND : BANGER_ERROR_OPERATION_FAILED, errno,
            "drive %s: cannot examine %s", drive->id, drive->path);
    if (!banger_dm_get_info(drive->path + strlen(BANGER_DM_DIRECTORY), &info, error))
        return false;
    if (!S_ISBLK(ret_stat->st_mode) || !info.exists || info.number != ret_stat->st_rdev ||
        !info.is_banger || !info.is_snapshot)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "drive %s: %s is not one of banger's snapshots", drive->id,
                                drive->path);
    launch->devices[launch->n_devices++] = (BangerUnitDevice){ret_stat->st_rdev, !drive->read_only};
    return true;
}

static bool
check_file(Launch *launch, const char *path, const char *what, GError **error)
{
    struct stat *st = &launch->files[launch->n_files];
    banger_autofd int fd = banger_path_open_file(launch->settings, BANGER_PATH_STATE, path,
                                                 O_RDONLY | O_NONBLOCK, st, error);

    if (fd < 0) {
        g_prefix_error(error, "%s: ", what);
        return false;
    }
    launch->n_files++;
    return true;
}

static bool
check_drive(Launch *launch, const BangerDrive *drive, GError **error)
{
    g_autofree char *what = NULL;

    if (g_str_has_prefix(drive->path, BANGER_DM_DIRECTORY))
        return check_device(launch, drive, &launch->files[launch->n_files++], error);
    what = g_strdup_printf("drive %s", drive->id);
    return check_file(launch, drive->path, what, error);
}

/* Whether there is a directory to bind the socket @path in. */
static bool
check_socket_directory(const Launch *launch, const char *path, GError **error)
{
    const char *name;
    banger_autofd int fd =
        banger_path_open_parent(launch->settings, BANGER_PATH_RUNTIME, path, &name, error);

    return fd >= 0;
}

/* Looks at everything that has to be there, before anything is made. */
static bool
check_world(Launch *launch, GError **error)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    bool ours = false;
    pid_t pid = 0;

    /* By its name it is known again, to be found and killed: nothing else of root's is a VMM. */
    if (!banger_executable_resolve(request->binary_path, &launch->binary, error) ||
        !banger_executable_check_name(launch->binary, error))
        return false;
    for (guint i = 0; i < request->drives->len; i++)
        if (!check_drive(launch, &g_array_index(request->drives, BangerDrive, i), error))
            return false;
    launch->n_drives = launch->n_files;
    if (!check_file(launch, request->kernel_image_path, "kernel", error) ||
        (request->initrd_path[0] != '\0' &&
         !check_file(launch, request->initrd_path, "initrd", error)))
        return false;
    if (!check_socket_directory(launch, request->socket_path, error) ||
        (request->vsock_path[0] != '\0' &&
         !check_socket_directory(launch, request->vsock_path, error)))
        return false;
    /* firecracker would make a TAP that is not there, if it could. */
    if (if_nametoindex(request->tap_device) == 0)
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "there is no TAP %s",
                                request->tap_device);
    if (!banger_process_scan(launch->settings, "id", request->vm_id, &pid, &ours, error))
        return false;
    if (ours)
        return banger_set_error(error, BANGER_ERROR_ALREADY_EXISTS,
                                "the virtual machine %s runs already, as process %d",
                                request->vm_id, pid);
    return true;
}

typedef struct {
    const BangerSettings *settings;
    const char *path;
    int fd;
} CreatedFile;

static void
remove_file(gpointer data)
{
    const CreatedFile *file = data;

    (void)banger_path_unlink(file->settings, BANGER_PATH_STATE, file->path, file->fd, NULL);
}

/*
 * Adds the log or metrics file @path, open as @fd, to what the VMM may open, unless it is there
 * under another path already: its text would go into the guest's disk.
 */
static bool
note_file(Launch *launch, int fd, const char *path, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno, "cannot examine %s",
                                path);
    for (size_t i = 0; i < launch->n_files; i++)
        if (launch->files[i].st_dev == st.st_dev && launch->files[i].st_ino == st.st_ino)
            return banger_set_error(error, BANGER_ERROR_BAD_PARAMS,
                                    "%s is a file that the virtual machine uses otherwise too",
                                    path);
    launch->files[launch->n_files++] = st;
    return true;
}

/*
 * Creates the log or metrics file @path, which firecracker before 1.14 wants to exist. *@ret_fd is
 * set whenever it was opened, also on failure: the undo record needs it.
 */
static bool
create_file(Launch *launch, const char *path, int *ret_fd, BangerUndo *undo, GError **error)
{
    const BangerSettings *settings = launch->settings;
    bool created = false;
    int fd = banger_path_create_file(settings, BANGER_PATH_STATE, path, settings->vmm_uid,
                                     settings->owner_gid, 0640, &created, error);

    if (fd < 0)
        return false;
    *ret_fd = fd;
    if (created) {
        CreatedFile *file = g_new(CreatedFile, 1);

        *file = (CreatedFile){settings, path, fd};
        banger_undo_push(undo, remove_file, file, g_free);
    }
    return note_file(launch, fd, path, error);
}

static bool
create_files(Launch *launch, BangerUndo *undo, GError **error)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;

    if (!create_file(launch, request->log_path, &launch->log_fd, undo, error))
        return false;
    launch->log_start = lseek(launch->log_fd, 0, SEEK_END);
    return create_file(launch, request->metrics_path, &launch->metrics_fd, undo, error);
}

/* Removes what the VMM bound, now that it is gone. */
static void
remove_sockets(gpointer data)
{
    const Launch *launch = data;

    (void)banger_unix_socket_remove_stale(launch->settings, launch->request->socket_path, NULL);
    if (launch->request->vsock_path[0] != '\0')
        (void)banger_unix_socket_remove_stale(launch->settings, launch->request->vsock_path, NULL);
}

static bool
clear_sockets(Launch *launch, BangerUndo *undo, GError **error)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;

    if (!banger_unix_socket_remove_stale(launch->settings, request->socket_path, error) ||
        (request->vsock_path[0] != '\0' &&
         !banger_unix_socket_remove_stale(launch->settings, request->vsock_path, error)))
        return false;
    banger_undo_push(undo, remove_sockets, launch, NULL);
    return true;
}

static void
stop_unit(gpointer data)
{
    banger_unit_stop(data);
}

static bool
start_vmm(Launch *launch, BangerUndo *undo, GError **error)
{
    const char *const argv[] = {
        launch->binary, "--api-sock",           launch->request->socket_path,
        "--id",         launch->request->vm_id, NULL};
    const BangerUnitSpec spec = {
        .settings = launch->settings,
        .vm_id = launch->request->vm_id,
        .op_id = launch->op_id,
        .argv = argv,
        .output_fd = launch->log_fd,
        .devices = launch->devices,
        .n_devices = launch->n_devices,
    };

    launch->unit = banger_unit_start(&spec, error);
    if (launch->unit == NULL)
        return false;
    banger_undo_push(undo, stop_unit, launch->unit, NULL);
    return true;
}

/* Gives the owner the API socket, which @path_fd is a descriptor of, and that of vsock. */
static bool
give_sockets(Launch *launch, int path_fd, GError **error)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    const BangerSettings *settings = launch->settings;

    return banger_path_give(path_fd, request->socket_path, settings->owner_uid, settings->owner_gid,
                            0600, error) &&
           (request->vsock_path[0] == '\0' ||
            banger_unix_socket_give(launch->settings, request->vsock_path, error));
}

/* Makes @request; a refusal that quotes the kernel's arguments, which may hold secrets, is cut. */
static bool
put(Launch *launch, BangerFirecrackerApi *api, const BangerFirecrackerRequest *request,
    GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (banger_firecracker_api_put(api, request, &failure))
        return true;
    if (banger_log_tells(failure->message, launch->request->kernel_args))
        return banger_set_error(error, banger_error_code(failure),
                                "PUT %s was refused, with words that show kernel arguments",
                                request->path);
    g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

/* Tells the VMM what it is to be, and starts the guest. */
static bool
configure_and_boot(Launch *launch, GError **error)
{
    const BangerProcess *process = banger_unit_process(launch->unit);
    const char *socket_path = launch->request->socket_path;
    g_autoptr(GPtrArray) configuration = banger_firecracker_configuration(launch->request);
    g_autoptr(BangerFirecrackerApi) api = NULL;
    banger_autofd int path_fd =
        banger_unix_socket_wait(launch->settings, socket_path, process, SOCKET_WAIT_MS, error);

    if (path_fd < 0)
        return false;
    api = banger_firecracker_api_new(path_fd, socket_path, process, API_MS, error);
    if (api == NULL)
        return false;
    for (guint i = 0; i < configuration->len; i++)
        if (!put(launch, api, g_ptr_array_index(configuration, i), error))
            return false;
    if (!banger_process_check_files(process, launch->files, launch->n_files, launch->n_drives,
                                    error) ||
        !give_sockets(launch, path_fd, error) ||
        !put(launch, api, &banger_firecracker_start, error))
        return false;
    if (banger_process_wait_end(process, 0))
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "the process ended right after the guest was started");
    return true;
}

/* Not by access(2): a device policy refuses that too, for a device which is there. */
static bool
is_missing(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 && errno == ENOENT;
}

/* Whether @message speaks of KVM, and not only of a name or path of the request that has it. */
static bool
blames_kvm(const Launch *launch, const char *message)
{
    const BangerLaunchFirecrackerRequest *request = launch->request;
    const char *const names[] = {
        launch->binary,        request->socket_path,       request->log_path,
        request->metrics_path, request->kernel_image_path, request->initrd_path,
        request->vsock_path,   request->tap_device,        request->vm_id,
    };
    g_autoptr(GString) rest = g_string_new(message);

    for (guint i = 0; i < request->drives->len; i++)
        g_string_replace(rest, g_array_index(request->drives, BangerDrive, i).path, " ", 0);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (names[i] != NULL && names[i][0] != '\0')
            g_string_replace(rest, names[i], " ", 0);
    return strcasestr(rest->str, "kvm") != NULL;
}

/* Adds to @error how the VMM ended, what it said last, and what this host lacks. */
static void
explain(Launch *launch, GError **error)
{
    g_autoptr(GError) failure = *error;
    g_autoptr(GString) message = g_string_new(NULL);
    g_autofree char *tail =
        banger_log_tail(launch->log_fd, launch->request->kernel_args, launch->log_start);
    BangerErrorCode code = banger_error_code(failure);
    g_autofree char *end = NULL;

    if (launch->unit != NULL) {
        /* A connection that broke is often the first sign of an end. */
        (void)banger_process_wait_end(banger_unit_process(launch->unit), 100);
        end = banger_unit_describe_end(launch->unit);
    }
    g_string_append_printf(message, "cannot launch %s: %s", launch->request->vm_id,
                           failure->message);
    if (end != NULL)
        g_string_append_printf(message, "; %s %s", launch->binary, end);
    if (tail != NULL)
        g_string_append_printf(message, "; last in its log: %s", tail);
    if (is_missing("/dev/kvm")) {
        /* What else is wrong is no matter if it was KVM that the VMM asked for in vain. */
        if (blames_kvm(launch, message->str))
            code = BANGER_ERROR_NOT_SUPPORTED;
        g_string_append(message, "; this host has no /dev/kvm");
    }
    *error = NULL;
    (void)banger_set_error(error, code, "%s", message->str);
}

bool
banger_launch_firecracker(const BangerSettings *settings, const BangerRequest *request,
                          BangerReply *reply, GError **error)
{
    g_auto(Launch) launch = {.settings = settings,
                             .request = &request->launch_firecracker,
                             .op_id = request->op_id,
                             .log_fd = -1,
                             .metrics_fd = -1};
    g_auto(BangerUndo) undo =
        BANGER_UNDO_INIT; /* walked before @launch, which it works on, is cleared */
    g_autoptr(GError) failure = NULL;

    if (!check_world(&launch, error) || !create_files(&launch, &undo, error) ||
        !clear_sockets(&launch, &undo, error))
        return false;
    if (!start_vmm(&launch, &undo, &failure) || !configure_and_boot(&launch, &failure)) {
        explain(&launch, &failure);
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    banger_undo_commit(&undo);
    reply->launch_firecracker.pid = (uint32_t)banger_unit_process(launch.unit)->pid;
    return true;
}
