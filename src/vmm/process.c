/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "model/names.h"
#include "util/error.h"
#include "util/fd.h"
#include "vmm/command-line.h"
#include "vmm/executable.h"

#define CGROUP_PREFIX "/banger.slice/banger-vm-"
#define CGROUP_SUFFIX ".service"
#define UIDS "\nUid:"       /* real, effective, saved and of the file system */
#define SMALL_FILE_MAX 4096 /* of /proc/PID/stat, status and cgroup */

#ifdef BANGER_TEST_HOOKS
void (*banger_process_test_hook)(const char *step, pid_t pid);
#define TEST_HOOK(step, pid)                                                                       \
    do {                                                                                           \
        if (banger_process_test_hook != NULL)                                                      \
            banger_process_test_hook(step, pid);                                                   \
    } while (0)
#else
#define TEST_HOOK(step, pid)                                                                       \
    do {                                                                                           \
    } while (0)
#endif

static bool
refuse_ended(pid_t pid, GError **error)
{
    return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "there is no process %d", pid);
}

/* A file of /proc/@pid could not be read: most often the process is gone. */
static bool
refuse_unread(pid_t pid, int errnum, GError **error)
{
    return banger_is_shortage(errnum) ? banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED,
                                                         errnum, "cannot look at process %d", pid)
                                      : refuse_ended(pid, error);
}

static bool
refuse_open(pid_t pid, int errnum, GError **error)
{
    switch (errnum) {
    case ESRCH:
        return refuse_ended(pid, error);
    case EINVAL: /* a thread's id, up to Linux 6.14 */
    case ENOENT: /* the same, later */
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "%d is the id of a thread, not of a process", pid);
    default:
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errnum,
                                "cannot open process %d", pid);
    }
}

bool
banger_process_open(uint32_t pid, BangerProcess *ret_process, GError **error)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;
    char path[sizeof "/proc/" + 11];

    if (pid <= 1 || pid > INT_MAX || (pid_t)pid == getpid())
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "process %u is not a virtual machine of banger", pid);
    process.pid = (pid_t)pid;
    process.pidfd = pidfd_open(process.pid, 0);
    if (process.pidfd < 0)
        return refuse_open(process.pid, errno, error);
    TEST_HOOK("opened", process.pid);
    g_snprintf(path, sizeof path, "/proc/%d", process.pid);
    process.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /*
     * A pid is not given away before its process was waited for, and until then the pidfd takes
     * signals. So if it still does, /proc/PID was opened while the pid was that process's.
     */
    if (process.directory < 0 || pidfd_send_signal(process.pidfd, 0, NULL, 0) < 0)
        return errno == ENOENT || errno == ESRCH
                   ? refuse_ended(process.pid, error)
                   : banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                      "cannot open process %d", process.pid);
    *ret_process = banger_process_steal(&process);
    return true;
}

void
banger_process_close(BangerProcess *process)
{
    banger_close_fd(&process->pidfd);
    banger_close_fd(&process->directory);
    process->pid = 0;
}

/* Reads @name of @process, at most @size - 1 bytes, and adds a NUL. Returns how many, or -1. */
static ssize_t
read_file(int directory, const char *name, char *buffer, size_t size)
{
    banger_autofd int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t length = 0;

    if (fd < 0)
        return -1;
    while (length < size - 1) {
        ssize_t n = read(fd, buffer + length, size - 1 - length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    buffer[length] = '\0';
    return (ssize_t)length;
}

/* The vm_id if @path, of a cgroup, is that of one of the project's units, else NULL. */
static char *
vm_id_of_path(const char *path)
{
    g_autofree char *vm_id = NULL;

    if (!g_str_has_prefix(path, CGROUP_PREFIX) || !g_str_has_suffix(path, CGROUP_SUFFIX) ||
        strlen(path) <= strlen(CGROUP_PREFIX) + strlen(CGROUP_SUFFIX))
        return NULL;
    path += strlen(CGROUP_PREFIX);
    vm_id = g_strndup(path, strlen(path) - strlen(CGROUP_SUFFIX));
    return banger_name_check_vm_id(vm_id, NULL) ? g_steal_pointer(&vm_id) : NULL;
}

/*
 * The vm_id if @cgroup, the text of /proc/PID/cgroup (cgroups(7)), is that of one of the project's
 * units in a hierarchy of systemd's: the unified one, or its named one on a host that has both. Who
 * is not root makes cgroups only below what systemd delegated, so the path counts from the top.
 */
static char *
vm_id_of_cgroup(const char *cgroup)
{
    g_auto(GStrv) lines = g_strsplit(cgroup, "\n", -1);
    static const char named[] = ":name=systemd:";

    for (char **line = lines; *line != NULL; line++) {
        const char *controllers = strchr(*line, ':');
        char *vm_id = NULL;

        if (g_str_has_prefix(*line, "0::"))
            vm_id = vm_id_of_path(*line + strlen("0::"));
        else if (controllers != NULL && g_str_has_prefix(controllers, named))
            vm_id = vm_id_of_path(controllers + strlen(named));
        if (vm_id != NULL)
            return vm_id;
    }
    return NULL;
}

char *
banger_process_vm_id(const BangerProcess *process)
{
    char cgroup[SMALL_FILE_MAX];

    if (read_file(process->directory, "cgroup", cgroup, sizeof cgroup) <= 0)
        return NULL;
    return vm_id_of_cgroup(cgroup);
}

static bool
is_in_unit(const BangerProcess *process)
{
    g_autofree char *vm_id = banger_process_vm_id(process);

    return vm_id != NULL;
}

bool
banger_process_is_vmm_uid(const BangerSettings *settings, uid_t uid)
{
    return uid == 0 || uid == settings->owner_uid;
}

/* Whether all four user ids of @process are one of those that a VMM has. */
static bool
check_uids(const BangerProcess *process, const BangerSettings *settings, GError **error)
{
    char status[SMALL_FILE_MAX];
    const char *at;
    uid_t uids[4];

    errno = 0;
    if (read_file(process->directory, "status", status, sizeof status) <= 0)
        return refuse_unread(process->pid, errno, error);
    at = strstr(status, UIDS);
    if (at == NULL)
        return banger_set_error(error, BANGER_ERROR_OPERATION_FAILED,
                                "cannot read the user ids of process %d", process->pid);
    at += strlen(UIDS);
    for (size_t i = 0; i < G_N_ELEMENTS(uids); i++)
        uids[i] = (uid_t)g_ascii_strtoull(at, (char **)&at, 10);
    for (size_t i = 1; i < G_N_ELEMENTS(uids); i++)
        if (uids[i] != uids[0])
            return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                    "process %d runs with more than one user id", process->pid);
    if (!banger_process_is_vmm_uid(settings, uids[0]))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "process %d belongs to uid %u, neither to %s nor to root",
                                process->pid, uids[0], settings->owner_user);
    return true;
}

static bool
check_program(const BangerProcess *process, GError **error)
{
    char path[PATH_MAX];
    struct stat running;
    ssize_t length = readlinkat(process->directory, "exe", path, sizeof path - 1);

    if (length < 0 || fstatat(process->directory, "exe", &running, 0) < 0)
        return banger_set_errno(error, BANGER_ERROR_NOT_MANAGED, errno,
                                "process %d is not a virtual machine of banger: cannot read its "
                                "program",
                                process->pid);
    path[length] = '\0';
    if (!banger_executable_check_name(path, error) ||
        !banger_executable_check_running(path, &running, error)) {
        g_prefix_error(error, "process %d is not a virtual machine of banger: ", process->pid);
        return false;
    }
    return true;
}

static bool
check_command_line(const BangerProcess *process, const BangerSettings *settings, GError **error)
{
    char text[BANGER_COMMAND_LINE_MAX];
    ssize_t length = read_file(process->directory, "cmdline", text, sizeof text);
    const char *api_sock;

    if (length < 0)
        return refuse_unread(process->pid, errno, error);
    api_sock = banger_command_line_value(text, (size_t)length, "api-sock");
    if (api_sock == NULL)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "process %d is not a virtual machine of banger: its command line "
                                "is not one of firecracker's",
                                process->pid);
    if (!banger_path_check_socket(api_sock, settings->runtime_directory, NULL))
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "process %d is not a virtual machine of banger: its API socket "
                                "is not below %s",
                                process->pid, settings->runtime_directory);
    return true;
}

bool
banger_process_check_ours(const BangerProcess *process, const BangerSettings *settings,
                          GError **error)
{
    /* Not by the state of /proc/PID/stat: it is the first thread's, which may have ended alone. */
    if (banger_process_wait_end(process, 0))
        return banger_set_error(error, BANGER_ERROR_NOT_FOUND, "process %d has ended",
                                process->pid);
    if (is_in_unit(process))
        return true;
    /* The command line last, see banger_process_may_be_vmm(). */
    return check_uids(process, settings, error) && check_program(process, error) &&
           check_command_line(process, settings, error);
}

bool
banger_process_may_be_vmm(const BangerSettings *settings, pid_t pid)
{
    char path[sizeof "/proc/" + 11];
    struct stat st;

    g_snprintf(path, sizeof path, "/proc/%d", pid);
    /* The owner of the directory itself is the effective user, of any process. */
    if (stat(path, &st) == 0 && banger_process_is_vmm_uid(settings, st.st_uid))
        return true;
    errno = 0;
    return banger_process_is_in_unit(pid) || banger_is_shortage(errno);
}

bool
banger_process_is_in_unit(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", pid);
    g_autofree char *vm_id = NULL;
    char cgroup[SMALL_FILE_MAX];

    if (read_file(AT_FDCWD, path, cgroup, sizeof cgroup) <= 0)
        return false;
    vm_id = vm_id_of_cgroup(cgroup);
    return vm_id != NULL;
}

bool
banger_process_signal(const BangerProcess *process, int signal, GError **error)
{
    TEST_HOOK("checked", process->pid);
    if (pidfd_send_signal(process->pidfd, signal, NULL, 0) == 0)
        return true;
    if (errno == ESRCH)
        return refuse_ended(process->pid, error);
    return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                            "cannot send signal %d to process %d", signal, process->pid);
}

bool
banger_process_wait_end(const BangerProcess *process, int timeout_ms)
{
    gint64 deadline_usec = g_get_monotonic_time() + (gint64)timeout_ms * 1000;

    for (;;) {
        struct pollfd pollfd = {.fd = process->pidfd, .events = POLLIN};
        gint64 left_usec = MAX(deadline_usec - g_get_monotonic_time(), 0);
        int n = poll(&pollfd, 1, (int)((left_usec + 999) / 1000));

        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

/*
 * Whether the command line of the process @pid names @api_sock; -1, with errno set, if that cannot
 * be known.
 */
static int
names_socket(pid_t pid, const char *api_sock)
{
    char text[BANGER_COMMAND_LINE_MAX];
    char name[sizeof "/proc//cmdline" + 11];
    ssize_t length;

    g_snprintf(name, sizeof name, "/proc/%d/cmdline", pid);
    length = read_file(AT_FDCWD, name, text, sizeof text);
    if (length < 0)
        return banger_is_shortage(errno) ? -1 : 0;
    return banger_command_line_names(text, (size_t)length, "api-sock", api_sock);
}

bool
banger_process_is_running(const BangerSettings *settings, uint32_t pid, const char *api_sock,
                          bool *ret_running, GError **error)
{
    banger_autofd int pidfd = -1;
    struct pollfd pollfd;
    int named = 1;

    if (pid > 0 && pid <= INT_MAX)
        pidfd = pidfd_open((pid_t)pid, 0);
    else
        errno = ESRCH;
    if (pidfd < 0 && banger_is_shortage(errno))
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot open process %u", pid);
    if (pidfd >= 0 && api_sock[0] != '\0')
        named = banger_process_may_be_vmm(settings, (pid_t)pid) ? names_socket((pid_t)pid, api_sock)
                                                                : 0;
    if (named < 0)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot read the command line of process %u", pid);
    /* Last: it has not ended yet, so what was read was its own. */
    pollfd = (struct pollfd){.fd = pidfd, .events = POLLIN};
    *ret_running = pidfd >= 0 && named > 0 && poll(&pollfd, 1, 0) == 0;
    return true;
}

/* Whether @a and @b are of one regular file, or of nodes of one block device. */
static bool
is_same(const struct stat *a, const struct stat *b)
{
    if (S_ISBLK(a->st_mode))
        return S_ISBLK(b->st_mode) && a->st_rdev == b->st_rdev;
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether @st is of one of the @n files of @files; marks it in @seen. */
static bool
find_file(const BangerVmFile *files, size_t n, const struct stat *st, bool *seen)
{
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        if (!is_same(&files[i].st, st))
            continue;
        seen[i] = true;
        found = true;
    }
    return found;
}

bool
banger_process_check_files(const BangerProcess *process, const BangerVmFile *allowed,
                           size_t n_allowed, size_t n_required, GError **error)
{
    banger_autofd int fd = openat(process->directory, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autofree bool *seen = g_new0(bool, n_allowed);
    g_autoptr(GDir) directory = fd >= 0 ? g_dir_open(banger_fd_path(fd).text, 0, NULL) : NULL;
    bool all_allowed = true;
    const char *name;

    if (directory == NULL)
        return banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                                "cannot list the open files of process %d", process->pid);
    while (all_allowed && (name = g_dir_read_name(directory)) != NULL) {
        struct stat st;

        if (fstatat(fd, name, &st, 0) < 0)
            continue;
        if ((S_ISREG(st.st_mode) && st.st_nlink > 0) || S_ISBLK(st.st_mode))
            all_allowed = find_file(allowed, n_allowed, &st, seen);
    }
    for (size_t i = 0; all_allowed && i < n_required; i++)
        all_allowed = seen[i];
    if (!all_allowed)
        return banger_set_error(error, BANGER_ERROR_NOT_MANAGED,
                                "the virtual machine monitor, process %d, opened other files than "
                                "those that were checked",
                                process->pid);
    return true;
}
