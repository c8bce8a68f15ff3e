/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/process-scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "vmm/command-line.h"
#include "vmm/file-access.h"
#include "vmm/process.h"
#include "vmm/unit-list.h"

typedef struct {
    const BangerSettings *settings;
    const char *option;
    const char *value;
    pid_t found;
    bool ours;
    guint64 start_time;
    int errnum; /* why a command line could not be read of a process that may be there, or 0 */
} Scan;

/* Opens /proc, for the names in it, and *@ret_proc for what is below these. NULL on failure. */
static GDir *
open_processes(int *ret_proc, GError **error)
{
    GDir *directory = g_dir_open("/proc", 0, NULL);

    if (directory != NULL)
        *ret_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory != NULL && *ret_proc >= 0)
        return directory;
    (void)banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, errno,
                           "cannot list the processes");
    g_clear_pointer(&directory, g_dir_close);
    return NULL;
}

/*
 * Reads PID/@name in one go, the files of proc(5) give themselves whole. Returns -1 or its length.
 */
static ssize_t
read_file(int proc, const char *pid, const char *name, char *buffer, size_t size)
{
    char path[64];
    banger_autofd int fd = -1;
    ssize_t length;

    g_snprintf(path, sizeof path, "%s/%s", pid, name);
    fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    length = read(fd, buffer, size - 1);
    if (length >= 0)
        buffer[length] = '\0';
    return length;
}

/*
 * The field @n, from 3 on, of @text, that of /proc/PID/stat (proc(5)); NULL if it has none. Field
 * 2, the process's name, may contain anything, but ends with the last parenthesis.
 */
static const char *
stat_field(const char *text, unsigned int n)
{
    const char *at = strrchr(text, ')');

    for (unsigned int i = 2; at != NULL && i < n; i++) {
        at = strchr(at, ' ');
        if (at != NULL)
            at++;
    }
    return at;
}

/* When the process started, in clock ticks since boot; 0 if unknown. */
static guint64
start_time_of(int proc, const char *pid)
{
    char text[1024];
    const char *field;

    if (read_file(proc, pid, "stat", text, sizeof text) <= 0)
        return 0;
    field = stat_field(text, 22);
    return field != NULL ? g_ascii_strtoull(field, NULL, 10) : 0;
}

static bool
is_ours(const BangerSettings *settings, pid_t pid)
{
    g_auto(BangerProcess) process = BANGER_PROCESS_INIT;

    return banger_process_open((uint32_t)pid, &process, NULL) &&
           banger_process_check_ours(&process, settings, NULL);
}

/* Takes the process @pid, which has the option, if it is better than what was found so far. */
static void
consider_process(Scan *scan, int proc, const char *pid)
{
    pid_t number = (pid_t)strtol(pid, NULL, 10);
    guint64 start_time = start_time_of(proc, pid);
    bool ours = is_ours(scan->settings, number);

    if (scan->found != 0 && (ours == scan->ours ? start_time <= scan->start_time : scan->ours))
        return;
    scan->found = number;
    scan->ours = ours;
    scan->start_time = start_time;
}

static void
look_at(Scan *scan, int proc, const char *pid)
{
    char text[BANGER_COMMAND_LINE_MAX];
    ssize_t length = read_file(proc, pid, "cmdline", text, sizeof text);

    if (length < 0 && banger_is_shortage(errno))
        scan->errnum = errno;
    if (length > 0 && banger_command_line_has(text, (size_t)length, scan->option, scan->value))
        consider_process(scan, proc, pid);
}

/* Whether @pid is of a user that VMMs are likely to run as: where to look first. */
static bool
is_likely(const Scan *scan, int proc, const char *pid)
{
    struct stat st;

    return fstatat(proc, pid, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (st.st_uid == scan->settings->owner_uid ||
            (banger_file_access_is_dynamic(st.st_uid) &&
             banger_process_is_in_unit((pid_t)strtol(pid, NULL, 10))));
}

/* Whether @scan found one of ours, or looked at all there was to look at. */
static bool
check_complete(const Scan *scan, GError **error)
{
    return scan->errnum == 0 || scan->ours ||
           banger_set_errno(error, BANGER_ERROR_OPERATION_FAILED, scan->errnum,
                            "cannot read the command lines of all processes");
}

bool
banger_process_scan(const BangerSettings *settings, const char *api_sock, pid_t *ret_pid,
                    GError **error)
{
    Scan scan = {.settings = settings, .option = "api-sock", .value = api_sock};
    g_autoptr(GArray) others = g_array_new(FALSE, FALSE, sizeof(pid_t));
    banger_autofd int proc = -1;
    g_autoptr(GDir) directory = open_processes(&proc, error);
    const char *name;

    if (directory == NULL)
        return false;
    while ((name = g_dir_read_name(directory)) != NULL) {
        pid_t other = (pid_t)strtol(name, NULL, 10);

        if (other <= 0)
            continue;
        if (is_likely(&scan, proc, name))
            look_at(&scan, proc, name);
        else
            g_array_append_val(others, other);
    }
    for (unsigned int i = 0; i < others->len && !scan.ours; i++) {
        pid_t other = g_array_index(others, pid_t, i);
        char pid[16];

        g_snprintf(pid, sizeof pid, "%d", other);
        if (banger_process_may_be_vmm(settings, other))
            look_at(&scan, proc, pid);
    }
    if (!check_complete(&scan, error))
        return false;
    *ret_pid = scan.found;
    return true;
}

/* Whether @pid is of a user whose processes are VMMs outside of a unit too. */
static bool
is_of_vmm_user(Scan *scan, int proc, const char *pid)
{
    struct stat st;

    if (fstatat(proc, pid, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return banger_process_is_vmm_uid(scan->settings, st.st_uid);
    if (banger_is_shortage(errno))
        scan->errnum = errno;
    return false;
}

bool
banger_process_find_machine(const BangerSettings *settings, const char *vm_id, pid_t *ret_pid,
                            GError **error)
{
    Scan scan = {.settings = settings, .option = "id", .value = vm_id};
    banger_autofd int proc = -1;
    g_autoptr(GDir) directory = NULL;
    const char *name;
    pid_t pid;

    if (!banger_unit_find_process(vm_id, &pid, error))
        return false;
    if (pid == 0) {
        directory = open_processes(&proc, error);
        if (directory == NULL)
            return false;
        while (!scan.ours && (name = g_dir_read_name(directory)) != NULL)
            if (g_ascii_isdigit(name[0]) && is_of_vmm_user(&scan, proc, name))
                look_at(&scan, proc, name);
        if (!check_complete(&scan, error))
            return false;
        pid = scan.ours ? scan.found : 0;
    }
    *ret_pid = pid;
    return true;
}

/* When the machine was started, in seconds since the epoch; 0 if unknown. */
static guint64
boot_time(void)
{
    g_autofree char *text = NULL;
    const char *at;

    if (!g_file_get_contents("/proc/stat", &text, NULL, NULL))
        return 0;
    at = strstr(text, "\nbtime ");
    return at != NULL ? g_ascii_strtoull(at + strlen("\nbtime "), NULL, 10) : 0;
}

bool
banger_process_scan_ours(const BangerSettings *settings, BangerProcessVisitor *visit,
                         void *user_data, GError **error)
{
    const guint64 ticks_per_second = (guint64)sysconf(_SC_CLK_TCK);
    guint64 booted = boot_time() * G_USEC_PER_SEC;
    banger_autofd int proc = -1;
    g_autoptr(GDir) directory = open_processes(&proc, error);
    const char *name;

    if (directory == NULL)
        return false;
    while ((name = g_dir_read_name(directory)) != NULL) {
        pid_t pid = (pid_t)strtol(name, NULL, 10);
        char text[BANGER_COMMAND_LINE_MAX];
        guint64 start_usec;
        ssize_t length;

        if (pid <= 1 || !banger_process_may_be_vmm(settings, pid) || !is_ours(settings, pid))
            continue;
        start_usec =
            booted + start_time_of(proc, name) * (guint64)G_USEC_PER_SEC / ticks_per_second;
        length = read_file(proc, name, "cmdline", text, sizeof text);
        if (length > 0)
            visit(pid, text, (size_t)length, start_usec, user_data);
    }
    return true;
}

bool
banger_process_uid_may_have_unit(uid_t uid)
{
    banger_autofd int proc = -1;
    g_autoptr(GDir) directory = open_processes(&proc, NULL);
    bool may = directory == NULL;
    const char *name;

    while (!may && (name = g_dir_read_name(directory)) != NULL) {
        struct stat st;

        if (!g_ascii_isdigit(name[0]))
            continue;
        errno = 0;
        may = (fstatat(proc, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == uid &&
               banger_process_is_in_unit((pid_t)strtol(name, NULL, 10))) ||
              banger_is_shortage(errno);
    }
    return may;
}

/* Whether the process @pid is of @group and has not ended. */
static bool
is_member(int proc, const char *pid, pid_t group)
{
    char text[1024];
    const char *state;
    const char *threads;
    const char *of;

    if (read_file(proc, pid, "stat", text, sizeof text) <= 0)
        return false;
    state = stat_field(text, 3);
    of = stat_field(text, 5);
    threads = stat_field(text, 20);
    if (threads == NULL || g_ascii_strtoll(of, NULL, 10) != group)
        return false;
    /* The state is the first thread's, which may have ended before the others. */
    return g_ascii_strtoll(threads, NULL, 10) > 1 || (*state != 'Z' && *state != 'X');
}

bool
banger_process_group_lives(pid_t group)
{
    banger_autofd int proc = -1;
    g_autoptr(GDir) directory = open_processes(&proc, NULL);
    const char *pid;
    bool lives = false;

    while (directory != NULL && !lives && (pid = g_dir_read_name(directory)) != NULL)
        lives = g_ascii_isdigit(pid[0]) && is_member(proc, pid, group);
    return lives;
}
