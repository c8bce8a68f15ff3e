/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/disk-users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "vmm/process.h"

typedef struct {
    const struct stat *st;
    bool writers_only;
    GError *failure; /* why a process that may be a VMM could not be looked at, or NULL */
} Search;

/* Something of a process cannot be opened: because it is gone, or because nothing can be. */
static void
note_failure(Search *search, int errnum)
{
    if (banger_is_shortage(errnum) && search->failure == NULL)
        (void)banger_set_errno(&search->failure, BANGER_ERROR_OPERATION_FAILED, errnum,
                               "cannot look at all processes");
}

/*
 * Whether the link @name of @directory leads to what is wanted. A file system is not asked for
 * anything: one of the owner's might not answer.
 */
static bool
leads_to(int directory, const char *name, const struct stat *wanted)
{
    struct statx stx;

    if (statx(directory, name, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &stx) < 0)
        return false;
    if (S_ISBLK(wanted->st_mode))
        return S_ISBLK(stx.stx_mode) &&
               makedev(stx.stx_rdev_major, stx.stx_rdev_minor) == wanted->st_rdev;
    return S_ISREG(stx.stx_mode) && stx.stx_ino == wanted->st_ino &&
           makedev(stx.stx_dev_major, stx.stx_dev_minor) == wanted->st_dev;
}

/* Whether the descriptor @name of the process is open for writing (proc_pid_fdinfo(5)). */
static bool
is_writable(const BangerProcess *process, const char *name, Search *search)
{
    g_autofree char *path = g_strdup_printf("fdinfo/%s", name);
    banger_autofd int fd = openat(process->directory, path, O_RDONLY | O_CLOEXEC);
    char text[256];
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    const char *flags;

    if (length < 0) {
        note_failure(search, errno);
        return false;
    }
    text[length] = '\0';
    flags = strstr(text, "flags:");
    return flags != NULL && (strtoul(flags + strlen("flags:"), NULL, 8) & O_ACCMODE) != O_RDONLY;
}

/* Whether one of the links in @directory ("fd", "map_files") of the process is what is wanted. */
static bool
has_in(const BangerProcess *process, const char *directory, Search *search)
{
    banger_autofd int fd =
        openat(process->directory, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autoptr(GDir) links = fd >= 0 ? g_dir_open(banger_fd_path(fd).text, 0, NULL) : NULL;
    const char *name;

    if (links == NULL)
        note_failure(search, errno);
    while (links != NULL && (name = g_dir_read_name(links)) != NULL)
        if (leads_to(fd, name, search->st) &&
            (!search->writers_only || is_writable(process, name, search)))
            return true;
    return false;
}

/* What the VMM is called by who asks: by its --id where its command line has one. */
static char *
describe_process(const BangerProcess *process)
{
    banger_autofd int fd = openat(process->directory, "cmdline", O_RDONLY | O_CLOEXEC);
    char text[BANGER_COMMAND_LINE_MAX];
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

    for (ssize_t i = 0; i < length; i += (ssize_t)strnlen(text + i, (size_t)(length - i)) + 1) {
        text[length] = '\0';
        if (g_str_equal(text + i, "--id") && i + (ssize_t)strlen("--id") + 1 < length)
            return g_strdup_printf("the virtual machine %s (process %d)",
                                   text + i + strlen("--id") + 1, process->pid);
    }
    return g_strdup_printf("a virtual machine (process %d)", process->pid);
}

/* Opens the process @pid if it is a VMM of ours. */
static bool
open_machine(const BangerSettings *settings, pid_t pid, BangerProcess *ret_process, Search *search)
{
    g_autoptr(GError) failure = NULL;

    if (!banger_process_may_be_vmm(settings, pid))
        return false;
    if (banger_process_open((uint32_t)pid, ret_process, &failure) &&
        banger_process_check_ours(ret_process, settings, &failure))
        return true;
    if (search->failure == NULL &&
        g_error_matches(failure, BANGER_ERROR, BANGER_ERROR_OPERATION_FAILED))
        search->failure = g_steal_pointer(&failure);
    return false;
}

/* Whether the process @pid is a VMM of ours that has what is wanted. */
static bool
is_user(const BangerSettings *settings, pid_t pid, Search *search, char **ret_who)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;

    if (!open_machine(settings, pid, &process, search) ||
        (!has_in(&process, "fd", search) &&
         (search->writers_only || !has_in(&process, "map_files", search))))
        return false;
    *ret_who = describe_process(&process);
    return true;
}

BangerDiskUse
banger_disk_find_machine(const BangerSettings *settings, const struct stat *st, BangerDiskMode mode,
                         char **ret_who)
{
    Search search = {.st = st, .writers_only = mode == BANGER_DISK_READ};
    g_autoptr(GDir) directory = g_dir_open("/proc", 0, NULL);
    BangerDiskUse use = BANGER_DISK_UNUSED;
    const char *name;

    if (directory == NULL)
        (void)banger_set_errno(&search.failure, BANGER_ERROR_OPERATION_FAILED, errno,
                               "cannot list the processes");
    while (use == BANGER_DISK_UNUSED && directory != NULL &&
           (name = g_dir_read_name(directory)) != NULL) {
        pid_t pid = g_ascii_isdigit(name[0]) ? (pid_t)strtol(name, NULL, 10) : 0;

        if (pid > 1 && is_user(settings, pid, &search, ret_who))
            use = BANGER_DISK_IN_USE;
    }
    if (use == BANGER_DISK_UNUSED && search.failure != NULL) {
        *ret_who = g_strdup(search.failure->message);
        use = BANGER_DISK_UNKNOWN;
    }
    g_clear_error(&search.failure);
    return use;
}
